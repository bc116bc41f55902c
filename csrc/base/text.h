/* text.h: makes text from outside (names, paths, first bytes of files) fit for messages: one line that any terminal and
 * JSON can hold.
 *
 * The bytes of control characters, and of those that reverse the direction of text, become \xNN, and so do all bytes
 * over 127 if the text is not UTF-8.
 */
#ifndef AGAD_BASE_TEXT_H
#define AGAD_BASE_TEXT_H

#include <locale.h>
#include <stdarg.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Writes n bytes in this form and a terminating zero to `out`, cut at the end of a character if they do not fit.
 * Returns the length written. */
size_t text_printable(char *out, size_t size, const char *bytes, size_t n);

/* Whether the bytes are UTF-8 (RFC 3629). */
int text_is_utf8(const char *bytes, size_t n);

/* ---- numbers have a point, whatever locale the host has chosen ---- */

/* snprintf and vsnprintf. */
int text_print(char *out, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));
int text_vprint(char *out, size_t size, const char *format, va_list args);
/* A number with 14 digits, as Lua writes it: "0.5", "2.0".  Returns out. */
const char *text_number(char out[40], double value);
/* The same for what others write and read (jansson) in between, on this thread; raise nothing there. */
locale_t text_locale_begin(void);
void text_locale_end(locale_t before);

#ifdef __cplusplus
}
#endif

#endif
