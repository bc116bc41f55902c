/* png.h: writes PNG files, 8 bits, grey or RGB, as in base/file.h: a process that is killed leaves the old file
 * intact. Reading: formats.h.
 */
#ifndef AGAD_DATA_PNG_H
#define AGAD_DATA_PNG_H

#include "base/error.h"

#include <stdint.h>

#define PNG_MAX_PIXELS ((int64_t)1 << 27) /* of a picture that is written */

/* pixels (channels, height, width), channels 1 or 3.  `what` (NULL: nothing) marks a picture that agad drew, by a text
 * chunk before the pixels: "Software", "agad: WHAT". */
int data_png_write(const char *path, const uint8_t *pixels, int channels, int height, int width, const char *what,
                   agad_error *error);

#endif
