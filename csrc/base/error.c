#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>

volatile int agad_interrupt = 0;

int agad_fail(agad_error *error, const char *format, ...) {
  if (error) {
    va_list args;
    va_start(args, format);
    vsnprintf(error->message, sizeof error->message, format, args);
    va_end(args);
    error->kind = AGAD_FAILED;
  }
  return -1;
}

int agad_interrupted(agad_error *error) {
  agad_fail(error, "interrupted");
  if (error) error->kind = AGAD_INTERRUPTED;
  return -1;
}
