#define _GNU_SOURCE /* memmem */
#include "net/safetensors.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

#define CHECKSUM "agad.checksum"
#define ZEROS "0000000000000000"
#define PLACE "\"" CHECKSUM "\":\"" /* what stands before the digits */
enum { MAX_HEADER = 64 << 20 };

typedef struct entry {
  const char *name;
  at_dtype dtype;
  int ndim;
  int64_t sizes[8];
  uint64_t begin, end;
} entry;

struct safetensors {
  char *bytes;
  const char *data;
  uint64_t data_size;
  json_t *header;
  entry *entries;
  int n;
};

/* clang-format off */
static const struct { const char *name; at_dtype dtype; } dtypes[] = {
    {"F64", AT_F64}, {"F32", AT_F32}, {"F16", AT_F16}, {"BF16", AT_BF16}, {"I64", AT_I64}, {"I32", AT_I32},
    {"I16", AT_I16}, {"I8", AT_I8},   {"U8", AT_U8},   {"BOOL", AT_B8}};
/* clang-format on */
enum { N_DTYPES = sizeof dtypes / sizeof *dtypes };

/* ---- reading ---- */

static int read_entry(safetensors *f, const char *name, const json_t *v, agad_error *error) {
  entry *e = f->entries + f->n;
  const char *dtype = json_string_value(json_object_get(v, "dtype"));
  const json_t *shape = json_object_get(v, "shape"), *offsets = json_object_get(v, "data_offsets");
  *e = (entry){.name = name, .ndim = (int)json_array_size(shape)};
  int known = 0;
  for (int i = 0; dtype && i < N_DTYPES; i++)
    if (!strcmp(dtype, dtypes[i].name)) e->dtype = dtypes[i].dtype, known = 1;
  if (!known) return agad_fail(error, "tensor %s has the unknown dtype '%s'", name, dtype ? dtype : "?");
  if (!json_is_array(shape) || json_array_size(shape) > 8)
    return agad_fail(error, "tensor %s has no sound shape", name);
  int64_t size = (int64_t)at_element_size(e->dtype);
  for (int i = 0; i < e->ndim; i++) {
    const json_t *d = json_array_get(shape, (size_t)i);
    e->sizes[i] = json_integer_value(d);
    if (!json_is_integer(d) || (size = base_product(size, e->sizes[i], INT64_MAX)) < 0)
      return agad_fail(error, "tensor %s has no sound shape", name);
  }
  const json_t *begin = json_array_get(offsets, 0), *end = json_array_get(offsets, 1);
  if (json_array_size(offsets) != 2 || !json_is_integer(begin) || !json_is_integer(end) ||
      json_integer_value(begin) < 0 || json_integer_value(end) < json_integer_value(begin))
    return agad_fail(error, "tensor %s has no sound place", name);
  e->begin = (uint64_t)json_integer_value(begin);
  e->end = (uint64_t)json_integer_value(end);
  if (e->end > f->data_size || e->end - e->begin != (uint64_t)size)
    return agad_fail(error, "tensor %s lies outside the file; the file is cut short or damaged", name);
  f->n++;
  return 0;
}

/* Where the header holds the digits of the checksum; NULL: nowhere. */
static char *digits_in(char *header, size_t length) {
  char *place = memmem(header, length, PLACE, strlen(PLACE));
  return place && (size_t)(place - header) + strlen(PLACE) + 16 <= length ? place + strlen(PLACE) : NULL;
}

/* The checksum of header and parts, with the digits in the header as zeros. */
static void checksum(const char *header, size_t length, const char *place, const void *const *parts,
                     const size_t *sizes, int n, char digits[17]) {
  base_hasher sum;
  size_t before = (size_t)(place - header);
  base_hasher_start(&sum, 0);
  base_hasher_add(&sum, header, before);
  base_hasher_add(&sum, ZEROS, 16);
  base_hasher_add(&sum, place + 16, length - before - 16);
  for (int i = 0; i < n; i++)
    if (sizes[i]) base_hasher_add(&sum, parts[i], sizes[i]);
  base_hash_digits(base_hasher_end(&sum), digits);
}

static int by_place(const void *a, const void *b) {
  const entry *x = a, *y = b;
  if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
  return (x->end > y->end) - (x->end < y->end);
}

/* Whether the tensors follow one another from the first byte to the last; sorts them so. */
static int filled(safetensors *f) {
  uint64_t next = 0;
  qsort(f->entries, (size_t)f->n, sizeof *f->entries, by_place);
  for (int i = 0; i < f->n; next = f->entries[i++].end)
    if (f->entries[i].begin != next) return 0;
  return next == f->data_size;
}

static int read_header(safetensors *f, size_t size, agad_error *error) {
  uint64_t length;
  if (size < 8) return agad_fail(error, "is no safetensors file (too short)");
  memcpy(&length, f->bytes, 8); /* little-endian, as every machine this runs on */
  if (length > MAX_HEADER || length > size - 8) return agad_fail(error, "is no safetensors file, or it is cut short");
  json_error_t where;
  f->header = json_loadb(f->bytes + 8, (size_t)length, JSON_REJECT_DUPLICATES, &where);
  if (!json_is_object(f->header)) return agad_fail(error, "is no safetensors file (its header is not JSON)");
  f->data = f->bytes + 8 + length;
  f->data_size = size - 8 - length;
  f->entries = calloc(json_object_size(f->header) + 1, sizeof *f->entries);
  const char *name;
  json_t *value;
  json_object_foreach(f->header, name, value) {
    if (!strcmp(name, "__metadata__")) continue;
    if (read_entry(f, name, value, error)) return -1;
  }
  if (!filled(f)) return agad_fail(error, "its tensors overlap or do not fill the file; it is damaged");
  if (!safetensors_metadata(f, CHECKSUM)) return 0; /* another program's file */
  char have[17], *place = digits_in(f->bytes + 8, (size_t)length);
  const void *data = f->data;
  size_t data_size = (size_t)f->data_size;
  if (place) checksum(f->bytes + 8, (size_t)length, place, &data, &data_size, 1, have);
  if (!place || memcmp(place, have, 16)) return agad_fail(error, "its checksum is wrong; the file is damaged");
  return 0;
}

safetensors *safetensors_open(const char *path, agad_error *error) {
  size_t size;
  agad_error reason;
  char *bytes = (char *)file_read(path, -1, &size, &reason);
  if (!bytes) return agad_fail(error, "%s: %.900s", path, reason.message), NULL;
  safetensors *f = calloc(1, sizeof *f);
  f->bytes = bytes;
  if (!read_header(f, size, &reason)) return f;
  agad_fail(error, "%s: %.900s", path, reason.message);
  safetensors_close(f);
  return NULL;
}

void safetensors_close(safetensors *f) {
  if (!f) return;
  json_decref(f->header);
  free(f->entries);
  free(f->bytes);
  free(f);
}

int safetensors_count(const safetensors *f) { return f->n; }
const char *safetensors_name(const safetensors *f, int i) { return f->entries[i].name; }

json_t *safetensors_about(const safetensors *f) { return json_object_get(f->header, "__metadata__"); }

const char *safetensors_metadata(const safetensors *f, const char *key) {
  return json_string_value(json_object_get(safetensors_about(f), key));
}

int safetensors_find(const safetensors *f, const char *name) {
  for (int i = 0; i < f->n; i++)
    if (!strcmp(f->entries[i].name, name)) return i;
  return -1;
}

at_tensor *safetensors_get(const safetensors *f, int i) {
  const entry *e = f->entries + i;
  return at_copy_of(f->data + e->begin, e->sizes, e->ndim, e->dtype);
}

/* ---- writing ---- */

static json_t *describe(const at_tensor *t, uint64_t *offset) {
  const char *dtype = NULL;
  for (int i = 0; i < N_DTYPES; i++)
    if (dtypes[i].dtype == at_dtype_of(t)) dtype = dtypes[i].name;
  if (!dtype) return NULL;
  int64_t sizes[AT_MAX_DIM];
  int n = at_sizes(t, sizes);
  json_t *shape = json_array();
  for (int i = 0; i < n; i++) json_array_append_new(shape, json_integer(sizes[i]));
  uint64_t begin = *offset;
  *offset += (uint64_t)at_nbytes(t);
  return json_pack("{s:s, s:o, s:[I, I]}", "dtype", dtype, "shape", shape, "data_offsets", (json_int_t)begin,
                   (json_int_t)*offset);
}

int safetensors_save(const char *path, const named_tensor *tensors, int n, const json_t *metadata, agad_error *error) {
  at_scope scope = at_open();
  const void **parts = calloc((size_t)n + 2, sizeof *parts);
  size_t *sizes = calloc((size_t)n + 2, sizeof *sizes);
  json_t *header = json_object(), *meta = metadata ? json_deep_copy(metadata) : json_object();
  uint64_t offset = 0, length = 0;
  int bad = 0;
  for (int i = 0; i < n && !bad && at_ok(); i++) {
    at_tensor *t = at_to_layout(at_to(at_detach(tensors[i].tensor), at_dtype_of(tensors[i].tensor), AT_CPU), AT_NCHW);
    json_t *entry_json = at_ok() ? describe(t, &offset) : NULL;
    if (!entry_json)
      bad = at_ok() ? agad_fail(error, "%s: tensor %s has a dtype that the format lacks", path, tensors[i].name) : -1;
    else if (json_object_get(header, tensors[i].name) || json_object_set_new(header, tensors[i].name, entry_json))
      bad = agad_fail(error, "%s: the name of tensor %s is taken, or no UTF-8", path, tensors[i].name);
    parts[i + 2] = at_data(t);
    sizes[i + 2] = (size_t)at_nbytes(t);
  }
  json_object_set_new(meta, CHECKSUM, json_string(ZEROS));
  json_object_set_new(header, "__metadata__", meta);
  char *text = json_dumps(header, JSON_COMPACT);
  if (!bad && at_ok() && text) {
    size_t raw = strlen(text), padded = (raw + 7) / 8 * 8; /* the data begin at a multiple of 8 */
    char *wider = realloc(text, padded + 1);
    if (wider) text = wider;
    else padded = raw; /* the format does not insist */
    memset(text + raw, ' ', padded - raw);
    length = padded;
    char digits[17], *place = digits_in(text, padded);
    checksum(text, padded, place, parts + 2, sizes + 2, n, digits);
    memcpy(place, digits, 16);
    parts[0] = &length, sizes[0] = 8, parts[1] = text, sizes[1] = padded;
    bad = file_replace(path, parts, sizes, n + 2, error);
  }
  json_decref(header);
  free(text);
  free(parts);
  free(sizes);
  agad_error reason;
  if (at_close(&scope, &reason)) return agad_fail(error, "%s: %.900s", path, reason.message);
  return bad ? -1 : 0;
}
