/* idx.c: reads IDX through zlib, which passes plain files on unchanged.
 *
 * Reading goes on to the end of the file, so that gzip's checksum is checked and bytes too many show.
 */
#include "data/idx.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

#include "base/memory.h"

#define IDX_IMAGES 0x00000803u
#define IDX_LABELS 0x00000801u
#define FIRST_READ ((int64_t)1 << 20)

typedef struct idx_file {
  gzFile gz;
  const char *path;
  agad_error *error;
} idx_file;

static int idx_open(idx_file *file, const char *path, agad_error *error) {
  struct stat info;
  *file = (idx_file){NULL, path, error};
  if (stat(path, &info)) return agad_fail(error, "idx: %s: %s", path, strerror(errno));
  if (!S_ISREG(info.st_mode))
    return agad_fail(error, "idx: %s is not a regular file; name an IDX file, gzipped or not", path);
  file->gz = gzopen(path, "rb");
  if (!file->gz)
    return agad_fail_as(error, !errno || errno == ENOMEM ? AGAD_OUT_OF_MEMORY : AGAD_FAILED, "idx: %s: %s", path,
                        strerror(errno ? errno : ENOMEM));
  gzbuffer(file->gz, 1 << 17);
  return 0;
}

static void idx_close(idx_file *file) {
  if (file->gz) gzclose_r(file->gz);
  file->gz = NULL;
}

/* Exactly n bytes into out, in pieces that a Ctrl-C can end. */
static int idx_read(idx_file *file, uint8_t *out, int64_t n) {
  while (n > 0) {
    if (agad_interrupt) return agad_interrupted(file->error);
    unsigned piece = n > FIRST_READ ? (unsigned)FIRST_READ : (unsigned)n;
    int got = gzread(file->gz, out, piece), code = 0;
    if (got < 0) {
      const char *why = gzerror(file->gz, &code);
      if (code == Z_MEM_ERROR) return agad_fail_as(file->error, AGAD_OUT_OF_MEMORY, "idx: %s: no memory", file->path);
      return agad_fail(file->error, "idx: %s is damaged (%s); fetch it again", file->path,
                       code == Z_ERRNO ? strerror(errno) : why);
    }
    if (got == 0)
      return agad_fail(file->error,
                       "idx: %s: %lld bytes are missing at its end; the file is truncated, "
                       "fetch it again",
                       file->path, (long long)n);
    out += got;
    n -= got;
  }
  return 0;
}

/* Nothing may follow; reading past the end also makes zlib compare the checksum. */
static int idx_at_end(idx_file *file) {
  uint8_t more;
  int code = 0, got = gzread(file->gz, &more, 1);
  const char *why = gzerror(file->gz, &code);
  if (got < 0 || (code != Z_OK && code != Z_STREAM_END))
    return agad_fail(file->error, "idx: %s is damaged (%s); fetch it again", file->path, why);
  if (got > 0)
    return agad_fail(file->error,
                     "idx: %s: it has more bytes than its header announces; "
                     "fetch it again",
                     file->path);
  return 0;
}

static uint32_t big_endian(const uint8_t *b) {
  return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

/* ---- the header: two zero bytes, the type, the number of dimensions, the sizes ---- */

typedef struct element {
  idx_type type;
  int bytes;
  const char *name;
} element;

static const element elements[] = {{IDX_U8, 1, "uint8"},  {IDX_I8, 1, "int8"},     {IDX_I16, 2, "int16"},
                                   {IDX_I32, 4, "int32"}, {IDX_F32, 4, "float32"}, {IDX_F64, 8, "float64"}};

/* NULL when the magic is not one of IDX. */
static const element *element_of(uint32_t magic) {
  int dims = (int)(magic & 0xff);
  for (size_t i = 0; i < sizeof elements / sizeof *elements; i++)
    if (magic >> 8 == (uint32_t)elements[i].type && dims >= 1 && dims <= IDX_MAX_DIMS) return &elements[i];
  return NULL;
}

static int idx_sizes(idx_file *file, int dims, int64_t *sizes) {
  uint8_t bytes[4 * IDX_MAX_DIMS];
  if (idx_read(file, bytes, 4 * dims)) return -1;
  for (int i = 0; i < dims; i++) sizes[i] = big_endian(bytes + 4 * i);
  return 0;
}

static int idx_header(idx_file *file, uint32_t magic, int dims, int64_t *sizes) {
  uint8_t bytes[4];
  char other[64] = "";
  if (idx_read(file, bytes, 4)) return -1;
  uint32_t found = big_endian(bytes);
  if (found == magic) return idx_sizes(file, dims, sizes);
  const element *e = element_of(found);
  if (e)
    snprintf(other, sizeof other, ", but one of %s with %d dimension%s", e->name, (int)(found & 0xff),
             (found & 0xff) == 1 ? "" : "s");
  return agad_fail(file->error, "idx: %s: its first bytes are %08x, not %08x; this is not an IDX %s file%s", file->path,
                   found, magic, magic == IDX_IMAGES ? "images" : "labels", other);
}

/* The body: storage doubles as bytes arrive. NULL after an error. */
static uint8_t *idx_body(idx_file *file, int64_t bytes) {
  int64_t have = 0, room = bytes < FIRST_READ ? bytes : FIRST_READ;
  uint8_t *out = base_alloc(room, 1);
  while (out && have < bytes) {
    if (have == room) {
      room = room > bytes / 2 ? bytes : room * 2;
      uint8_t *grown = base_realloc(out, room, 1);
      if (!grown) {
        free(out);
        out = NULL;
        break;
      }
      out = grown;
    }
    if (idx_read(file, out + have, room - have)) {
      free(out);
      return NULL;
    }
    have = room;
  }
  if (!out) {
    agad_fail_as(file->error, AGAD_OUT_OF_MEMORY, "idx: %s: no memory for %lld bytes", file->path, (long long)bytes);
    return NULL;
  }
  if (idx_at_end(file)) {
    free(out);
    return NULL;
  }
  return out;
}

/* ---- any file ---- */

/* From big-endian to the machine's order, in place. */
static void to_native(uint8_t *values, int64_t n, int size) {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
  for (int64_t i = 0; i < n; i++, values += size)
    for (int a = 0, b = size - 1; a < b; a++, b--) {
      uint8_t swapped = values[a];
      values[a] = values[b];
      values[b] = swapped;
    }
#else
  (void)values, (void)n, (void)size;
#endif
}

static int read_array(idx_file *file, data_array *out) {
  uint8_t bytes[4];
  if (idx_read(file, bytes, 4)) return -1;
  uint32_t magic = big_endian(bytes);
  const element *e = element_of(magic);
  if (!e)
    return agad_fail(file->error,
                     "idx: %s: its first bytes are %08x; this is not an IDX file (type 08, 09, 0b, 0c, 0d or 0e, "
                     "1 to 8 dimensions)",
                     file->path, magic);
  out->type = e->type;
  out->dims = (int)(magic & 0xff);
  if (idx_sizes(file, out->dims, out->sizes)) return -1;
  int64_t n = 1;
  for (int i = 0; i < out->dims && n >= 0; i++) n = base_product(n, out->sizes[i], IDX_MAX_BYTES / e->bytes);
  if (n < 0)
    return agad_fail(file->error,
                     "idx: %s: its header announces more than %lld GiB, the most that is read; fetch it again",
                     file->path, (long long)(IDX_MAX_BYTES >> 30));
  out->values = idx_body(file, n * e->bytes);
  if (!out->values) return -1;
  to_native(out->values, n, e->bytes);
  return 0;
}

int data_idx_read(const char *path, data_array *out, agad_error *error) {
  idx_file file;
  memset(out, 0, sizeof *out);
  if (idx_open(&file, path, error)) return -1;
  int status = read_array(&file, out);
  idx_close(&file);
  return status;
}

/* ---- MNIST's images and labels ---- */

static uint8_t *read_images(idx_file *file, int64_t *sizes) {
  if (idx_header(file, IDX_IMAGES, 3, sizes)) return NULL;
  int64_t plane = base_product(sizes[1], sizes[2], IDX_MAX_BYTES);
  int64_t bytes = plane < 0 ? -1 : base_product(sizes[0], plane, IDX_MAX_BYTES);
  if (bytes < 0 || sizes[1] < 1 || sizes[2] < 1 || sizes[1] > DATA_MAX_SIDE || sizes[2] > DATA_MAX_SIDE) {
    agad_fail(file->error,
              "idx: %s: its header announces %lld images of %lld x %lld, which is invalid; "
              "fetch it again",
              file->path, (long long)sizes[0], (long long)sizes[1], (long long)sizes[2]);
    return NULL;
  }
  return idx_body(file, bytes);
}

int data_idx_images(const char *path, data_images *set, agad_error *error) {
  idx_file file;
  int64_t sizes[3];
  memset(set, 0, sizeof *set);
  if (idx_open(&file, path, error)) return -1;
  uint8_t *pixels = read_images(&file, sizes);
  idx_close(&file);
  if (!pixels) return -1;
  set->count = sizes[0];
  set->channels = 1;
  set->height = (int)sizes[1];
  set->width = (int)sizes[2];
  set->pixels = pixels;
  return 0;
}

int data_idx_labels(const char *path, int32_t **labels, int64_t *count, agad_error *error) {
  idx_file file;
  uint8_t *bytes = NULL;
  *labels = NULL;
  if (idx_open(&file, path, error)) return -1;
  if (!idx_header(&file, IDX_LABELS, 1, count)) bytes = idx_body(&file, *count);
  idx_close(&file);
  if (!bytes) return -1;
  *labels = base_alloc(*count, sizeof **labels);
  if (*labels)
    for (int64_t i = 0; i < *count; i++) (*labels)[i] = bytes[i];
  free(bytes);
  return *labels
             ? 0
             : agad_fail_as(error, AGAD_OUT_OF_MEMORY, "idx: %s: no memory for %lld labels", path, (long long)*count);
}
