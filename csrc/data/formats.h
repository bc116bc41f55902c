/* formats.h: the formats of picture files.  A format is one C file that defines a data_format, and its line in
 * formats.c: its first bytes tell it when decoding, its endings when a folder is listed.
 */
#ifndef AGAD_DATA_FORMATS_H
#define AGAD_DATA_FORMATS_H

#include "data/raster.h"

typedef struct data_format {
  const char *name;       /* as messages call it */
  const char *endings[4]; /* of file names, in lower case, without the dot; ended by NULL */
  int (*is)(const uint8_t *bytes, size_t n);
  /* The picture, channels 1 or 3, as the file has it: not turned upright. 0, or -1 with `out` zeroed and a reason
   * that reads well after "PATH: ". */
  int (*raster)(const uint8_t *bytes, size_t n, const raster_limits *limits, raster *out, agad_error *error);
  /* 1 for grey, 3 for all else, by a header that begins with these bytes; 0 when they are too few or broken, -1 without memory. */
  int (*channels)(const uint8_t *bytes, size_t n);
} data_format;

/* All of them, ended by NULL. */
extern const data_format *const data_formats[];

/* By a file's first bytes, and by its name (in any case); NULL: none. */
const data_format *data_format_of(const uint8_t *bytes, size_t n);
const data_format *data_format_named(const char *file);

/* "PNG or JPEG", into text. */
void data_format_names(char *text, size_t room);

#endif
