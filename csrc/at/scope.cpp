/* scope.cpp: ownership of handles and the sticky error, one of each a thread. */
#include "internal.h"

#include "base/memory.h"

#include <atomic>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <new>
#include <string>

__thread at_thread_state *at_thread_here = nullptr;

at_thread_state &at_thread_start() {
  static thread_local at_thread_state state;
  return state;
}

at_thread_state::at_thread_state() { at_thread_here = this; }

at_thread_state::~at_thread_state() {
  at_thread_here = nullptr;
  for (at_tensor *t : unused) delete t;
  std::vector<at_tensor *>().swap(unused);
}

static constexpr size_t kUnused = 1024; /* handles kept for the next tensors */
static std::atomic<int64_t> handles_alive{0};
int64_t at_handles() { return handles_alive.load(std::memory_order_relaxed); }

at_tensor *at_wrap(at::Tensor t) {
  if (!t.defined()) return nullptr;
  at_thread_state &thread = at_thread();
  at_tensor *handle;
  if (thread.unused.empty()) handle = new at_tensor{std::move(t), 0};
  else {
    handle = thread.unused.back();
    thread.unused.pop_back();
    handle->t = std::move(t);
  }
  thread.owned.push_back(handle);
  handle->slot = thread.owned.size();
  handles_alive.fetch_add(1, std::memory_order_relaxed);
  return handle;
}

static void destroy(at_tensor *t) {
  handles_alive.fetch_sub(1, std::memory_order_relaxed);
  std::vector<at_tensor *> &unused = at_thread().unused;
  if (unused.size() >= kUnused) return delete t;
  t->t.reset();
  t->slot = 0;
  unused.push_back(t);
}

at_scope at_open(void) {
  at_thread_state &thread = at_thread();
  return {thread.owned.size(), ++thread.depth};
}

int at_close(at_scope *scope, agad_error *error) {
  at_thread_state &thread = at_thread();
  while (thread.owned.size() > scope->mark) {
    at_tensor *t = thread.owned.back();
    thread.owned.pop_back();
    if (t) destroy(t);
  }
  thread.depth = scope->depth - 1;
  if (!thread.failed) return 0;
  if (error) {
    *error = thread.error;
    thread.failed = false;
  }
  return -1;
}

int at_ok(void) { return !at_thread().failed; }

int at_fail(const char *format, ...) {
  at_thread_state &thread = at_thread();
  if (!thread.failed) {
    va_list args;
    va_start(args, format);
    agad_vfail(&thread.error, format, args);
    va_end(args);
    thread.failed = true;
  }
  return -1;
}

/* A failure of a kind; the first one stays. */
static int fail_as(agad_kind kind, const char *message) {
  if (at_ok()) {
    at_fail("%s", message);
    at_thread().error.kind = kind;
  }
  return -1;
}

int at_interrupted(void) { return fail_as(AGAD_INTERRUPTED, "interrupted"); }

int at_fail_with(const agad_error *error) { return fail_as(error->kind, error->message); }

void *at_calloc(int64_t n, size_t element) {
  void *block = at_ok() ? base_calloc(n, element) : nullptr;
  if (!block) fail_as(AGAD_OUT_OF_MEMORY, "out of memory");
  return block;
}

const char *at_message(void) { return at_thread().error.message; }

agad_kind at_failed_as(void) { return at_thread().error.kind; }

/* libtorch's messages may run over several lines: the first that says something is kept. */
static void fail_with(const char *what, agad_kind kind = AGAD_FAILED) {
  std::string text(what);
  size_t trace = text.find("\nException raised from");
  if (trace != std::string::npos) text.resize(trace);
  for (char &c : text)
    if (c == '\n' || c == '\r' || c == '\t') c = ' ';
  while (!text.empty() && text.back() == ' ') text.pop_back();
  fail_as(kind, text.c_str());
}

void at_caught() {
  try {
    throw;
  } catch (const c10::OutOfMemoryError &e) {
    fail_with(e.what_without_backtrace(), AGAD_OUT_OF_MEMORY);
  } catch (const c10::Error &e) { fail_with(e.what_without_backtrace()); } catch (const std::bad_alloc &) {
    fail_as(AGAD_OUT_OF_MEMORY, "out of memory");
  } catch (const at_failure &e) { fail_as(e.kind, e.what()); } catch (const std::exception &e) {
    fail_with(e.what());
  } catch (...) { at_fail("unknown C++ exception"); }
}

const at::Tensor &at_unwrap(const at_tensor *t) {
  TORCH_CHECK(t, "a tensor is missing where one is needed");
  return t->t;
}

at_tensor *at_keep(at_tensor *t) {
  if (t && t->slot) {
    std::vector<at_tensor *> &owned = at_thread().owned;
    if (t->slot == owned.size()) owned.pop_back();
    else owned[t->slot - 1] = nullptr;
    t->slot = 0;
  }
  return t;
}

at_tensor *at_give(at_tensor *t) {
  if (t && !t->slot) {
    std::vector<at_tensor *> &owned = at_thread().owned;
    owned.push_back(t);
    t->slot = owned.size();
  }
  return t;
}

void at_free(at_tensor *t) {
  if (!t) return;
  at_keep(t);
  destroy(t);
}

static_assert(sizeof(at_tensor) == sizeof(at_place) && alignof(at_tensor) <= alignof(at_place),
              "at_place has the room of a handle");

at_tensor *at_move_in(at_place *place, at_tensor *t) {
  at_tensor *placed = new (place) at_tensor{std::move(t->t), 0};
  at_keep(t);
  at_thread_state &thread = at_thread();
  if (thread.unused.size() < kUnused) thread.unused.push_back(t);
  else delete t;
  return placed;
}

void at_move_out(at_place *place) {
  handles_alive.fetch_sub(1, std::memory_order_relaxed);
  ((at_tensor *)place)->~at_tensor();
}

at_tensor *at_alias(const at_tensor *t) {
  return at_make([&] { return at_unwrap(t); });
}

void at_store(at_tensor **slot, at_tensor *t) {
  if (at_thread().failed) return;
  at_tensor *old = *slot;
  *slot = at_keep(t);
  if (old != t) at_free(old);
}
