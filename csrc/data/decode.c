/* decode.c: PNG only, until the real one is here. */
#include "data/decode.h"
#include "data/png.h"
int decode_file(const char *path, const decode_options *o, decoded *out, agad_error *error) {
  data_images set;
  if (data_png_read(path, &set, error)) return -1;
  *out = (decoded){0};
  out->file_height = set.height;
  out->file_width = set.width;
  out->file_bytes = *set.file_bytes;
  if ((o->height && data_images_resize(&set, o->height, o->width, o->fit == DECODE_PAD, error)) ||
      (o->channels && data_images_set_channels(&set, o->channels, error))) {
    data_images_free(&set);
    return -1;
  }
  out->channels = set.channels;
  out->height = set.height;
  out->width = set.width;
  out->pixels = set.pixels;
  set.pixels = NULL;
  data_images_free(&set);
  return 0;
}
