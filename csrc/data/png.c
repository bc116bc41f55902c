/* png.c: libpng: PNG in, of any kind, and out.
 *
 * Read is whatever libpng can turn into 8-bit grey or RGB: palettes, 1 to 16 bits, interlaced; alpha is dropped, 16
 * bits are rounded to 8.  No more pixels are read than the compressed bytes can hold, so a small hostile file cannot
 * ask for gigabytes.
 * setjmp discipline: everything that must be freed lives in a struct of the caller's frame; the
 * function that calls setjmp has no locals that change after it; libpng's errors land in the struct.
 */
#include <errno.h>
#include <png.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "data/exif.h"
#include "data/formats.h"
#include "data/png.h"

typedef struct png_job {
  png_structp png;
  png_infop info;
  char message[256];
  agad_error *error; /* reading */
  const uint8_t *bytes;
  size_t left, size;
  int64_t max_pixels;
  int mask;
  int failed; /* reading: error says why; writing: an errno */
  int no_memory;
  raster *out;
  uint8_t *raw; /* writing: (height, width, channels) */
  png_bytep *rows;
  int channels, height, width;
  char mark[64]; /* writing: empty, or the text of a chunk */
  file_new file;
} png_job;

static void on_error(png_structp png, png_const_charp message) {
  png_job *job = png_get_error_ptr(png);
  snprintf(job->message, sizeof job->message, "%s", message);
  png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp message) {
  (void)png;
  (void)message;
}

/* libpng's memory, and zlib's through it.  Where there is none libpng may go on without, or end. */
static png_voidp take_memory(png_structp png, png_alloc_size_t n) {
  png_job *job = png_get_mem_ptr(png);
  void *block = n > PTRDIFF_MAX ? NULL : base_alloc((int64_t)n, 1);
  if (!block) job->no_memory = 1;
  return block;
}

static void give_memory(png_structp png, png_voidp block) {
  (void)png;
  free(block);
}

/* ---- reading ---- */

/* Leaves libpng with a message of our own. */
static void give_up(png_job *job, const char *reason) {
  job->failed = agad_fail(job->error, "%s", reason);
  png_longjmp(job->png, 1);
}

static void take_bytes(png_structp png, png_bytep out, size_t n) {
  png_job *job = png_get_io_ptr(png);
  if (n > job->left) give_up(job, "is a truncated PNG file; copy it again");
  memcpy(out, job->bytes, n);
  job->bytes += n;
  job->left -= n;
}

/* rows[y] points into pixels. 0, or -1 without memory. */
static int make_rows(png_job *job, uint8_t *pixels, int height, size_t stride) {
  job->rows = base_alloc(height, sizeof *job->rows);
  if (!pixels || !job->rows) return job->no_memory = 1, -1;
  for (int y = 0; y < height; y++) job->rows[y] = pixels + (size_t)y * stride;
  return 0;
}

/* What changes no pixel here is passed over unread: texts and profiles, which libpng would unpack, and EXIF. */
static void skip_chunks(png_structp png) {
  static const png_byte names[] = "eXIf\0iCCP\0iTXt\0tEXt\0zTXt\0sPLT\0hIST\0pCAL\0sCAL\0tRNS";
  png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, names, (int)(sizeof names / 5));
}

/* Asks libpng for 8-bit grey or RGB, whatever the file holds; for a mask only that a pixel begins at a byte. */
static void set_transforms(png_structp png, png_infop info, int mask) {
  png_byte depth = png_get_bit_depth(png, info), color = png_get_color_type(png, info);
  if (mask) png_set_packing(png);
  else {
    if (color == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(png);
    if (color == PNG_COLOR_TYPE_GRAY && depth < 8) png_set_expand_gray_1_2_4_to_8(png);
    if (depth == 16) png_set_scale_16(png);
  }
  png_set_strip_alpha(png);
  png_set_interlace_handling(png);
  png_read_update_info(png, info);
}

static uint32_t big_endian(const uint8_t *b) {
  return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

/* EXIF's, looked up here.  libpng's png_get_eXIf_1 would first take as much memory as the chunk's length says, up to
 * the limit set above; with a lower limit it would refuse pictures for the thumbnails in their EXIF. */
static int orientation(const uint8_t *bytes, size_t n) {
  for (size_t at = 8; n - at >= 12;) { /* length, name, body, checksum */
    size_t length = big_endian(bytes + at);
    if (length > n - at - 12) break;
    if (!memcmp(bytes + at + 4, "eXIf", 4)) return data_exif_orientation(bytes + at + 8, length);
    at += length + 12;
  }
  return 1;
}

/* deflate packs at most 1032 to 1, and a byte holds at most 8 pixels */
static int can_hold(size_t bytes, int64_t pixels) { return pixels / (1032 * 8) <= (int64_t)bytes + 64; }

static void start_reading(png_job *job) {
  png_set_user_limits(job->png, 0x7fffffff, 0x7fffffff);
  png_set_chunk_malloc_max(job->png, (png_alloc_size_t)64 << 20);
  png_set_chunk_cache_max(job->png, 64);
  skip_chunks(job->png);
  png_set_read_fn(job->png, job, take_bytes);
  png_read_info(job->png, job->info);
}

static int is_black(const png_color *c) { return !(c->red | c->green | c->blue); }

/* Index 0 of a palette is what is not marked, whatever the colours. But where its colour is not black and that of
 * another used index is, the program that wrote the file may have sorted the palette. */
static void check_palette(png_job *job, const uint8_t *pixels, size_t n) {
  png_colorp colours;
  int n_colours, used[256] = {0};
  if (!png_get_PLTE(job->png, job->info, &colours, &n_colours) || n_colours < 1 || is_black(colours)) return;
  for (size_t i = 0; i < n; i++) used[pixels[i]] = 1;
  for (int i = 1; i < n_colours; i++)
    if (used[i] && is_black(colours + i))
      give_up(job, "is a mask in doubt: colour 0 of its palette is not black, but another one is; save it in grey");
}

/* Pixels of `size` bytes become one grey value: 255 where any bit is set. */
static void mark_pixels(raster *r, size_t size) {
  size_t n = (size_t)r->height * r->width;
  const uint8_t *in = r->pixels;
  for (size_t i = 0; i < n; i++, in += size) {
    uint8_t any = 0;
    for (size_t b = 0; b < size; b++) any |= in[b];
    r->pixels[i] = any ? 255 : 0;
  }
  r->channels = 1;
}

/* What stands between setjmp and the last call of libpng. */
static int read_pixels(png_job *job) {
  raster *out = job->out;
  if (setjmp(png_jmpbuf(job->png))) return -1;
  start_reading(job);
  png_uint_32 width = png_get_image_width(job->png, job->info), height = png_get_image_height(job->png, job->info);
  if (data_raster_size(height, width, job->max_pixels, job->error)) return job->failed = -1;
  if (!can_hold(job->size, (int64_t)width * height))
    give_up(job, "is a PNG file that announces more pixels than its bytes can hold; copy it again");
  set_transforms(job->png, job->info, job->mask);
  out->width = out->file_width = (int)width;
  out->height = out->file_height = (int)height;
  out->channels = png_get_channels(job->png, job->info);
  size_t pixel = (size_t)out->channels * (png_get_bit_depth(job->png, job->info) == 16 ? 2 : 1);
  if ((out->channels != 1 && out->channels != 3) || png_get_rowbytes(job->png, job->info) != width * pixel)
    png_error(job->png, "neither grey nor RGB");
  out->pixels = base_alloc((int64_t)width * height, pixel);
  if (make_rows(job, out->pixels, out->height, width * pixel)) return -1;
  png_read_image(job->png, job->rows);
  png_read_end(job->png, NULL);
  if (!job->mask) return 0;
  if (png_get_color_type(job->png, job->info) == PNG_COLOR_TYPE_PALETTE)
    check_palette(job, out->pixels, (size_t)width * height);
  mark_pixels(out, pixel);
  return 0;
}

static int is_png(const uint8_t *bytes, size_t n) { return n >= 8 && !png_sig_cmp(bytes, 0, 8); }

/* A reader of the job's bytes; not 0: no memory. png_destroy_read_struct takes what there is. */
static int open_reading(png_job *job) {
  job->png = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, job, on_error, on_warning, job, take_memory, give_memory);
  if (job->png) job->info = png_create_info_struct(job->png);
  return job->info ? 0 : -1;
}

static void close_reading(png_job *job) {
  if (job->png) png_destroy_read_struct(&job->png, job->info ? &job->info : NULL, NULL);
  free(job->rows);
}

static int png_raster(const uint8_t *bytes, size_t n, const raster_limits *limits, raster *out, agad_error *error) {
  memset(out, 0, sizeof *out);
  png_job job = {.error = error, .bytes = bytes, .left = n, .size = n, .out = out};
  job.max_pixels = limits->max_pixels;
  job.mask = limits->mask;
  int status = open_reading(&job) || read_pixels(&job) ? -1 : 0;
  if (job.no_memory || !job.info)
    status = agad_fail_as(error, AGAD_OUT_OF_MEMORY, "cannot be read: no memory for its pixels");
  else if (status && !job.failed) agad_fail(error, "is a damaged PNG file (%s); save it again", job.message);
  close_reading(&job);
  if (status) {
    free(out->pixels);
    memset(out, 0, sizeof *out);
  } else out->orientation = orientation(bytes, n);
  return status;
}

/* What stands between setjmp and the last call of libpng. */
static int read_colour(png_job *job) {
  if (setjmp(png_jmpbuf(job->png))) return 0;
  start_reading(job);
  return png_get_color_type(job->png, job->info) & PNG_COLOR_MASK_COLOR ? 3 : 1;
}

static int png_channels(const uint8_t *bytes, size_t n) {
  agad_error error;
  png_job job = {.error = &error, .bytes = bytes, .left = n, .size = n};
  int channels = open_reading(&job) ? 0 : read_colour(&job);
  if (job.no_memory || !job.info) channels = -1;
  close_reading(&job);
  return channels;
}

const data_format data_png = {"PNG", {"png"}, is_png, png_raster, png_channels, 0};

/* ---- writing ---- */

static void put_bytes(png_structp png, png_bytep bytes, size_t n) {
  png_job *job = png_get_io_ptr(png);
  job->failed = file_write(&job->file, bytes, n);
  if (job->failed) png_longjmp(png, 1);
}

static int write_pixels(png_job *job) {
  char key[] = "Software";
  if (setjmp(png_jmpbuf(job->png))) return -1;
  png_set_write_fn(job->png, job, put_bytes, NULL);
  png_set_IHDR(job->png, job->info, (png_uint_32)job->width, (png_uint_32)job->height, 8,
               job->channels == 1 ? PNG_COLOR_TYPE_GRAY : PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  if (job->mark[0]) {
    png_text text = {.compression = PNG_TEXT_COMPRESSION_NONE, .key = key, .text = job->mark};
    png_set_text(job->png, job->info, &text, 1);
  }
  png_write_info(job->png, job->info);
  png_write_image(job->png, job->rows);
  png_write_end(job->png, NULL);
  return 0;
}

/* Writes the open job->file; -1 with job->failed or a message in job->message. */
static int encode(png_job *job, const uint8_t *pixels) {
  size_t plane = (size_t)job->height * job->width;
  int status = -1;
  job->png = png_create_write_struct_2(PNG_LIBPNG_VER_STRING, job, on_error, on_warning, job, take_memory, give_memory);
  if (job->png) job->info = png_create_info_struct(job->png);
  size_t stride = (size_t)job->width * job->channels;
  job->raw = base_alloc(job->height, stride);
  if (job->info && !make_rows(job, job->raw, job->height, stride)) {
    for (int c = 0; c < job->channels; c++)
      for (size_t p = 0; p < plane; p++) job->raw[p * job->channels + c] = pixels[c * plane + p];
    status = write_pixels(job);
  }
  if (!job->info || job->no_memory) job->failed = ENOMEM, status = -1;
  if (job->png) png_destroy_write_struct(&job->png, job->info ? &job->info : NULL);
  free(job->raw);
  free(job->rows);
  return status;
}

int data_png_write(const char *path, const uint8_t *pixels, int channels, int height, int width, const char *what,
                   agad_error *error) {
  if (channels != 1 && channels != 3)
    return agad_fail(error, "png: %s: %d channels; give 1 (grey) or 3 (colour)", path, channels);
  if (height < 1 || width < 1 || height > DATA_MAX_SIDE || width > DATA_MAX_SIDE ||
      base_product(height, width, PNG_MAX_PIXELS) < 0)
    return agad_fail(error, "png: %s: %d x %d pixels; a side must be 1 to %d, the pixels at most %lld", path, height,
                     width, DATA_MAX_SIDE, (long long)PNG_MAX_PIXELS);
  png_job job = {.channels = channels, .height = height, .width = width};
  if (what) snprintf(job.mark, sizeof job.mark, "agad: %s", what);
  int why = file_begin(&job.file, path), bad = why ? 0 : encode(&job, pixels);
  if (why || bad) file_abandon(&job.file);
  else why = file_commit(&job.file);
  if (job.failed) why = job.failed;
  if (why) return file_failed(path, why, error);
  return bad ? agad_fail(error, "png: %s: %s", path, job.message) : 0;
}
