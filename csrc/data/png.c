/* png.c: libpng behind two plain calls.
 *
 * setjmp discipline: everything that must be freed lives in a struct of the caller's frame; the
 * function that calls setjmp has no locals that change after it; libpng's errors land in the struct.
 */
#include <errno.h>
#include <png.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "data/png.h"

typedef struct png_job {
  png_structp png;
  png_infop info;
  char message[256];
  const uint8_t *bytes; /* reading: what is left of the file */
  size_t left;
  size_t file_size;
  uint8_t *raw; /* (height, width, channels), as libpng has it */
  png_bytep *rows;
  int channels, height, width;
  FILE *file; /* writing */
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

static void take_bytes(png_structp png, png_bytep out, size_t n) {
  png_job *job = png_get_io_ptr(png);
  if (n > job->left) png_error(png, "the file is cut short");
  memcpy(out, job->bytes, n);
  job->bytes += n;
  job->left -= n;
}

/* rows[y] points into raw. 0, or -1 without memory. */
static int allocate_rows(png_job *job) {
  size_t stride = (size_t)job->width * job->channels;
  job->raw = malloc(stride * job->height);
  job->rows = malloc(job->height * sizeof *job->rows);
  if (!job->raw || !job->rows) return -1;
  for (int y = 0; y < job->height; y++) job->rows[y] = job->raw + (size_t)y * stride;
  return 0;
}

/* Asks libpng for 8-bit grey or RGB, whatever the file holds. */
static void set_transforms(png_structp png, png_infop info) {
  png_byte depth = png_get_bit_depth(png, info), color = png_get_color_type(png, info);
  if (color == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(png);
  if (color == PNG_COLOR_TYPE_GRAY && depth < 8) png_set_expand_gray_1_2_4_to_8(png);
  if (depth == 16) png_set_scale_16(png);
  if (color & PNG_COLOR_MASK_ALPHA) png_set_strip_alpha(png);
  png_set_interlace_handling(png);
  png_read_update_info(png, info);
}

/* The part between setjmp and the last libpng call. */
static int read_pixels(png_job *job) {
  if (setjmp(png_jmpbuf(job->png))) return -1;
  png_set_user_limits(job->png, DATA_MAX_SIDE, DATA_MAX_SIDE);
  png_set_chunk_malloc_max(job->png, (png_alloc_size_t)8 << 20);
  png_set_chunk_cache_max(job->png, 64);
  png_set_read_fn(job->png, job, take_bytes);
  png_read_info(job->png, job->info);
  set_transforms(job->png, job->info);
  job->width = (int)png_get_image_width(job->png, job->info);
  job->height = (int)png_get_image_height(job->png, job->info);
  job->channels = png_get_channels(job->png, job->info);
  if (job->channels != 1 && job->channels != 3) png_error(job->png, "neither grey nor RGB");
  if (png_get_rowbytes(job->png, job->info) != (size_t)job->width * job->channels)
    png_error(job->png, "its rows have an unexpected length");
  if (data_product(job->width, job->height, PNG_MAX_PIXELS) < 0) png_error(job->png, "more than 134217728 pixels");
  /* deflate packs at most 1032 to 1, and a byte holds at most 8 pixels */
  if ((int64_t)job->width * job->height > ((int64_t)job->file_size + 64) * 1032 * 8)
    png_error(job->png, "more pixels than its bytes can hold");
  if (allocate_rows(job)) png_error(job->png, "no memory for its pixels");
  png_read_image(job->png, job->rows);
  png_read_end(job->png, NULL);
  return 0;
}

static int to_planes(const png_job *job, data_images *out, agad_error *error) {
  if (data_images_alloc(out, 1, job->channels, job->height, job->width, 0, 0, error)) return -1;
  size_t plane = (size_t)job->height * job->width;
  for (int c = 0; c < job->channels; c++)
    for (size_t p = 0; p < plane; p++) out->pixels[c * plane + p] = job->raw[p * job->channels + c];
  out->file_bytes = malloc(sizeof *out->file_bytes);
  if (out->file_bytes) {
    *out->file_bytes = (int64_t)job->file_size;
    return 0;
  }
  data_images_free(out);
  return agad_fail(error, "png: no memory");
}

int data_png_decode(const uint8_t *bytes, size_t n, const char *name, data_images *out, agad_error *error) {
  memset(out, 0, sizeof *out);
  if (n < 8 || png_sig_cmp(bytes, 0, 8))
    return agad_fail(error, "png: %s is no PNG file; convert it to 8-bit PNG", name);
  png_job job = {.bytes = bytes, .left = n, .file_size = n};
  int status = -1;
  job.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &job, on_error, on_warning);
  if (job.png) job.info = png_create_info_struct(job.png);
  if (!job.info) agad_fail(error, "png: %s: no memory", name);
  else if (read_pixels(&job)) agad_fail(error, "png: %s: %s; write it again", name, job.message);
  else status = to_planes(&job, out, error);
  if (job.png) png_destroy_read_struct(&job.png, job.info ? &job.info : NULL, NULL);
  free(job.raw);
  free(job.rows);
  return status;
}

int data_png_read(const char *path, data_images *out, agad_error *error) {
  memset(out, 0, sizeof *out);
  struct stat info;
  if (stat(path, &info)) return agad_fail(error, "png: %s: %s", path, strerror(errno));
  if (!S_ISREG(info.st_mode)) return agad_fail(error, "png: %s is no ordinary file", path);
  if (info.st_size > PNG_MAX_FILE)
    return agad_fail(error, "png: %s has %lld MB; at most %lld are read", path, (long long)(info.st_size >> 20),
                     (long long)(PNG_MAX_FILE >> 20));
  FILE *file = fopen(path, "rb");
  if (!file) return agad_fail(error, "png: %s: %s", path, strerror(errno));
  size_t size = (size_t)info.st_size;
  uint8_t *bytes = malloc(size + 1);
  int status;
  if (!bytes) status = agad_fail(error, "png: %s: no memory for %zu bytes", path, size);
  else if (fread(bytes, 1, size, file) != size)
    status = agad_fail(error, "png: %s: could not be read to its end", path);
  else status = data_png_decode(bytes, size, path, out, error);
  free(bytes);
  fclose(file);
  return status;
}

static int write_pixels(png_job *job) {
  if (setjmp(png_jmpbuf(job->png))) return -1;
  png_init_io(job->png, job->file);
  png_set_IHDR(job->png, job->info, (png_uint_32)job->width, (png_uint_32)job->height, 8,
               job->channels == 1 ? PNG_COLOR_TYPE_GRAY : PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  png_write_info(job->png, job->info);
  png_write_image(job->png, job->rows);
  png_write_end(job->png, NULL);
  return 0;
}

/* Writes the open job->file; the message is left in job->message. */
static int encode(png_job *job, const uint8_t *pixels) {
  size_t plane = (size_t)job->height * job->width;
  int status = -1;
  snprintf(job->message, sizeof job->message, "no memory");
  job->png = png_create_write_struct(PNG_LIBPNG_VER_STRING, job, on_error, on_warning);
  if (job->png) job->info = png_create_info_struct(job->png);
  if (job->info && !allocate_rows(job)) {
    for (int c = 0; c < job->channels; c++)
      for (size_t p = 0; p < plane; p++) job->raw[p * job->channels + c] = pixels[c * plane + p];
    status = write_pixels(job);
  }
  if (job->png) png_destroy_write_struct(&job->png, job->info ? &job->info : NULL);
  free(job->raw);
  free(job->rows);
  return status;
}

int data_png_write(const char *path, const uint8_t *pixels, int channels, int height, int width, agad_error *error) {
  if (channels != 1 && channels != 3)
    return agad_fail(error, "png: %s: %d channels; give 1 (grey) or 3 (colour)", path, channels);
  if (height < 1 || width < 1 || height > DATA_MAX_SIDE || width > DATA_MAX_SIDE ||
      data_product(height, width, PNG_MAX_PIXELS) < 0)
    return agad_fail(error, "png: %s: %d x %d pixels; sides go from 1 to %d, pixels to %lld", path, height, width,
                     DATA_MAX_SIDE, (long long)PNG_MAX_PIXELS);
  size_t length = strlen(path) + 32;
  char *beside = malloc(length);
  if (!beside) return agad_fail(error, "png: %s: no memory", path);
  snprintf(beside, length, "%s.%ld.part", path, (long)getpid());
  png_job job = {.channels = channels, .height = height, .width = width};
  int status = 0;
  job.file = fopen(beside, "wb");
  if (!job.file) {
    status = agad_fail(error, "png: %s cannot be written: %s", path, strerror(errno));
    free(beside);
    return status;
  }
  if (encode(&job, pixels)) status = agad_fail(error, "png: %s: %s", path, job.message);
  if (fclose(job.file) && !status) status = agad_fail(error, "png: %s cannot be written: %s", path, strerror(errno));
  if (!status && rename(beside, path))
    status = agad_fail(error, "png: %s cannot be written: %s", path, strerror(errno));
  if (status) remove(beside);
  free(beside);
  return status;
}
