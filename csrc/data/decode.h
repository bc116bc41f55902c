/* decode.h: a picture file (of any format of formats.c) as planes of 8 bits.
 *
 * What comes out is what Pillow's exif_transpose, convert("RGB") or ("L") and resize give: alpha is dropped,
 * palettes become RGB, CMYK is read as Adobe writes it (inverted), grey from colour is the luma, EXIF's
 * orientation is undone. One exception: 16 bits become 8 by rounding, v / 257, not by dropping the low byte.
 * Masks are not made of such pictures but of the values in the file (mask.h).
 * Damage about which the libraries only warn is accepted, but a truncated file is an error.
 * Limits are checked before memory is allocated. Messages are to follow "PATH: ".
 */
#ifndef AGAD_DATA_DECODE_H
#define AGAD_DATA_DECODE_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "data/place.h"

#define DECODE_MAX_PIXELS ((int64_t)100000000) /* of the file's picture */
#define DECODE_MAX_BYTES ((int64_t)256 << 20)  /* of the file */

typedef struct decode_options {
  data_form form;
  int fast_decode;               /* scaled JPEG decoding where a picture shrinks by 2 or more: changes pixels */
  int mask;                      /* one channel, 255 where a pixel is marked, else 0 (mask.h); not for fast_decode */
  int64_t max_pixels, max_bytes; /* 0: DECODE_MAX_PIXELS, DECODE_MAX_BYTES */
} decode_options;

typedef struct decoded {
  int channels, height, width; /* of pixels */
  int file_height, file_width; /* upright, before resizing */
  int file_channels;           /* before conversion: 1 or 3 */
  int64_t file_bytes;
  uint8_t *pixels; /* [channels][height][width]; free() */
} decoded;

/* Both: 0, or -1 and out is zeroed. No state is shared: any number of threads may decode. */
int decode_memory(const uint8_t *bytes, size_t n, const decode_options *o, decoded *out, agad_error *error);
int decode_file(const char *path, const decode_options *o, decoded *out, agad_error *error); /* names the path */

#endif
