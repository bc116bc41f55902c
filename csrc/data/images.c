/* images.c: allocation, resizing, channels and selection of picture sets.
 *
 * The bilinear position of output d is ((2d + 1) in - out) / (2 out), so every weight is a whole
 * number of 1/(2 out): a pixel is an integer over 4 out_h out_w, rounded once, halves to even.
 */
#include "data/images.h"

#include <stdlib.h>
#include <string.h>

#include "base/size.h"

int data_images_alloc(data_images *set, int64_t count, int channels, int height, int width, int with_labels,
                      int with_masks, agad_error *error) {
  memset(set, 0, sizeof *set);
  if (channels != 1 && channels != 3)
    return agad_fail(error, "images: %d channels; give 1 (grey) or 3 (colour)", channels);
  if (height < 1 || width < 1 || height > DATA_MAX_SIDE || width > DATA_MAX_SIDE)
    return agad_fail(error, "images: %d x %d pixels; sides go from 1 to %d", height, width, DATA_MAX_SIDE);
  int64_t plane = (int64_t)height * width;
  int64_t bytes = base_product(count, plane * channels, DATA_MAX_BYTES);
  if (bytes < 0)
    return agad_fail(error, "images: %lld pictures of %d x %d x %d are more than %lld GiB; take fewer",
                     (long long)count, channels, height, width, (long long)(DATA_MAX_BYTES >> 30));
  set->count = count;
  set->channels = channels;
  set->height = height;
  set->width = width;
  set->pixels = calloc((size_t)bytes + 1, 1);
  if (with_labels) set->labels = calloc((size_t)count + 1, sizeof *set->labels);
  if (with_masks) set->masks = calloc((size_t)(count * plane) + 1, 1);
  if (set->pixels && (set->labels || !with_labels) && (set->masks || !with_masks)) return 0;
  data_images_free(set);
  return agad_fail(error, "images: no memory for %lld pictures of %d x %d x %d", (long long)count, channels, height,
                   width);
}

void data_images_free(data_images *set) {
  free(set->pixels);
  free(set->labels);
  free(set->masks);
  free(set->file_bytes);
  for (int i = 0; i < set->n_classes; i++) free(set->classes[i]);
  free(set->classes);
  memset(set, 0, sizeof *set);
}

int data_images_set_classes(data_images *set, const char *const *names, int n, agad_error *error) {
  char **copy = calloc((size_t)n + 1, sizeof *copy);
  if (!copy) return agad_fail(error, "images: no memory for %d class names", n);
  for (int i = 0; i < n; i++) {
    copy[i] = strdup(names[i]);
    if (!copy[i]) {
      while (i--) free(copy[i]);
      free(copy);
      return agad_fail(error, "images: no memory for %d class names", n);
    }
  }
  for (int i = 0; i < set->n_classes; i++) free(set->classes[i]);
  free(set->classes);
  set->classes = copy;
  set->n_classes = n;
  return 0;
}

/* Left neighbour, right neighbour and the right one's weight, in 1/(2 out). */
static void bilinear_tap(int d, int in, int out, int *left, int *right, int64_t *weight) {
  int64_t position = (2 * (int64_t)d + 1) * in - out, unit = 2 * (int64_t)out;
  if (position < 0) position = 0;
  *left = (int)(position / unit);
  *weight = position % unit;
  if (*left >= in - 1) {
    *left = in - 1;
    *weight = 0;
  }
  *right = *left + (*left < in - 1);
}

void data_resize_plane(const uint8_t *in, int in_h, int in_w, uint8_t *out, int out_h, int out_w, int32_t *scratch) {
  int left, right;
  int64_t w;
  for (int x = 0; x < out_w; x++) {
    bilinear_tap(x, in_w, out_w, &left, &right, &w);
    for (int y = 0; y < in_h; y++) {
      const uint8_t *row = in + (size_t)y * in_w;
      scratch[(size_t)y * out_w + x] = (int32_t)(row[left] * (2 * (int64_t)out_w - w) + row[right] * w);
    }
  }
  int64_t unit = 4 * (int64_t)out_h * out_w;
  for (int y = 0; y < out_h; y++) {
    bilinear_tap(y, in_h, out_h, &left, &right, &w);
    const int32_t *top = scratch + (size_t)left * out_w, *bottom = scratch + (size_t)right * out_w;
    for (int x = 0; x < out_w; x++) {
      int64_t sum = top[x] * (2 * (int64_t)out_h - w) + bottom[x] * w;
      int64_t whole = sum / unit, rest = 2 * (sum % unit);
      out[(size_t)y * out_w + x] = (uint8_t)(whole + (rest > unit || (rest == unit && (whole & 1))));
    }
  }
}

/* The size a picture takes inside (height, width) when its sides keep their ratio and it never grows. */
static void padded_size(int in_h, int in_w, int height, int width, int *out_h, int *out_w) {
  *out_h = in_h;
  *out_w = in_w;
  if (in_h <= height && in_w <= width) return;
  if ((int64_t)in_h * width > (int64_t)in_w * height) { /* the height is what limits */
    *out_h = height;
    *out_w = (int)(((int64_t)in_w * height + in_h / 2) / in_h);
  } else {
    *out_w = width;
    *out_h = (int)(((int64_t)in_h * width + in_w / 2) / in_w);
  }
  if (*out_h < 1) *out_h = 1;
  if (*out_w < 1) *out_w = 1;
}

typedef struct placed {
  int height, width, top, left;
} placed; /* where the picture lies in the new one */

static void place_plane(const uint8_t *in, const data_images *from, uint8_t *out, const data_images *to, placed at,
                        uint8_t *small, int32_t *scratch) {
  data_resize_plane(in, from->height, from->width, small, at.height, at.width, scratch);
  for (int y = 0; y < at.height; y++)
    memcpy(out + (size_t)(at.top + y) * to->width + at.left, small + (size_t)y * at.width, (size_t)at.width);
}

static void place_mask(const uint8_t *in, const data_images *from, uint8_t *out, const data_images *to, placed at) {
  for (int y = 0; y < at.height; y++) {
    int sy = (int)((2 * (int64_t)y + 1) * from->height / (2 * (int64_t)at.height));
    for (int x = 0; x < at.width; x++) {
      int sx = (int)((2 * (int64_t)x + 1) * from->width / (2 * (int64_t)at.width));
      out[(size_t)(at.top + y) * to->width + at.left + x] = in[(size_t)sy * from->width + sx];
    }
  }
}

/* Everything but pixels and masks changes owner. */
static void adopt(data_images *set, data_images *out) {
  out->labels = set->labels;
  out->file_bytes = set->file_bytes;
  out->classes = set->classes;
  out->n_classes = set->n_classes;
  set->labels = NULL;
  set->file_bytes = NULL;
  set->classes = NULL;
  set->n_classes = 0;
  data_images_free(set);
  *set = *out;
}

int data_images_resize(data_images *set, int height, int width, data_fit fit, agad_error *error) {
  if (set->height == height && set->width == width) return 0;
  data_images out;
  if (data_images_alloc(&out, set->count, set->channels, height, width, 0, set->masks != NULL, error)) return -1;
  placed at = {height, width, 0, 0};
  if (fit == DATA_FIT_PAD) {
    padded_size(set->height, set->width, height, width, &at.height, &at.width);
    at.top = (height - at.height) / 2;
    at.left = (width - at.width) / 2;
  }
  uint8_t *small = malloc((size_t)at.height * at.width);
  int32_t *scratch = malloc((size_t)set->height * at.width * sizeof *scratch);
  int status = 0;
  if (!small || !scratch) status = agad_fail(error, "images: no memory to resize to %d x %d", height, width);
  size_t from = (size_t)set->height * set->width, to = (size_t)height * width;
  for (int64_t i = 0; i < set->count && !status; i++) {
    if (agad_interrupt) status = agad_interrupted(error);
    for (int c = 0; c < set->channels && !status; c++) {
      size_t plane = (size_t)i * set->channels + c;
      place_plane(set->pixels + plane * from, set, out.pixels + plane * to, &out, at, small, scratch);
    }
    if (set->masks && !status) place_mask(set->masks + (size_t)i * from, set, out.masks + (size_t)i * to, &out, at);
  }
  free(small);
  free(scratch);
  if (status) data_images_free(&out);
  else adopt(set, &out);
  return status;
}

int data_images_set_channels(data_images *set, int channels, agad_error *error) {
  if (set->channels == channels) return 0;
  data_images out;
  if (data_images_alloc(&out, set->count, channels, set->height, set->width, 0, 0, error)) return -1;
  size_t plane = (size_t)set->height * set->width;
  for (int64_t i = 0; i < set->count; i++) {
    const uint8_t *in = set->pixels + (size_t)i * set->channels * plane;
    uint8_t *to = out.pixels + (size_t)i * channels * plane;
    if (channels == 3)
      for (int c = 0; c < 3; c++) memcpy(to + c * plane, in, plane);
    else
      for (size_t p = 0; p < plane; p++)
        to[p] = (uint8_t)((19595u * in[p] + 38470u * in[plane + p] + 7471u * in[2 * plane + p] + 32768u) >> 16);
  }
  out.masks = set->masks;
  set->masks = NULL;
  adopt(set, &out);
  return 0;
}

int data_images_select(const data_images *set, const int64_t *rows, int64_t n, data_images *out, agad_error *error) {
  if (data_images_alloc(out, n, set->channels, set->height, set->width, set->labels != NULL, set->masks != NULL, error))
    return -1;
  size_t plane = (size_t)set->height * set->width, picture = plane * set->channels;
  int status = 0;
  if (set->file_bytes && !(out->file_bytes = calloc((size_t)n + 1, sizeof *out->file_bytes)))
    status = agad_fail(error, "images: no memory for %lld pictures", (long long)n);
  for (int64_t i = 0; i < n && !status; i++) {
    int64_t row = rows[i];
    if (row < 0 || row >= set->count) {
      status = agad_fail(error, "images: row %lld of %lld pictures; rows are counted from 0", (long long)row,
                         (long long)set->count);
      break;
    }
    memcpy(out->pixels + (size_t)i * picture, set->pixels + (size_t)row * picture, picture);
    if (set->labels) out->labels[i] = set->labels[row];
    if (set->masks) memcpy(out->masks + (size_t)i * plane, set->masks + (size_t)row * plane, plane);
    if (set->file_bytes) out->file_bytes[i] = set->file_bytes[row];
  }
  if (!status && set->n_classes)
    status = data_images_set_classes(out, (const char *const *)set->classes, set->n_classes, error);
  if (status) data_images_free(out);
  return status;
}
