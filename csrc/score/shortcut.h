/* shortcut.h: can the classes be told apart without looking for a defect?
 *
 * Plain statistics of each picture, each alone, with its AUROC in the better direction (.5 to 1). One
 * at .90 or more, or above the model, says that the classes differ by camera, light or file. A
 * detector must be read beside this.
 */
#ifndef AGAD_DATA_SHORTCUT_H
#define AGAD_DATA_SHORTCUT_H

#include "data/images.h"

#define SHORTCUT_MAX 8
#define SHORTCUT_PIXEL_STATISTICS 4

typedef struct data_shortcut {
  const char *name;
  double auroc;
} data_shortcut;

/* What a picture had before it was resized; optional arrays of (n). */
typedef struct data_origin {
  const int64_t *height, *width, *file_bytes;
} data_origin;

/* Of each picture mean, sd, grad_x and grad_y: out (n, SHORTCUT_PIXEL_STATISTICS). 0, or -1 when interrupted. */
int data_statistics(const uint8_t *pixels, int64_t n, int channels, int height, int width, double *out,
                    agad_error *error);

/* pixels (n, channels, height, width), anomalous (n) 0 or 1; origin may be NULL. Fills out with mean, sd,
 * grad_x, grad_y (means over all channels), then height, width, file_bytes where known, and returns how
 * many; -1 on error. */
int data_shortcuts(const uint8_t *pixels, int64_t n, int channels, int height, int width, const uint8_t *anomalous,
                   const data_origin *origin, data_shortcut out[SHORTCUT_MAX], agad_error *error);

#endif
