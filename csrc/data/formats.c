/* formats.c: the list of picture formats. */
#include "data/formats.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

extern const data_format data_png, data_jpeg, data_bmp;

const data_format *const data_formats[] = {&data_png, &data_jpeg, &data_bmp, NULL};

const data_format *data_format_of(const uint8_t *bytes, size_t n) {
  const data_format *const *f = data_formats;
  while (*f && !(*f)->is(bytes, n)) f++;
  return *f;
}

const data_format *data_format_named(const char *file) {
  const char *dot = strrchr(file, '.');
  for (const data_format *const *f = data_formats; *f && dot; f++)
    for (const char *const *ending = (*f)->endings; *ending; ending++)
      if (!strcasecmp(dot + 1, *ending)) return *f;
  return NULL;
}

void data_format_names(char *text, size_t room) {
  size_t used = 0;
  for (const data_format *const *f = data_formats; *f && used < room; f++) {
    const char *before = f == data_formats ? "" : f[1] ? ", " : " or ";
    used += (size_t)snprintf(text + used, room - used, "%s%s", before, (*f)->name);
  }
}
