/* decode.c: bytes to planes: limits, the format's own reading, upright, channels, size. */
#include "data/decode.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "data/formats.h"
#include "data/resample.h"

int data_raster_size(int64_t height, int64_t width, int64_t max_pixels, agad_error *error) {
  if (height < 1 || width < 1)
    return agad_fail(error, "has no pixels (%lld x %lld)", (long long)height, (long long)width);
  if (base_product(height, width, max_pixels) < 0)
    return agad_fail(error, "has %lld x %lld pixels, over the limit of %lld; raise max_pixels to read it",
                     (long long)height, (long long)width, (long long)max_pixels);
  if (height > DATA_MAX_SIDE || width > DATA_MAX_SIDE)
    return agad_fail(error, "has %lld x %lld pixels; a side may have at most %d", (long long)height, (long long)width,
                     DATA_MAX_SIDE);
  return 0;
}

/* ---- upright ---- */

enum { TILE = 32 }; /* pixels; rows that become columns stay in the cache */

/* How to walk the file's picture so that its pixels come in upright order: steps in bytes. */
typedef struct walk {
  const uint8_t *first;
  ptrdiff_t down, right;
} walk;

static walk upright_walk(const raster *r) {
  ptrdiff_t pixel = r->channels, row = (ptrdiff_t)r->width * r->channels;
  int o = r->orientation;
  walk w = {r->pixels, row, pixel};
  if (o == 3 || o == 4 || o == 6 || o == 7) w.first += (r->height - 1) * row, w.down = -row;
  if (o == 2 || o == 3 || o == 7 || o == 8) w.first += (r->width - 1) * pixel, w.right = -pixel;
  return o >= 5 ? (walk){w.first, w.right, w.down} : w;
}

static void copy_tile(walk w, int channels, uint8_t *out, size_t out_row, int height, int width) {
  for (int y = 0; y < height; y++) {
    const uint8_t *in = w.first + y * w.down;
    uint8_t *to = out + (size_t)y * out_row;
    if (channels == 1)
      for (int x = 0; x < width; x++, in += w.right) *to++ = *in;
    else
      for (int x = 0; x < width; x++, in += w.right, to += 3) to[0] = in[0], to[1] = in[1], to[2] = in[2];
  }
}

static int turn_upright(raster *r, agad_error *error) {
  if (r->orientation < 2) return 0;
  int swap = r->orientation >= 5, height = swap ? r->width : r->height, width = swap ? r->height : r->width;
  size_t row = (size_t)width * r->channels;
  uint8_t *pixels = base_alloc(height, row);
  if (!pixels) return agad_fail_as(error, AGAD_OUT_OF_MEMORY, "cannot be read: no memory to rotate it upright");
  walk whole = upright_walk(r);
  for (int y = 0; y < height; y += TILE)
    for (int x = 0; x < width; x += TILE) {
      walk tile = {whole.first + y * whole.down + x * whole.right, whole.down, whole.right};
      copy_tile(tile, r->channels, pixels + (size_t)y * row + (size_t)x * r->channels, row,
                height - y < TILE ? height - y : TILE, width - x < TILE ? width - x : TILE);
    }
  int file_height = swap ? r->file_width : r->file_height, file_width = swap ? r->file_height : r->file_width;
  free(r->pixels);
  *r = (raster){r->channels, height, width, file_height, file_width, 1, pixels};
  return 0;
}

/* ---- channels and size ---- */

static void to_grey(raster *r) {
  size_t n = (size_t)r->height * r->width;
  const uint8_t *in = r->pixels;
  for (size_t i = 0; i < n; i++, in += 3) r->pixels[i] = data_luma(in[0], in[1], in[2]);
  r->channels = 1;
}

/* A pixel is marked where any channel is above 0, or from half on where the format is lossy. */
static void to_marks(raster *r, int lossy) {
  size_t n = (size_t)r->height * r->width;
  const uint8_t *in = r->pixels;
  uint8_t least = lossy ? 128 : 1;
  for (size_t i = 0; i < n; i++, in += r->channels) {
    uint8_t most = in[0];
    for (int c = 1; c < r->channels; c++) most = in[c] > most ? in[c] : most;
    r->pixels[i] = most >= least ? 255 : 0;
  }
  r->channels = 1;
}

static int to_planes(raster *r, const data_form *form, decoded *out, agad_error *error) {
  out->file_channels = r->channels;
  if (form->channels == 1 && r->channels == 3) to_grey(r);
  out->channels = form->channels ? form->channels : r->channels;
  out->height = form->height ? form->height : r->height;
  out->width = form->width ? form->width : r->width;
  out->file_height = r->file_height;
  out->file_width = r->file_width;
  size_t plane = (size_t)out->height * out->width;
  if (out->channels == 1 && out->height == r->height && out->width == r->width) {
    out->pixels = r->pixels;
    r->pixels = NULL;
    return 0;
  }
  out->pixels = base_alloc(out->channels, plane);
  if (!out->pixels)
    return agad_fail_as(error, AGAD_OUT_OF_MEMORY, "cannot be read: no memory for %d x %d pixels", out->height,
                        out->width);
  resample_source source = data_interleaved(r->pixels, r->channels, r->height, r->width);
  if (data_resample(&source, out->pixels, out->height, out->width, form->fit, form->filter, error)) return -1;
  for (int c = r->channels; c < out->channels; c++) memcpy(out->pixels + c * plane, out->pixels, plane);
  return 0;
}

/* ---- what kind of file ---- */

static int no_picture(const uint8_t *bytes, size_t n, agad_error *error) {
  char start[64], names[256];
  text_printable(start, sizeof start, (const char *)bytes, n < 8 ? n : 8);
  data_format_names(names, sizeof names);
  return agad_fail(error, "is not a %s file (it begins with \"%s\"); convert it to PNG", names, start);
}

static int check_form(const data_form *f, agad_error *error) {
  if (f->channels != 0 && f->channels != 1 && f->channels != 3)
    return agad_fail(error, "cannot be read with %d channels; ask for 1 (grey) or 3 (colour)", f->channels);
  if (!f->height != !f->width || f->height < 0 || f->width < 0 || f->height > DATA_MAX_SIDE || f->width > DATA_MAX_SIDE)
    return agad_fail(error, "cannot be resized to %d x %d pixels; a side must be 1 to %d", f->height, f->width,
                     DATA_MAX_SIDE);
  return 0;
}

int decode_memory(const uint8_t *bytes, size_t n, const decode_options *o, decoded *out, agad_error *error) {
  memset(out, 0, sizeof *out);
  int64_t max_bytes = o->max_bytes ? o->max_bytes : DECODE_MAX_BYTES;
  int fast = o->fast_decode && !o->mask;
  raster_limits limits = {o->max_pixels ? o->max_pixels : DECODE_MAX_PIXELS, fast ? o->form.height : 0,
                          fast ? o->form.width : 0, o->mask};
  if (check_form(&o->form, error)) return -1;
  if (n == 0) return agad_fail(error, "is empty (0 bytes); copy it again");
  if (n > (uint64_t)max_bytes)
    return agad_fail(error, "has %zu bytes, over the limit of %lld; raise max_bytes to read it", n,
                     (long long)max_bytes);
  raster r = {0};
  const data_format *format = data_format_of(bytes, n);
  int status = format ? format->raster(bytes, n, &limits, &r, error) : no_picture(bytes, n, error);
  if (!status && o->mask) to_marks(&r, format->lossy);
  if (!status) status = turn_upright(&r, error);
  if (!status) status = to_planes(&r, &o->form, out, error);
  free(r.pixels);
  out->file_bytes = (int64_t)n;
  if (status) {
    free(out->pixels);
    memset(out, 0, sizeof *out);
  }
  return status;
}

int decode_file(const char *path, const decode_options *o, decoded *out, agad_error *error) {
  agad_error why = {0};
  size_t n = 0;
  memset(out, 0, sizeof *out);
  uint8_t *bytes = file_read(path, o->max_bytes ? o->max_bytes : DECODE_MAX_BYTES, &n, &why);
  int status = bytes ? decode_memory(bytes, n, o, out, &why) : -1;
  free(bytes);
  return status ? agad_fail_as(error, why.kind, "%s: %s", path, why.message) : 0;
}
