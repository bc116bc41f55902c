/* error.h: one message and its kind, carried upwards.
 *
 * One rule.  A function that can fail without tensors takes an agad_error of its caller's as its last argument; at the
 * first failure it fills it and returns -1, or NULL, and what it was to make or to fill is freed and empty.  A function
 * over tensors reports by the sticky error of at.h; one that takes an agad_error as well closes its own scope into it.
 * A message is one line: what, where, what to do; agad_fail makes it one, whatever names it quotes.  It is for people:
 * code that must know what happened asks for the kind, and who passes a failure on keeps its kind.
 */
#ifndef AGAD_ERROR_H
#define AGAD_ERROR_H

#include <stdarg.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum agad_kind {
  AGAD_FAILED = 1,
  AGAD_INTERRUPTED = 2,  /* by Ctrl-C: agad_interrupt was set */
  AGAD_OUT_OF_MEMORY = 3 /* memory was not to be had; less at once may be */
} agad_kind;

typedef struct agad_error {
  char message[1024];
  agad_kind kind; /* valid after a failure, as the message */
} agad_error;

/* Formats the message (printf's rules) and returns -1, so that `return agad_fail(...)` reads well. */
int agad_fail(agad_error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same with another kind; of a failure that is passed on with more words, its own. */
int agad_fail_as(agad_error *error, agad_kind kind, const char *format, ...) __attribute__((format(printf, 3, 4)));
int agad_interrupted(agad_error *error); /* the same for a loop that agad_interrupt ends */
int agad_vfail(agad_error *error, const char *format, va_list args);

/* Set by the host's SIGINT handler, polled by every long C loop; the host clears and interprets it. */
extern volatile int agad_interrupt;

#ifdef __cplusplus
}
#endif
#endif
