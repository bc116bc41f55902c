/* arena.cpp: the processor's allocator with counters and arenas.
 *
 * It replaces libtorch's default allocator.  Every block has a 64-byte head that names its arena.  While
 * an arena is current on a thread, blocks of 4 KB and more come from its free lists (same size, or up to an
 * eighth larger); freed ones go back there, whoever frees them.  A training step asks for the same sizes
 * again and again: after the first step it takes no memory from the system and meets no page fault.
 * Blocks of up to 512 bytes, those of scalars and other small tensors, are kept by the thread that frees them; of those
 * of half a megabyte and more outside arenas, 64 MB are kept for the next one, since the system would clear their pages
 * anew.  They count as free.
 * AGAD_GUARD=1: nothing is kept, and a block whose end was written over stops the process when it is freed.
 */
#include "internal.h"

#include <c10/core/Allocator.h>
#include <c10/core/alignment.h>
#include <c10/core/CPUAllocator.h>
#include <c10/core/CachingDeviceAllocator.h>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <mutex>

#include <sys/mman.h>

using Blocks =
    std::multimap<size_t, void *, std::less<size_t>, at_taker<std::pair<const size_t, void *>>>; /* by size */

struct at_arena : at_taken {
  std::mutex lock;
  Blocks unused;
  int64_t out = 0; /* blocks in use */
  bool closed = false;
};

namespace {

constexpr size_t kHead = 64, kSmallest = 4096;
struct Head {
  at_arena *arena;
  size_t size;
  void *base; /* what malloc gave; the head lies at the next multiple of its size */
};
static_assert(sizeof(Head) <= kHead && kHead % c10::gAlignment == 0, "the head keeps the alignment");

thread_local at_arena *current = nullptr;
std::atomic<int64_t> bytes_alive{0}, bytes_peak{0};

void count(int64_t change) {
  int64_t now = bytes_alive.fetch_add(change, std::memory_order_relaxed) + change;
  int64_t peak = bytes_peak.load(std::memory_order_relaxed);
  while (now > peak && !bytes_peak.compare_exchange_weak(peak, now, std::memory_order_relaxed)) {}
}

bool forget_kept();

/* Asks for huge pages where a block has room for one: fewer misses when its addresses are translated. */
void advise(void *block, size_t size) {
#ifdef MADV_HUGEPAGE
  constexpr uintptr_t huge = 2 << 20;
  const uintptr_t first = ((uintptr_t)block + huge - 1) / huge * huge, end = ((uintptr_t)block + size) / huge * huge;
  if (first < end) madvise((void *)first, end - first, MADV_HUGEPAGE);
#else
  (void)block, (void)size;
#endif
}

/* Not posix_memalign: it cuts small pieces off both ends, which lie in the thread's cache after the block is freed, so
 * that the next block of that size finds no room there and the heap grows with every one. */
void *from_system(size_t size) {
  const int64_t bytes = size > PTRDIFF_MAX - 2 * kHead ? -1 : (int64_t)(size + 2 * kHead);
  void *base = base_alloc(bytes, 1);
  if (!base && forget_kept()) base = base_alloc(bytes, 1);
  TORCH_CHECK_WITH(OutOfMemoryError, base, "out of memory",
                   size ? c10::str(": ", size, " bytes could not be allocated") : std::string());
  void *block = (void *)(((uintptr_t)base + kHead - 1) / kHead * kHead);
  advise(block, size);
  ((Head *)block)->base = base;
  return block;
}

void to_system(void *block) { std::free(((Head *)block)->base); }

#ifdef __SANITIZE_ADDRESS__
constexpr size_t kSmall = 0; /* so that a use after the end is seen */
#else
constexpr size_t kSmall = at_spare::kStep * at_spare::kClasses;
#endif

/* The thread's list of blocks of this size (which is rounded up), or NULL. */
auto *spare(size_t *size) {
  at_thread_state *thread = *size && *size <= kSmall ? at_thread_here : nullptr;
  size_t steps = (*size + at_spare::kStep - 1) / at_spare::kStep;
  if (thread) *size = steps * at_spare::kStep;
  return thread ? thread->spare.lists + steps - 1 : nullptr;
}

void *from_spare(size_t *size) {
  auto *list = spare(size);
  if (!list || !list->first) return nullptr;
  void *block = list->first;
  list->first = *(void **)block;
  list->n--;
  return block;
}

bool to_spare(void *block, size_t size) {
  auto *list = size % at_spare::kStep ? nullptr : spare(&size);
  if (!list || list->n >= at_spare::kMost) return false;
  *(void **)block = list->first;
  list->first = block;
  list->n++;
  return true;
}

/* Freeing must not fail: false if there is no memory to record a block that could be kept. */
bool add(Blocks &blocks, size_t size, void *block) noexcept {
  try {
    blocks.emplace(size, block);
    return true;
  } catch (...) { return false; }
}

/* Large blocks that were freed outside arenas. */
struct Kept {
  std::mutex lock;
  Blocks blocks;
  size_t bytes = 0;
};
Kept &kept = *new Kept; /* until the very end: tensors may outlive it otherwise */
#ifdef __SANITIZE_ADDRESS__
constexpr size_t kLarge = SIZE_MAX, kMostKept = 0;
#else
constexpr size_t kLarge = 512 << 10, kMostKept = 64 << 20;
#endif

void *from_kept(size_t *size) {
  if (*size < kLarge) return nullptr;
  std::lock_guard<std::mutex> guard(kept.lock);
  auto found = kept.blocks.lower_bound(*size);
  if (found == kept.blocks.end() || found->first > *size + *size / 8) return nullptr;
  void *block = found->second;
  kept.bytes -= *size = found->first;
  kept.blocks.erase(found);
  return block;
}

bool to_kept(void *block, size_t size) {
  if (size < kLarge) return false;
  std::lock_guard<std::mutex> guard(kept.lock);
  if (kept.bytes + size > kMostKept || !add(kept.blocks, size, block)) return false;
  kept.bytes += size;
  return true;
}

bool forget_kept() {
  std::lock_guard<std::mutex> guard(kept.lock);
  bool any = !kept.blocks.empty();
  for (auto &b : kept.blocks) to_system(b.second);
  kept.blocks.clear();
  kept.bytes = 0;
  return any;
}

/* ---- AGAD_GUARD=1 ---- */

constexpr size_t kGuard = 64;
constexpr unsigned char kUntouched = 0xa5;

bool guarded() {
  static const bool on = [] {
    const char *value = getenv("AGAD_GUARD");
    return value && !strcmp(value, "1");
  }();
  return on;
}

void *from_system_guarded(size_t size) {
  void *block = from_system(size + kGuard);
  memset((char *)block + kHead + size, kUntouched, kGuard);
  return block;
}

void check_guard(const void *data, size_t size) {
  for (size_t i = 0; i < kGuard; i++)
    if (((const unsigned char *)data)[size + i] != kUntouched) {
      fprintf(stderr, "agad: AGAD_GUARD: %zu bytes of a tensor were written %zu bytes beyond their end\n", size, i);
      abort();
    }
}

void *from_arena(at_arena *arena, size_t *size) {
  std::lock_guard<std::mutex> guard(arena->lock);
  auto found = arena->unused.lower_bound(*size);
  void *block;
  if (found != arena->unused.end() && found->first <= *size + *size / 8) {
    *size = found->first;
    block = found->second;
    arena->unused.erase(found);
  } else {
    block = from_system(*size);
  }
  arena->out++;
  return block;
}

void drain(at_arena *arena) {
  for (auto &u : arena->unused) to_system(u.second);
  arena->unused.clear();
}

void give_back(void *data) {
  if (!data) return;
  void *block = (char *)data - kHead;
  Head *head = (Head *)block;
  count(-(int64_t)head->size);
  if (guarded()) {
    check_guard(data, head->size);
    return to_system(block);
  }
  at_arena *arena = head->arena;
  if (!arena) {
    if (!to_spare(block, head->size) && !to_kept(block, head->size)) to_system(block);
    return;
  }
  bool last;
  {
    std::lock_guard<std::mutex> guard(arena->lock);
    arena->out--;
    const size_t size = head->size;
    if (!add(arena->unused, size, block)) { to_system(block); }
    if (arena->closed) drain(arena);
    last = arena->closed && arena->out == 0;
  }
  if (last) delete arena;
}

struct Allocator final : c10::Allocator {
  c10::DataPtr allocate(size_t size) override {
    at_arena *arena = size >= kSmallest && !guarded() ? current : nullptr;
    void *block = guarded() ? from_system_guarded(size) : arena ? from_arena(arena, &size) : from_spare(&size);
    if (!block) block = from_kept(&size);
    if (!block) block = from_system(size);
    ((Head *)block)->arena = arena;
    ((Head *)block)->size = size;
    count((int64_t)size);
    void *data = (char *)block + kHead;
    return {data, data, &give_back, c10::Device(c10::DeviceType::CPU)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &give_back; }
  void copy_data(void *to, const void *from, size_t n) const override { default_copy_data(to, from, n); }
};

Allocator allocator;
const bool installed = (c10::SetCPUAllocator(&allocator, 1), true);

} // namespace

at_spare::~at_spare() {
  for (auto &list : lists)
    while (void *block = list.first) {
      list.first = *(void **)block;
      to_system(block);
    }
}

int64_t at_handles();

at_arena *at_arena_new(void) {
  return at_try([] { return new at_arena; }, (at_arena *)nullptr);
}

void at_arena_free(at_arena *arena) {
  if (!arena) return;
  if (current == arena) current = nullptr;
  bool last;
  {
    std::lock_guard<std::mutex> guard(arena->lock);
    arena->closed = true;
    drain(arena);
    last = arena->out == 0;
  }
  if (last) delete arena;
}

at_arena *at_arena_use(at_arena *arena) {
  at_arena *before = current;
  current = arena;
  return before;
}

static c10::DeviceAllocator *device_allocator() {
  auto *allocator = dynamic_cast<c10::DeviceAllocator *>(c10::GetAllocator(at::kCUDA));
  return allocator && allocator->initialized() ? allocator : nullptr;
}

void at_device_memory(int device, int64_t *bytes, int64_t *peak) {
  *bytes = *peak = 0;
  at_do([&] {
    auto *allocator = device_allocator();
    if (!allocator) return;
    auto stats = allocator->getDeviceStats((c10::DeviceIndex)device);
    const auto &all = stats.allocated_bytes[(size_t)c10::CachingAllocator::StatType::AGGREGATE];
    *bytes = all.current, *peak = all.peak;
  });
}

at_memory_use at_memory(void) {
  return {at_handles(), bytes_alive.load(std::memory_order_relaxed), bytes_peak.load(std::memory_order_relaxed)};
}

void at_restart_peak(void) {
  bytes_peak.store(bytes_alive.load(std::memory_order_relaxed), std::memory_order_relaxed);
  for (int device = 0; device < at_devices(); device++)
    at_do([&] {
      if (auto *allocator = device_allocator()) allocator->resetPeakStats((c10::DeviceIndex)device);
    });
}
