/* scope.cpp: ownership of handles and the sticky error, one of each a thread. */
#include "internal.h"

#include <atomic>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <new>

__thread at_thread_state *at_thread_here = nullptr;

at_thread_state &at_thread_start() {
  static thread_local at_thread_state state;
  return state;
}

at_thread_state::at_thread_state() { at_thread_here = this; }

at_thread_state::~at_thread_state() {
  at_thread_here = nullptr;
  while (at_tensor *t = unused) {
    unused = t->next;
    delete t;
  }
}

static constexpr size_t kUnused = 1024; /* handles kept for the next tensors */
static std::atomic<int64_t> handles_alive{0};
int64_t at_handles() { return handles_alive.load(std::memory_order_relaxed); }

/* The place in the list comes first: without memory for a handle, an empty place is left, and no tensor. */
at_tensor *at_wrap(at::Tensor t) {
  if (!t.defined()) return nullptr;
  at_thread_state &thread = at_thread();
  thread.owned.push_back(nullptr);
  at_tensor *handle = thread.unused;
  if (handle) {
    thread.unused = handle->next;
    thread.n_unused--;
    handle->t = std::move(t);
  } else handle = new at_tensor(std::move(t));
  handle->slot = thread.owned.size();
  thread.owned.back() = handle;
  handles_alive.fetch_add(1, std::memory_order_relaxed);
  return handle;
}

/* A handle without its tensor, for the next one. */
static void put_aside(at_tensor *t) {
  at_thread_state &thread = at_thread();
  if (thread.n_unused >= kUnused) return delete t;
  t->next = thread.unused;
  thread.unused = t;
  thread.n_unused++;
}

static void destroy(at_tensor *t) {
  handles_alive.fetch_sub(1, std::memory_order_relaxed);
  t->t.reset(); /* which may free others */
  put_aside(t);
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
  if (!block && at_ok()) {
    if (n > 0) at_fail("out of memory: %lld x %zu bytes could not be allocated", (long long)n, element);
    else at_fail("out of memory");
    at_thread().error.kind = AGAD_OUT_OF_MEMORY;
  }
  return block;
}

agad_kind at_failed_as(void) { return at_thread().error.kind; }

/* libtorch's messages may run over several lines: the first that says something is kept. */
static void fail_with(const char *what, agad_kind kind = AGAD_FAILED) {
  char text[sizeof(agad_error::message)];
  const char *trace = strstr(what, "\nException raised from");
  size_t n = trace ? (size_t)(trace - what) : strlen(what);
  n = n < sizeof text ? n : sizeof text - 1;
  for (size_t i = 0; i < n; i++) text[i] = strchr("\n\r\t", what[i]) ? ' ' : what[i];
  while (n > 0 && text[n - 1] == ' ') n--;
  text[n] = 0;
  fail_as(kind, text);
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
  TORCH_CHECK(t, "a tensor is required, but none was given");
  return t->t;
}

at_tensor *at_keep(at_tensor *t) {
  if (t && t->slot) {
    at_list<at_tensor *> &owned = at_thread().owned;
    if (t->slot == owned.size()) owned.pop_back();
    else owned[t->slot - 1] = nullptr;
    t->slot = 0;
  }
  return t;
}

at_tensor *at_give(at_tensor *t) {
  if (!t || t->slot) return t;
  return at_guard(
      [&] {
        at_list<at_tensor *> &owned = at_thread().owned;
        try {
          owned.push_back(t);
        } catch (...) {
          destroy(t); /* nobody else would */
          throw;
        }
        t->slot = owned.size();
        return t;
      },
      (at_tensor *)nullptr);
}

void at_free(at_tensor *t) {
  if (!t) return;
  at_keep(t);
  destroy(t);
}

void at_free_list(at_tensor **list, int n) {
  for (int i = 0; list && i < n; i++) at_free(list[i]);
  free(list);
}

static_assert(sizeof(at_tensor) == sizeof(at_place) && alignof(at_tensor) <= alignof(at_place),
              "at_place has the room of a handle");

at_tensor *at_move_in(at_place *place, at_tensor *t) {
  at_tensor *placed = new (place) at_tensor(std::move(t->t));
  at_keep(t);
  put_aside(t);
  return placed;
}

void at_move_out(at_place *place) {
  handles_alive.fetch_sub(1, std::memory_order_relaxed);
  ((at_tensor *)place)->t.reset(); /* who still has the handle finds an undefined tensor */
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
