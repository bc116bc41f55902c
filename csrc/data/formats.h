/* formats.h: the formats of picture files. To add one, write a C file that defines its data_format and list it in
 * formats.c. Decoding recognises a format by the first bytes of a file, listing a folder by the extension of its
 * name.
 */
#ifndef AGAD_DATA_FORMATS_H
#define AGAD_DATA_FORMATS_H

#include "data/raster.h"

typedef struct data_format {
  const char *name;       /* as messages show it */
  const char *endings[5]; /* file name extensions, in lower case, without the dot; ended by NULL */
  int (*is)(const uint8_t *bytes, size_t n);
  /* The picture, channels 1 or 3, as stored in the file: not rotated upright. 0, or -1 with `out` zeroed and a
   * message that is to follow "PATH: ". */
  int (*raster)(const uint8_t *bytes, size_t n, const raster_limits *limits, raster *out, agad_error *error);
  /* 1 for grey, 3 for all else, from a header that begins with these bytes; 0 if they are too few or invalid, -1 if out
   * of memory. */
  int (*channels)(const uint8_t *bytes, size_t n);
  int lossy; /* sharp edges are not kept: a mask is marked from half of the range on, not above 0 */
} data_format;

/* All of them, ended by NULL. */
extern const data_format *const data_formats[];

/* Finds a format by a file's first bytes, or by its name (upper or lower case); NULL: none. */
const data_format *data_format_of(const uint8_t *bytes, size_t n);
const data_format *data_format_named(const char *file);

/* Whether the name has the extension of a picture format that is not in the list. */
int data_format_is_other(const char *file);

/* Writes "PNG, JPEG or BMP" to text. */
void data_format_names(char *text, size_t room);

#endif
