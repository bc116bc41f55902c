/* jpeg.c: JPEG in, through libjpeg-turbo: baseline and progressive; grey, RGB, YCbCr, CMYK, YCCK.
 *
 * setjmp discipline as in png.c: all that must be freed lives in a struct of the caller's frame. Warnings (damaged
 * data that libjpeg bridges with grey) pass; running out of bytes does not. libjpeg itself would take days over
 * a small file that announces a huge picture or thousands of scans: both are refused first.
 */
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <jpeglib.h>
#include <jerror.h>

#include "base/memory.h"
#include "data/exif.h"
#include "data/formats.h"

#define JPEG_MAX_SCANS 100

typedef struct jpeg_job {
  struct jpeg_decompress_struct jpeg;
  struct jpeg_error_mgr errors;
  struct jpeg_source_mgr source;
  struct jpeg_progress_mgr progress;
  jmp_buf jump;
  agad_error *error;
  size_t size;
  const raster_limits *limits;
  raster *out;
  uint8_t *inks; /* one row of CMYK */
} jpeg_job;

static void give_up(jpeg_job *job, const char *reason) {
  agad_fail(job->error, "%s", reason);
  longjmp(job->jump, 1);
}

static void out_of_memory(jpeg_job *job) {
  agad_fail_as(job->error, AGAD_OUT_OF_MEMORY, "cannot be read: no memory for its pixels");
  longjmp(job->jump, 1);
}

static void on_error(j_common_ptr jpeg) {
  char text[JMSG_LENGTH_MAX], reason[JMSG_LENGTH_MAX + 64];
  if (jpeg->err->msg_code == JERR_OUT_OF_MEMORY) out_of_memory(jpeg->client_data);
  jpeg->err->format_message(jpeg, text);
  snprintf(reason, sizeof reason, "is a damaged or unusual JPEG file (%s); save it again", text);
  give_up(jpeg->client_data, reason);
}

static void on_message(j_common_ptr jpeg, int level) { (void)jpeg, (void)level; }

static void on_start(j_decompress_ptr jpeg) { (void)jpeg; }

static boolean on_empty(j_decompress_ptr jpeg) {
  give_up(jpeg->client_data, "is a truncated JPEG file; copy it again");
  return FALSE;
}

static void on_skip(j_decompress_ptr jpeg, long n) {
  if (n <= 0) return;
  if ((unsigned long)n > jpeg->src->bytes_in_buffer) on_empty(jpeg);
  jpeg->src->next_input_byte += n;
  jpeg->src->bytes_in_buffer -= (size_t)n;
}

static void on_progress(j_common_ptr jpeg) {
  if (jpeg->is_decompressor && ((j_decompress_ptr)jpeg)->input_scan_number > JPEG_MAX_SCANS)
    give_up(jpeg->client_data, "is a JPEG file of more than 100 scans, which no camera writes; save it again");
}

/* Each block has at least one bit, unless it is arithmetic coding. */
static void check_blocks(jpeg_job *job) {
  int64_t blocks = 0;
  for (int c = 0; c < job->jpeg.num_components; c++)
    blocks += (int64_t)job->jpeg.comp_info[c].width_in_blocks * job->jpeg.comp_info[c].height_in_blocks;
  if (!job->jpeg.arith_code && blocks / 8 > (int64_t)job->size)
    give_up(job, "is a JPEG file that announces more pixels than its bytes can hold; copy it again");
}

static int orientation(const jpeg_job *job) {
  for (jpeg_saved_marker_ptr m = job->jpeg.marker_list; m; m = m->next)
    if (m->data_length > 6 && !memcmp(m->data, "Exif\0\0", 6))
      return data_exif_orientation(m->data + 6, m->data_length - 6);
  return 1;
}

/* The smallest of 1, 1/2, 1/4, 1/8 that leaves what was asked for. */
static unsigned scale_of(const jpeg_job *job) {
  unsigned scale = 1;
  const raster_limits *limits = job->limits;
  if (limits->height < 1 || limits->width < 1) return 1;
  int turned = job->out->orientation >= 5;
  unsigned height = (unsigned)(turned ? limits->width : limits->height);
  unsigned width = (unsigned)(turned ? limits->height : limits->width);
  while (scale < 8 && job->jpeg.image_height / (2 * scale) >= height && job->jpeg.image_width / (2 * scale) >= width)
    scale *= 2;
  return scale;
}

static void choose_colours(jpeg_job *job) {
  switch (job->jpeg.num_components) {
  case 1: job->jpeg.out_color_space = JCS_GRAYSCALE; break;
  case 3: job->jpeg.out_color_space = JCS_RGB; break;
  case 4: job->jpeg.out_color_space = JCS_CMYK; break;
  default: give_up(job, "is a JPEG file that is neither grey, colour nor CMYK; convert it");
  }
}

/* a b / 255, rounded */
static inline unsigned share(unsigned a, unsigned b) {
  unsigned t = a * b + 128;
  return ((t >> 8) + t) >> 8;
}

/* Adobe stores inks inverted: the bytes are already light, c k / 255. */
static void ink_to_rgb(const uint8_t *inks, uint8_t *rgb, int n) {
  for (int i = 0; i < n; i++, inks += 4, rgb += 3)
    for (int c = 0; c < 3; c++) rgb[c] = (uint8_t)(inks[3] - share(255u - inks[c], inks[3]));
}

static void start_reading(jpeg_job *job) {
  j_decompress_ptr jpeg = &job->jpeg;
  jpeg_create_decompress(jpeg);
  jpeg->client_data = job;
  jpeg->src = &job->source;
  jpeg->progress = &job->progress;
  jpeg_save_markers(jpeg, JPEG_APP0 + 1, 0xffff);
  jpeg_read_header(jpeg, TRUE);
}

/* What stands between setjmp and the last call of libjpeg. */
static int read_pixels(jpeg_job *job) {
  raster *out = job->out;
  j_decompress_ptr jpeg = &job->jpeg;
  if (setjmp(job->jump)) return -1;
  start_reading(job);
  if (data_raster_size(jpeg->image_height, jpeg->image_width, job->limits->max_pixels, job->error)) return -1;
  check_blocks(job);
  out->file_height = (int)jpeg->image_height;
  out->file_width = (int)jpeg->image_width;
  out->orientation = orientation(job);
  choose_colours(job);
  jpeg->scale_num = 1;
  jpeg->scale_denom = scale_of(job);
  if (jpeg->scale_denom > 1) jpeg->do_fancy_upsampling = FALSE;
  jpeg_start_decompress(jpeg);
  out->height = (int)jpeg->output_height;
  out->width = (int)jpeg->output_width;
  out->channels = jpeg->output_components == 1 ? 1 : 3;
  size_t row = (size_t)out->width * out->channels;
  out->pixels = base_alloc(out->height, row);
  job->inks = base_alloc(out->width, 4);
  if (!out->pixels || !job->inks) out_of_memory(job);
  while (jpeg->output_scanline < jpeg->output_height) {
    uint8_t *at = out->pixels + jpeg->output_scanline * row;
    JSAMPROW line = jpeg->output_components == 4 ? job->inks : at;
    jpeg_read_scanlines(jpeg, &line, 1);
    if (line == job->inks) ink_to_rgb(line, at, out->width);
  }
  jpeg_finish_decompress(jpeg);
  return 0;
}

static int is_jpeg(const uint8_t *bytes, size_t n) { return n >= 3 && !memcmp(bytes, "\xff\xd8\xff", 3); }

/* A reader of n bytes, not yet started. */
static void open_reading(jpeg_job *job, const uint8_t *bytes, size_t n, agad_error *error) {
  *job = (jpeg_job){.error = error, .size = n};
  job->jpeg.err = jpeg_std_error(&job->errors);
  job->jpeg.client_data = job;
  job->errors.error_exit = on_error;
  job->errors.emit_message = on_message;
  job->progress.progress_monitor = on_progress;
  job->source = (struct jpeg_source_mgr){.next_input_byte = bytes,
                                         .bytes_in_buffer = n,
                                         .init_source = on_start,
                                         .fill_input_buffer = on_empty,
                                         .skip_input_data = on_skip,
                                         .resync_to_restart = jpeg_resync_to_restart,
                                         .term_source = on_start};
}

static void close_reading(jpeg_job *job) {
  jpeg_destroy_decompress(&job->jpeg);
  free(job->inks);
}

static int jpeg_raster(const uint8_t *bytes, size_t n, const raster_limits *limits, raster *out, agad_error *error) {
  jpeg_job job;
  memset(out, 0, sizeof *out);
  open_reading(&job, bytes, n, error);
  job.limits = limits;
  job.out = out;
  int status = read_pixels(&job);
  close_reading(&job);
  if (status) {
    free(out->pixels);
    memset(out, 0, sizeof *out);
  }
  return status;
}

/* What stands between setjmp and the last call of libjpeg. */
static int read_components(jpeg_job *job) {
  if (setjmp(job->jump)) return job->error->kind == AGAD_OUT_OF_MEMORY ? -1 : 0;
  start_reading(job);
  return job->jpeg.num_components;
}

static int jpeg_channels(const uint8_t *bytes, size_t n) {
  agad_error error;
  jpeg_job job;
  open_reading(&job, bytes, n, &error);
  int components = read_components(&job);
  close_reading(&job);
  return components > 1 ? 3 : components;
}

const data_format data_jpeg = {"JPEG", {"jpg", "jpeg", "jfif", "jpe"}, is_jpeg, jpeg_raster, jpeg_channels, 1};
