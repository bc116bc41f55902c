#include "base/text.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

/* The bytes of the character that begins here; 0: none does. */
static size_t character(const unsigned char *s, size_t n) {
  static const unsigned least[] = {0, 0, 0x80, 0x800, 0x10000};
  size_t length = s[0] < 0x80 ? 1 : s[0] < 0xc0 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : s[0] < 0xf8 ? 4 : 0;
  if (length < 2 || length > n) return length > n ? 0 : length;
  unsigned code = s[0] & (0x7fu >> length);
  for (size_t i = 1; i < length; i++) {
    if ((s[i] & 0xc0) != 0x80) return 0;
    code = code << 6 | (s[i] & 0x3fu);
  }
  return code < least[length] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000) ? 0 : length;
}

int text_is_utf8(const char *bytes, size_t n) {
  const unsigned char *s = (const unsigned char *)bytes;
  for (size_t i = 0, length; i < n; i += length)
    if (!(length = character(s + i, n - i))) return 0;
  return 1;
}

/* Whether a character of two or three bytes acts on the text around it and is not seen itself: the controls U+0080 to
 * U+009F, the marks, embeddings and isolates that turn text around, and the separators of lines and paragraphs. */
static int is_control(const unsigned char *s, size_t length) {
  unsigned code = length == 2   ? (s[0] & 0x1fu) << 6 | (s[1] & 0x3fu)
                  : length == 3 ? (s[0] & 0x0fu) << 12 | (s[1] & 0x3fu) << 6 | (s[2] & 0x3fu)
                                : 0;
  return (code >= 0x80 && code < 0xa0) || code == 0x061c || code == 0x200e || code == 0x200f ||
         (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
}

size_t text_printable(char *out, size_t size, const char *bytes, size_t n) {
  const unsigned char *s = (const unsigned char *)bytes;
  int utf8 = text_is_utf8(bytes, n);
  size_t used = 0;
  for (size_t i = 0, length; i < n; i += length) {
    length = s[i] < 0x80 || !utf8 ? 1 : character(s + i, n - i);
    int plain = length == 1 ? s[i] >= 0x20 && s[i] < 0x7f : !is_control(s + i, length);
    size_t room = plain ? length : 4 * length;
    if (used + room >= size) break;
    if (plain) memcpy(out + used, s + i, length);
    else
      for (size_t k = 0; k < length; k++) snprintf(out + used + 4 * k, 5, "\\x%02X", s[i + k]);
    used += room;
  }
  if (size) out[used] = 0;
  return used;
}

static locale_t numbers;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static void make_numbers(void) { numbers = newlocale(LC_NUMERIC_MASK, "C", (locale_t)0); }

/* Without memory for the locale of numbers, uselocale(0) changes nothing. */
locale_t text_locale_begin(void) {
  pthread_once(&once, make_numbers);
  return uselocale(numbers);
}

void text_locale_end(locale_t before) { uselocale(before); }

int text_vprint(char *out, size_t size, const char *format, va_list args) {
  locale_t before = text_locale_begin();
  int length = vsnprintf(out, size, format, args);
  text_locale_end(before);
  return length;
}

int text_print(char *out, size_t size, const char *format, ...) {
  va_list args;
  va_start(args, format);
  int length = text_vprint(out, size, format, args);
  va_end(args);
  return length;
}

const char *text_number(char out[40], double value) {
  text_print(out, 40, floor(value) == value && fabs(value) < 1e14 ? "%.1f" : "%.14g", value);
  return out;
}
