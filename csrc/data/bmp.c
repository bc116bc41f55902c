/* bmp.c: reads BMP files of Windows and OS/2: 1 to 32 bits per pixel, palettes, colour masks, run-length encoding.
 *
 * A picture whose palette has only shades of grey is grey. As in PNG, colours that the palette lacks are black, and
 * alpha is dropped. As in Pillow, a value v of k bits becomes v * 255 / (2^k - 1), rounded down. Pixels that
 * run-length encoding skips have colour 0.
 * Nothing in the file is trusted: the sizes in the header are compared with the file's length before memory is
 * allocated, so a small hostile file cannot ask for gigabytes.
 */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "data/formats.h"

enum { FILE_HEADER = 14, CORE_HEADER = 12, LEAST_HEADER = 16, INFO_HEADER = 40, MASKS_AT = 54 };
enum { RGB = 0, RLE8 = 1, RLE4 = 2, BITFIELDS = 3, ALPHA_BITFIELDS = 6 }; /* compression */

/* Where a colour is in a pixel of 16 or 32 bits, and its values as 8 bits. */
typedef struct field {
  uint32_t mask;
  unsigned shift, most;
  uint8_t value[256];
} field;

typedef struct bmp {
  const uint8_t *bytes;
  size_t n, pixels_at, stride; /* stride: bytes from one row of the file to the next */
  int64_t width, height;
  int top_down, channels, marks; /* marks: fields are 255 where they are above 0 */
  unsigned bits, compression;
  uint8_t palette[256][3]; /* red, green, blue; for up to 8 bits */
  field fields[3];         /* red, green, blue; for 16 and 32 bits */
} bmp;

static unsigned read16(const uint8_t *b) { return b[0] | (unsigned)b[1] << 8; }
static uint32_t read32(const uint8_t *b) { return read16(b) | (uint32_t)read16(b + 2) << 16; }

static int truncated(agad_error *error) { return agad_fail(error, "is a truncated BMP file; copy it again"); }

static int damaged(agad_error *error, const char *what, uint32_t value) {
  return agad_fail(error, "is a damaged BMP file (%s %u); save it again", what, value);
}

/* A text may begin with BM too, so the size of the header, which is below 64 KB, is checked as well. */
static int is_bmp(const uint8_t *bytes, size_t n) {
  return n >= 2 && bytes[0] == 'B' && bytes[1] == 'M' && (n < 18 || !read16(bytes + 16));
}

static int is_packed(const bmp *b) { return b->compression == RLE8 || b->compression == RLE4; }

/* ---- header ---- */

/* Sets the fields from their masks, which follow the first 40 bytes of the header; by default, or if all masks are 0,
 * each colour has 5 or 8 bits. */
static int read_masks(bmp *b, agad_error *error) {
  uint32_t masks[3] = {0};
  if (b->compression != RGB) {
    if (b->n < MASKS_AT + 12) return truncated(error);
    for (int c = 0; c < 3; c++) masks[c] = read32(b->bytes + MASKS_AT + 4 * c);
  }
  if (!masks[0] && !masks[1] && !masks[2]) {
    int k = b->bits == 16 ? 5 : 8;
    for (int c = 0; c < 3; c++) masks[c] = ((1u << k) - 1) << (2 - c) * k;
  }
  for (int c = 0; c < 3; c++) {
    field *f = &b->fields[c];
    uint32_t mask = masks[c];
    f->mask = mask;
    f->shift = mask ? (unsigned)__builtin_ctz(mask) : 0;
    mask >>= f->shift;
    if (mask & (mask + 1) || masks[c] >> (b->bits - 1) > 1) return damaged(error, "colour mask", masks[c]);
    for (; mask > 255; mask >>= 1) f->shift++; /* its upper 8 bits */
    f->most = mask;
    for (unsigned v = 0; v <= mask; v++) f->value[v] = (uint8_t)(mask ? v * 255 / mask : 0);
  }
  return 0;
}

/* Reads n colours of `size` bytes, blue first, or fewer if the pixels begin earlier. */
static int read_palette(bmp *b, size_t from, size_t n, size_t size, agad_error *error) {
  size_t most = (size_t)1 << b->bits, room = b->pixels_at > from ? (b->pixels_at - from) / size : 0;
  int grey = 1;
  if (n > most) n = most;
  if (n > room) n = room;
  if (from > b->n || n * size > b->n - from) return truncated(error);
  for (size_t i = 0; i < n; i++) {
    const uint8_t *bgr = b->bytes + from + i * size;
    for (int c = 0; c < 3; c++) b->palette[i][c] = bgr[2 - c];
    grey &= bgr[0] == bgr[1] && bgr[0] == bgr[2];
  }
  b->channels = grey ? 1 : 3;
  return 0;
}

static int check_kind(const bmp *b, agad_error *error) {
  unsigned bits = b->bits, how = b->compression;
  int plain = bits == 1 || bits == 2 || bits == 4 || bits == 8 || bits == 16 || bits == 24 || bits == 32;
  int masked = (how == BITFIELDS || how == ALPHA_BITFIELDS) && (bits == 16 || bits == 32);
  if ((how == RGB && plain) || (how == RLE8 && bits == 8) || (how == RLE4 && bits == 4) || masked) return 0;
  return agad_fail(error,
                   "is a BMP file with %u bits per pixel and compression %u, which is not supported; convert it to PNG",
                   bits, how);
}

/* A number of the header; 0 if the header is too short to have it. */
static uint32_t header_field(const uint8_t *b, size_t header, size_t at) {
  return at + 4 <= FILE_HEADER + header ? read32(b + at) : 0;
}

static int read_header(const uint8_t *bytes, size_t n, bmp *b, agad_error *error) {
  *b = (bmp){.bytes = bytes, .n = n, .channels = 3};
  if (n < FILE_HEADER + CORE_HEADER) return truncated(error);
  size_t header = read32(bytes + FILE_HEADER), core = header == CORE_HEADER;
  if (!core && header < LEAST_HEADER) return damaged(error, "header size", (uint32_t)header);
  if (header > n - FILE_HEADER) return truncated(error);
  if (core) b->width = read16(bytes + 18), b->height = read16(bytes + 20);
  else b->width = (int32_t)read32(bytes + 18), b->height = (int32_t)read32(bytes + 22);
  b->top_down = b->height < 0;
  if (b->top_down) b->height = -b->height;
  b->bits = read16(bytes + (core ? 24 : 28));
  b->compression = header_field(bytes, core ? 0 : header, 30);
  if (check_kind(b, error)) return -1;
  b->stride = b->width > 0 ? ((size_t)b->width * b->bits + 31) / 32 * 4 : 0;
  size_t colours = header_field(bytes, core ? 0 : header, 46), size = core ? 3 : 4, from = FILE_HEADER + header;
  if (b->compression == BITFIELDS && header == INFO_HEADER) from += 12;
  if (b->compression == ALPHA_BITFIELDS && header == INFO_HEADER) from += 16;
  if (b->bits <= 8 && !colours) colours = (size_t)1 << b->bits;
  b->pixels_at = read32(bytes + 10);
  /* Some programs do not set where the pixels begin, or do not count the palette. */
  if (!b->pixels_at || (b->pixels_at == from && b->bits <= 8)) b->pixels_at = from + colours * size;
  if (b->pixels_at < from) return damaged(error, "pixel offset", (uint32_t)b->pixels_at);
  if (b->bits <= 8) return read_palette(b, from, colours, size, error);
  return b->bits == 24 ? 0 : read_masks(b, error);
}

/* ---- pixels ---- */

static uint8_t *put(const bmp *b, unsigned colour, uint8_t *to) {
  const uint8_t *rgb = b->palette[colour];
  *to++ = rgb[0];
  if (b->channels == 3) *to++ = rgb[1], *to++ = rgb[2];
  return to;
}

static void read_row(const bmp *b, const uint8_t *in, uint8_t *to) {
  unsigned bits = b->bits, width = (unsigned)b->width;
  if (bits <= 8)
    for (unsigned x = 0, most = (1u << bits) - 1; x < width; x++)
      to = put(b, in[x * bits / 8] >> (8 - bits - x * bits % 8) & most, to);
  else if (bits == 24)
    for (unsigned x = 0; x < width; x++, in += 3) *to++ = in[2], *to++ = in[1], *to++ = in[0];
  else
    for (unsigned x = 0; x < width; x++, in += bits / 8) {
      uint32_t pixel = bits == 16 ? read16(in) : read32(in);
      for (const field *f = b->fields; f < b->fields + 3; f++)
        *to++ = !b->marks ? f->value[pixel >> f->shift & f->most] : pixel & f->mask ? 255 : 0;
    }
}

static uint8_t *row_of(const bmp *b, raster *out, int64_t y) {
  return out->pixels + (size_t)(b->top_down ? y : b->height - 1 - y) * out->width * out->channels;
}

static void read_rows(const bmp *b, raster *out) {
  for (int64_t y = 0; y < b->height; y++)
    read_row(b, b->bytes + b->pixels_at + (size_t)y * b->stride, row_of(b, out, y));
}

/* Writes n pixels from (x, y) on, but not beyond the end of the row: literal ones from the bytes at `in`, else of the
 * first byte alone. RLE4 has two pixels in a byte, which take turns in a run. */
static void put_run(const bmp *b, raster *out, int64_t x, int64_t y, int n, const uint8_t *in, int literal) {
  uint8_t *to = row_of(b, out, y) + x * out->channels;
  for (int i = 0; i < n && x < b->width; i++, x++) {
    unsigned byte = b->bits == 8 ? in[literal ? i : 0] : in[literal ? i / 2 : 0] >> (i % 2 ? 0 : 4) & 15;
    to = put(b, byte, to);
  }
}

/* A pair of bytes is the length and colour of a run, or 0 and a code: 0 ends the row, 1 ends the picture, 2 is followed
 * by how many columns and rows to skip, and a larger one is a number of literal pixels. */
static int read_runs(const bmp *b, raster *out, agad_error *error) {
  const uint8_t *in = b->bytes + b->pixels_at, *end = b->bytes + b->n;
  int64_t x = 0, y = 0;
  for (int64_t i = 0; i < b->height; i++) {
    uint8_t *to = row_of(b, out, i);
    for (int64_t k = 0; k < b->width; k++) to = put(b, 0, to);
  }
  while (y < b->height && end - in >= 2) {
    int count = in[0], what = in[1];
    in += 2;
    if (count) put_run(b, out, x, y, count, in - 1, 0), x += count;
    else if (what == 0) x = 0, y++;
    else if (what == 1) return 0;
    else if (what == 2) {
      if (end - in < 2) break;
      x += in[0], y += in[1];
      in += 2;
    } else {
      int bytes = b->bits == 8 ? what : (what + 1) / 2;
      if (end - in < bytes) break;
      put_run(b, out, x, y, what, in, 1);
      in += end - in > bytes ? bytes + bytes % 2 : bytes;
      x += what;
    }
    if (x > b->width) x = b->width;
  }
  return y >= b->height || (y == b->height - 1 && x == b->width) ? 0 : truncated(error);
}

/* Checks that the file has the bytes of all rows. Two bytes of a run hold up to 255 pixels; small pictures may be
 * blank, without any run. */
static int check_length(const bmp *b, agad_error *error) {
  if (b->pixels_at > b->n) return truncated(error);
  size_t n = b->n - b->pixels_at;
  if (is_packed(b) && b->width * b->height / 128 > (int64_t)n + 4096)
    return agad_fail(error, "is a BMP file that announces more pixels than its bytes can hold; copy it again");
  if (is_packed(b)) return 0;
  size_t last = ((size_t)b->width * b->bits + 7) / 8; /* the padding of the last row may be missing */
  return (size_t)(b->height - 1) * b->stride + last > n ? truncated(error) : 0;
}

/* ---- masks ---- */

/* A mask is read by the indices of its palette, as in PNG, unless that is grey. black[i]: whether colour i is black. */
static void take_indices(bmp *b, uint8_t *black) {
  for (int i = 0; i < 256; i++) {
    black[i] = !(b->palette[i][0] | b->palette[i][1] | b->palette[i][2]);
    b->palette[i][0] = (uint8_t)i;
  }
  b->channels = 1;
}

/* Index 0 is what is not marked, unless its colour is not black and that of another index that is used is. */
static int check_indices(const raster *r, const uint8_t *black, agad_error *error) {
  size_t n = (size_t)r->height * r->width;
  for (size_t i = 0; i < n && !black[0]; i++)
    if (black[r->pixels[i]])
      return agad_fail(error, "is a mask in doubt: colour 0 of its palette is not black, but another one is; save it "
                              "in grey");
  return 0;
}

static int bmp_raster(const uint8_t *bytes, size_t n, const raster_limits *limits, raster *out, agad_error *error) {
  bmp b;
  memset(out, 0, sizeof *out);
  if (read_header(bytes, n, &b, error) || data_raster_size(b.height, b.width, limits->max_pixels, error) ||
      check_length(&b, error))
    return -1;
  uint8_t black[256] = {1};
  int height = (int)b.height, width = (int)b.width;
  b.marks = limits->mask;
  if (limits->mask && b.bits <= 8 && b.channels == 3) take_indices(&b, black);
  raster made = {b.channels, height, width, height, width, 1, base_alloc(b.width * b.height, (size_t)b.channels)};
  if (!made.pixels) return agad_fail_as(error, AGAD_OUT_OF_MEMORY, "cannot be read: no memory for its pixels");
  int status = 0;
  if (is_packed(&b)) status = read_runs(&b, &made, error);
  else read_rows(&b, &made);
  if (!status) status = check_indices(&made, black, error);
  if (status) free(made.pixels);
  else *out = made;
  return status;
}

static int bmp_channels(const uint8_t *bytes, size_t n) {
  agad_error error;
  bmp b;
  return read_header(bytes, n, &b, &error) ? 0 : b.channels;
}

const data_format data_bmp = {"BMP", {"bmp", "dib"}, is_bmp, bmp_raster, bmp_channels, 0};
