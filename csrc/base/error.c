#include "base/error.h"

#include "base/text.h"

volatile int agad_interrupt = 0;

/* A text that was cut may end within a character, which would make it no UTF-8. */
static size_t whole_characters(const char *text, size_t n) {
  for (size_t less = 0; less < 4 && less < n; less++)
    if (text_is_utf8(text, n - less)) return n - less;
  return n;
}

int agad_vfail(agad_error *error, const char *format, va_list args) {
  char text[sizeof error->message];
  if (!error) return -1;
  int length = text_vprint(text, sizeof text, format, args);
  size_t n = length < 0 ? 0 : (size_t)length < sizeof text ? (size_t)length : whole_characters(text, sizeof text - 1);
  text_printable(error->message, sizeof error->message, text, n);
  error->kind = AGAD_FAILED;
  return -1;
}

int agad_interrupted(agad_error *error) { return agad_fail_as(error, AGAD_INTERRUPTED, "interrupted"); }

int agad_fail(agad_error *error, const char *format, ...) {
  va_list args;
  va_start(args, format);
  agad_vfail(error, format, args);
  va_end(args);
  return -1;
}

int agad_fail_as(agad_error *error, agad_kind kind, const char *format, ...) {
  va_list args;
  va_start(args, format);
  agad_vfail(error, format, args);
  va_end(args);
  if (error) error->kind = kind;
  return -1;
}
