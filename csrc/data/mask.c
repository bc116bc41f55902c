/* mask.c: nearest pixels; pictures that look like masks. */
#include "data/mask.h"

#include <stdlib.h>
#include <string.h>

#include "data/crew.h"

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

/* ---- telling masks from photographs ---- */

typedef struct search {
  const char *const *paths;
  decode_options decode;
  uint8_t *out; /* NO_MEMORY until the end for a picture that there was no memory for */
} search;

enum { NO_MEMORY = 2 };

static int is_all(const decoded *d, size_t at, uint8_t value) {
  size_t plane = (size_t)d->height * d->width;
  for (int c = 0; c < d->channels; c++)
    if (d->pixels[c * plane + at] != value) return 0;
  return 1;
}

/* Compares every pixel with the first one and with the first that differs from it. */
static int is_mask_like(const decoded *d) {
  size_t plane = (size_t)d->height * d->width, second = 0;
  for (size_t i = 1; i < plane; i++) {
    int like_first = 1, like_second = second > 0;
    for (int c = 0; c < d->channels; c++) {
      const uint8_t *channel = d->pixels + c * plane;
      like_first &= channel[i] == channel[0];
      like_second &= channel[i] == channel[second];
    }
    if (like_first || like_second) continue;
    if (second) return 0;
    second = i;
  }
  return is_all(d, 0, 0) || is_all(d, second, second ? 0 : 255);
}

static int look_at(void *context, int64_t i) {
  search *s = context;
  decoded d = {0};
  agad_error error;
  int failed = decode_file(s->paths[i], &s->decode, &d, &error);
  s->out[i] = failed ? error.kind == AGAD_OUT_OF_MEMORY ? NO_MEMORY : 0 : is_mask_like(&d);
  free(d.pixels);
  return s->out[i] == NO_MEMORY;
}

int data_mask_like(const char *const *paths, int64_t n, const decode_options *o, uint8_t *out, agad_error *error) {
  search s = {.paths = paths, .decode = {.max_pixels = o->max_pixels, .max_bytes = o->max_bytes}, .out = out};
  crew_job job = {.n = n, .work = look_at, .context = &s};
  memset(out, 0, (size_t)n);
  if (crew_run(&job, error)) return -1;
  if (memchr(out, NO_MEMORY, (size_t)n))
    return agad_fail_as(error, AGAD_OUT_OF_MEMORY, "masks: no memory to look at the pictures");
  return 0;
}
