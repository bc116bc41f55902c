/* mask.c: nearest pixels. */
#include "data/mask.h"

#include <string.h>

void data_mask(const resample_source *in, uint8_t *out, int height, int width, data_fit fit) {
  data_place p = data_place_of(in->height, in->width, height, width, fit);
  memset(out, 0, (size_t)height * width);
  for (int i = 0; i < p.y.n; i++) {
    const uint8_t *row = in->pixels + (size_t)data_nearest(&p.y, i) * in->row;
    uint8_t *to = out + (size_t)(p.y.at + i) * width + p.x.at;
    for (int j = 0; j < p.x.n; j++) {
      const uint8_t *pixel = row + (size_t)data_nearest(&p.x, j) * in->pixel;
      int any = 0;
      for (int c = 0; c < in->channels; c++) any |= pixel[c * in->plane];
      to[j] = any > 0;
    }
  }
}
