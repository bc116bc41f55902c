/* device.cpp: the device probe, generators, threads, versions. */
#include "internal.h"

#include "base/cores.h"

#include <ATen/Context.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <ATen/ops/normal.h>
#include <c10/util/Exception.h>
#include <torch/headeronly/version.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <mutex>
#include <omp.h>
#include <string>

static int devices = 0;

/* libtorch looks for its CUDA hooks once: whatever touches a generator or the autograd engine before
 * libtorch_cuda is loaded settles that there is none.  So the driver is asked first, through its own
 * library, and nothing of libtorch is called until the answer is known. */
static int driver_devices(const char **note) {
  void *driver = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  if (!driver) return *note = "no CUDA driver (libcuda.so.1) on this machine", 0;
  int (*init)(unsigned) = (int (*)(unsigned))dlsym(driver, "cuInit");
  int (*count)(int *) = (int (*)(int *))dlsym(driver, "cuDeviceGetCount");
  int n = 0;
  if (!init || !count || init(0) || count(&n)) n = 0;
  if (n == 0) *note = "the CUDA driver finds no device";
  return n;
}

namespace {

/* libtorch's warnings as notes, without the place in its source. */
struct notes : c10::WarningHandler {
  void process(const c10::Warning &warning) override {
    std::fprintf(stderr, "note: libtorch: %s\n", warning.msg().c_str());
  }
};

} // namespace

int at_probe(const char **note) {
  static std::string reason;
  static bool done = false;
  static std::mutex lock;
  auto ask = [&] {
    std::lock_guard<std::mutex> guard(lock);
    if (done) return 0;
    done = true;
    const char *off = getenv("AGAD_CUDA"), *none = "";
    if (off && !strcmp(off, "0")) {
      none = "AGAD_CUDA=0 turned it off";
    } else if ((devices = driver_devices(&none)) > 0) {
      /* Both are found by the rpath of the library that holds this function. */
      if (!dlopen("libtorch_cuda.so", RTLD_NOW | RTLD_GLOBAL) || !dlopen("agad_cuda.so", RTLD_NOW | RTLD_GLOBAL)) {
        const char *why = dlerror();
        reason = std::string("there is a CUDA device, but its library could not be loaded (") +
                 (why ? why : "agad_cuda.so") + "); run: make cuda";
        devices = 0;
      }
    }
    if (*none) reason = none;
    at_limit_threads();
    static notes handler;
    c10::WarningUtils::set_warning_handler(&handler);
    /* A sparse tensor with indices out of range is refused when it is made, not read beyond its memory later. */
    at::globalContext().setCheckSparseTensorInvariants(true);
    return 0;
  };
  at_guard(ask, -1);
  if (note) *note = reason.c_str();
  return devices;
}

int at_devices(void) { return devices; }

static int is_number(const char *name) {
  const char *text = getenv(name);
  return text && atoi(text) > 0;
}

void at_limit_threads(void) {
  static std::once_flag once;
  if (is_number("OMP_NUM_THREADS") || is_number("MKL_NUM_THREADS")) return;
  at_do([] {
    std::call_once(once, [] {
      int cores = base_cores("");
      if (at::get_num_threads() > cores) at::set_num_threads(cores);
    });
  });
}

int at_set_threads(int n) {
  at_limit_threads(); /* not later, when it would undo this */
  at_do([&] {
    if (n > 0) at::set_num_threads(n);
  });
  return at_try([] { return at::get_num_threads(); }, 1);
}

/* MKL's own setting for a thread, where libtorch has MKL; 0: as the process. */
extern "C" __attribute__((weak)) int MKL_Set_Num_Threads_Local(int n);

int at_one_thread(int on) {
  static thread_local int alone = 0, omp = 1, mkl = 0;
  const int before = alone;
  if (!before && on) {
    omp = omp_get_max_threads();
    if (MKL_Set_Num_Threads_Local) mkl = MKL_Set_Num_Threads_Local(1);
    omp_set_num_threads(1);
  } else if (before && !on) {
    if (MKL_Set_Num_Threads_Local) MKL_Set_Num_Threads_Local(mkl);
    omp_set_num_threads(omp);
  }
  alone = on;
  return before;
}

int at_team(int64_t n) {
  return at_try([&] { return (int)std::min<int64_t>(n, at::get_num_threads()); }, 1);
}

namespace {

struct team {
  int64_t n;
  void (*work)(void *context, int64_t i, int member);
  void *context;
  std::atomic<int64_t> next{0};
  std::atomic<int> failed{0};
  agad_error error; /* of the first that failed */

  void run(int member) {
    agad_error reason;
    at_scope scope = at_open();
    for (int64_t i; !failed && at_ok() && (i = next++) < n;) work(context, i, member);
    if (at_close(&scope, &reason) && !failed.exchange(1)) error = reason;
  }
};

} // namespace

void at_each(int64_t n, int size, void (*work)(void *context, int64_t i, int member), void *context) {
  if (!at_ok()) return;
  team all{n, work, context, {}, {}, {}};
  if (size <= 1) all.run(0);
  else
    at_do([&] {
      at::parallel_for(0, size, 1, [&](int64_t begin, int64_t end) {
        const int before = at_one_thread(1);
        for (int64_t member = begin; member < end; member++) all.run((int)member);
        at_one_thread(before);
      });
    });
  if (all.failed) at_fail_with(&all.error);
}

void at_deterministic(int on) {
  at_do([&] {
    at::globalContext().setDeterministicAlgorithms(on, /*warn_only=*/true);
    at::globalContext().setDeterministicCuDNN(on);
  });
}

void at_allow_tf32(int on) {
  at_do([&] {
    at::globalContext().setAllowTF32CuDNN(on);
    at::globalContext().setAllowTF32CuBLAS(on);
  });
}

const char *at_version(void) { return TORCH_VERSION; }

const char *at_capability(void) {
  auto ask = [] {
    static const std::string capability = at::get_cpu_capability();
    return capability.c_str();
  };
  return at_guard(ask, "unknown");
}

int at_fast_bf16(int device) {
  if (device >= 0) return 1; /* every device that agad_cuda.so is built for has compute >= 8.0 */
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512bf16")) return 1;
#ifdef __x86_64__
  unsigned a = 7, b = 0, c = 0, d = 0;
  __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
  if (d & (1u << 22)) return 1; /* AMX-BF16 */
#endif
  return 0;
}

int at_plain(void) {
  const char *plain = getenv("AGAD_PLAIN");
  return plain && *plain && strcmp(plain, "0") != 0;
}

/* ---- random state ---- */

struct at_generator : at_taken {
  at::Generator g;
  explicit at_generator(const at::Generator &of) : g(of) {}
};

const at::Generator &at_generator_of(const at_generator *g) {
  static at::Generator standard = at::detail::getDefaultCPUGenerator();
  return g ? g->g : standard;
}

void at_manual_seed(uint64_t seed) {
  at_do([&] { at::manual_seed(seed); });
}

at_generator *at_generator_new(uint64_t seed, int device) {
  return at_try(
      [&] {
        at::Generator g =
            device < 0 ? at::detail::createCPUGenerator(seed)
                       : at::globalContext().getAcceleratorHooksInterface().getNewGenerator((c10::DeviceIndex)device);
        g.set_current_seed(seed);
        return new at_generator(g);
      },
      (at_generator *)nullptr);
}

void at_generator_free(at_generator *g) { delete g; }

void at_normal_(at_tensor *t, double mean, double std, at_generator *g) {
  at_do([&] { at_unwrap(t).normal_(mean, std, g ? c10::optional<at::Generator>(g->g) : c10::nullopt); });
}

void at_uniform_(at_tensor *t, double low, double high, at_generator *g) {
  at_do([&] { at_unwrap(t).uniform_(low, high, g ? c10::optional<at::Generator>(g->g) : c10::nullopt); });
}

at_tensor *at_generator_state(const at_generator *g) {
  return at_make([&] {
    TORCH_CHECK(g, "a generator is required, but none was given");
    at::Generator generator = g->g;
    std::lock_guard<std::mutex> lock(generator.mutex());
    return generator.get_state();
  });
}

void at_generator_set_state(at_generator *g, const at_tensor *state) {
  at_do([&] {
    TORCH_CHECK(g, "a generator is required, but none was given");
    std::lock_guard<std::mutex> lock(g->g.mutex());
    g->g.set_state(at_unwrap(state));
  });
}

at_tensor *at_exchange_random(int device, const at_tensor *state) {
  return at_make([&] {
    at::Generator g = device < 0 ? at_generator_of(nullptr) : at::globalContext().defaultGenerator(at_device(device));
    std::lock_guard<std::mutex> lock(g.mutex());
    at::Tensor before = g.get_state();
    g.set_state(at_unwrap(state));
    return before;
  });
}
