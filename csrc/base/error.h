/* error.h: one message and its kind, carried upwards.
 *
 * Rooms that do not need libtorch (data, the parsers of net) report through an agad_error that the
 * caller owns; the first failure of a call fills it and the call returns -1 (or NULL).
 * A message is one line: what, where, what to do; agad_fail makes it one, whatever names it quotes.  It is for people;
 * code that must know what happened asks for the kind.
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
  AGAD_OUT_OF_MEMORY = 3 /* a tensor did not fit; less at once may */
} agad_kind;

typedef struct agad_error {
  char message[1024];
  agad_kind kind; /* valid after a failure, as the message */
} agad_error;

/* Formats the message (printf's rules) and returns -1, so that `return agad_fail(...)` reads well. */
int agad_fail(agad_error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));
int agad_interrupted(agad_error *error); /* the same for a loop that agad_interrupt ends */
int agad_vfail(agad_error *error, const char *format, va_list args);

/* Set by the host's SIGINT handler, polled by every long C loop; the host clears and interprets it. */
extern volatile int agad_interrupt;

#ifdef __cplusplus
}
#endif
#endif
