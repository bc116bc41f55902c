/* error.h: one message and its kind, passed up to the caller.
 *
 * A function that can fail and does not work on tensors takes an agad_error as its last argument. At the first failure
 * it fills it, frees what it was to make, leaves its outputs empty and returns -1 or NULL. A function over tensors
 * reports through the sticky error of at.h; if it also takes an agad_error, it closes its own scope into it.
 * A message is one line: what is wrong, where, what to do; agad_fail makes it one line, whatever names it quotes.
 * Messages are for people: code that must know what happened checks the kind, and code that passes a failure on keeps
 * its kind.
 */
#ifndef AGAD_ERROR_H
#define AGAD_ERROR_H

#include <stdarg.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum agad_kind {
  AGAD_FAILED = 1,
  AGAD_INTERRUPTED = 2,  /* by Ctrl-C, which sets agad_interrupt */
  AGAD_OUT_OF_MEMORY = 3 /* asking for less at a time may succeed */
} agad_kind;

typedef struct agad_error {
  char message[1024];
  agad_kind kind; /* like the message, valid only after a failure */
} agad_error;

/* Formats the message (printf's rules) and returns -1, so that `return agad_fail(...)` reads well. */
int agad_fail(agad_error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same with a kind; when adding words to a failure that is passed on, give its kind. */
int agad_fail_as(agad_error *error, agad_kind kind, const char *format, ...) __attribute__((format(printf, 3, 4)));
int agad_interrupted(agad_error *error); /* the same for a loop that agad_interrupt ends */
int agad_vfail(agad_error *error, const char *format, va_list args);

/* Set by the host's handlers of signals (Ctrl-C, a request to end), polled by every long C loop; the host clears and interprets it. */
extern volatile int agad_interrupt;

#ifdef __cplusplus
}
#endif
#endif
