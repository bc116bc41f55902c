/* text.h: makes text from outside (names, paths, first bytes of files) fit for messages: one line that any terminal and
 * JSON can hold.
 *
 * Control characters become \xNN, and so do all bytes over 127 if the text is not UTF-8.
 */
#ifndef AGAD_BASE_TEXT_H
#define AGAD_BASE_TEXT_H

#include <stddef.h>

/* Writes n bytes in this form and a terminating zero to `out`, cut at the end of a character if they do not fit.
 * Returns the length written. */
size_t text_printable(char *out, size_t size, const char *bytes, size_t n);

/* Whether the bytes are UTF-8 (RFC 3629). */
int text_is_utf8(const char *bytes, size_t n);

#endif
