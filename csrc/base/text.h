/* text.h: text from outside (names, paths, first bytes of files) in messages: one line that any terminal and JSON hold.
 *
 * Control characters become \xNN, and so do all bytes over 127 of a text that is no UTF-8.
 */
#ifndef AGAD_BASE_TEXT_H
#define AGAD_BASE_TEXT_H

#include <stddef.h>

/* Writes n bytes so, and a zero; what does not fit is left out, at the end of a character.  The length written. */
size_t text_printable(char *out, size_t size, const char *bytes, size_t n);

/* Whether they are UTF-8, as RFC 3629 has it. */
int text_is_utf8(const char *bytes, size_t n);

#endif
