/* images.c: allocation, form, channels and selection of picture sets. */
#include "data/images.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "data/mask.h"

int data_images_alloc(data_images *set, int64_t count, int channels, int height, int width, int with_labels,
                      int with_masks, agad_error *error) {
  memset(set, 0, sizeof *set);
  if (channels != 1 && channels != 3)
    return agad_fail(error, "images: %d channels; give 1 (grey) or 3 (colour)", channels);
  if (height < 1 || width < 1 || height > DATA_MAX_SIDE || width > DATA_MAX_SIDE)
    return agad_fail(error, "images: %d x %d pixels; a side must be 1 to %d", height, width, DATA_MAX_SIDE);
  int64_t plane = (int64_t)height * width;
  int64_t bytes = base_product(count, plane * channels, DATA_MAX_BYTES);
  if (bytes < 0)
    return agad_fail(error, "images: %lld pictures of %d x %d x %d are more than %lld GiB; take fewer",
                     (long long)count, channels, height, width, (long long)(DATA_MAX_BYTES >> 30));
  set->count = count;
  set->channels = channels;
  set->height = height;
  set->width = width;
  set->pixels = base_calloc(bytes, 1);
  if (with_labels) set->labels = base_calloc(count, sizeof *set->labels);
  if (with_masks) set->masks = base_calloc(count, (size_t)plane);
  if (set->pixels && (set->labels || !with_labels) && (set->masks || !with_masks)) return 0;
  data_images_free(set);
  return agad_fail_as(error, AGAD_OUT_OF_MEMORY, "images: no memory for %lld pictures of %d x %d x %d",
                      (long long)count, channels, height, width);
}

void data_images_free(data_images *set) {
  free(set->pixels);
  free(set->labels);
  free(set->masks);
  for (int i = 0; i < set->n_classes; i++) free(set->classes[i]);
  free(set->classes);
  memset(set, 0, sizeof *set);
}

int data_images_set_classes(data_images *set, const char *const *names, int n, agad_error *error) {
  char **copy = base_calloc(n, sizeof *copy);
  if (!copy) return agad_fail_as(error, AGAD_OUT_OF_MEMORY, "images: no memory for %d class names", n);
  for (int i = 0; i < n; i++) {
    copy[i] = base_strdup(names[i]);
    if (!copy[i]) {
      while (i--) free(copy[i]);
      free(copy);
      return agad_fail_as(error, AGAD_OUT_OF_MEMORY, "images: no memory for %d class names", n);
    }
  }
  for (int i = 0; i < set->n_classes; i++) free(set->classes[i]);
  free(set->classes);
  set->classes = copy;
  set->n_classes = n;
  return 0;
}

/* Everything but pixels and masks changes owner. */
static void adopt(data_images *set, data_images *out) {
  out->labels = set->labels;
  out->classes = set->classes;
  out->n_classes = set->n_classes;
  set->labels = NULL;
  set->classes = NULL;
  set->n_classes = 0;
  data_images_free(set);
  *set = *out;
}

static int resize(data_images *set, const data_form *form, agad_error *error) {
  int height = form->height, width = form->width;
  if (!height || (set->height == height && set->width == width)) return 0;
  data_images out;
  if (data_images_alloc(&out, set->count, set->channels, height, width, 0, set->masks != NULL, error)) return -1;
  size_t from = (size_t)set->height * set->width, to = (size_t)height * width;
  int status = data_resample_planes(set->pixels, set->count * set->channels, set->height, set->width, out.pixels,
                                    height, width, form->fit, form->filter, error);
  for (int64_t i = 0; set->masks && i < set->count && !status; i++) {
    resample_source mask = data_planar(set->masks + (size_t)i * from, 1, set->height, set->width);
    data_mask(&mask, out.masks + (size_t)i * to, height, width, form->fit);
  }
  if (status) data_images_free(&out);
  else adopt(set, &out);
  return status;
}

int data_images_bring(data_images *set, const data_form *form, agad_error *error) {
  if (form->channels == 1 && data_images_set_channels(set, 1, error)) return -1; /* grey is resampled, as in decode.c */
  if (resize(set, form, error)) return -1;
  return form->channels ? data_images_set_channels(set, form->channels, error) : 0;
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
      for (size_t p = 0; p < plane; p++) to[p] = data_luma(in[p], in[plane + p], in[2 * plane + p]);
  }
  out.masks = set->masks;
  set->masks = NULL;
  adopt(set, &out);
  return 0;
}
