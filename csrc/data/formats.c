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

int data_format_is_other(const char *file) {
  static const char *const endings[] = {"apng", "arw",  "avif", "cr2", "cr3", "dcm", "dng", "exr",  "gif", "hdr",
                                        "heic", "heif", "ico",  "j2k", "jls", "jp2", "jpx", "jxl",  "jxr", "mpo",
                                        "nef",  "orf",  "pam",  "pbm", "pcx", "pfm", "pgm", "pnm",  "ppm", "psd",
                                        "qoi",  "raf",  "raw",  "rw2", "sgi", "tga", "tif", "tiff", "webp"};
  const char *dot = strrchr(file, '.');
  for (size_t i = 0; dot && i < sizeof endings / sizeof *endings; i++)
    if (!strcasecmp(dot + 1, endings[i])) return 1;
  return 0;
}

void data_format_names(char *text, size_t room) {
  size_t used = 0;
  for (const data_format *const *f = data_formats; *f && used < room; f++) {
    const char *before = f == data_formats ? "" : f[1] ? ", " : " or ";
    used += (size_t)snprintf(text + used, room - used, "%s%s", before, (*f)->name);
  }
}
