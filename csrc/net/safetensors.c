#define _GNU_SOURCE /* memmem */
#include "net/safetensors.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/text.h"
#include "net/json.h"

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
    return agad_fail(error, "tensor %s has an invalid shape", name);
  int64_t size = (int64_t)at_element_size(e->dtype);
  for (int i = 0; i < e->ndim; i++) {
    const json_t *d = json_array_get(shape, (size_t)i);
    e->sizes[i] = json_integer_value(d);
    if (!json_is_integer(d) || (size = base_product(size, e->sizes[i], INT64_MAX)) < 0)
      return agad_fail(error, "tensor %s has an invalid shape", name);
  }
  const json_t *begin = json_array_get(offsets, 0), *end = json_array_get(offsets, 1);
  if (json_array_size(offsets) != 2 || !json_is_integer(begin) || !json_is_integer(end) ||
      json_integer_value(begin) < 0 || json_integer_value(end) < json_integer_value(begin))
    return agad_fail(error, "tensor %s has an invalid position", name);
  e->begin = (uint64_t)json_integer_value(begin);
  e->end = (uint64_t)json_integer_value(end);
  if (e->end > f->data_size || e->end - e->begin != (uint64_t)size)
    return agad_fail(error, "tensor %s lies outside the file; the file is truncated or damaged", name);
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
  if (size < 8) return agad_fail(error, "is not a safetensors file (too short)");
  memcpy(&length, f->bytes, 8); /* little-endian, as every machine this runs on */
  if (length > MAX_HEADER || length > size - 8)
    return agad_fail(error, "is not a safetensors file, or it is truncated");
  json_error_t where;
  f->header = json_read(f->bytes + 8, (size_t)length, JSON_REJECT_DUPLICATES, &where);
  if (!f->header && json_kind(&where) == AGAD_OUT_OF_MEMORY)
    return agad_fail_as(error, AGAD_OUT_OF_MEMORY, "cannot be read: no memory for its header");
  if (!json_is_object(f->header)) return agad_fail(error, "is not a safetensors file (its header is not JSON)");
  f->data = f->bytes + 8 + length;
  f->data_size = size - 8 - length;
  f->entries = base_calloc((int64_t)json_object_size(f->header), sizeof *f->entries);
  if (!f->entries) return agad_fail_as(error, AGAD_OUT_OF_MEMORY, "cannot be read: no memory for its tensors' places");
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
  if (!bytes) return agad_fail_as(error, reason.kind, "%s: %.900s", path, reason.message), NULL;
  safetensors *f = base_calloc(1, sizeof *f);
  if (!f) return free(bytes), agad_fail_as(error, AGAD_OUT_OF_MEMORY, "%s: cannot be read: no memory", path), NULL;
  f->bytes = bytes;
  if (!read_header(f, size, &reason)) return f;
  agad_fail_as(error, reason.kind, "%s: %.900s", path, reason.message);
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

/* {"dtype": …, "shape": …, "data_offsets": …}; NULL after an error. */
static json_t *describe(const named_tensor *named, const at_tensor *t, uint64_t *offset, agad_error *error) {
  const char *dtype = NULL;
  for (int i = 0; i < N_DTYPES; i++)
    if (dtypes[i].dtype == at_dtype_of(t)) dtype = dtypes[i].name;
  if (!dtype) return agad_fail(error, "tensor %s has a dtype that safetensors files cannot hold", named->name), NULL;
  int64_t sizes[AT_MAX_DIM];
  int n = at_sizes(t, sizes), bad = 0;
  json_t *shape = json_array();
  for (int i = 0; i < n && !bad; i++) bad = json_array_append_new(shape, json_integer(sizes[i]));
  uint64_t begin = *offset;
  *offset += (uint64_t)at_nbytes(t);
  json_t *made = bad ? NULL
                     : json_pack("{s:s, s:O, s:[I, I]}", "dtype", dtype, "shape", shape, "data_offsets",
                                 (json_int_t)begin, (json_int_t)*offset);
  json_decref(shape);
  if (!made) agad_fail_as(error, AGAD_OUT_OF_MEMORY, "no memory for its header");
  return made;
}

/* A file that is being made: its header, and what is written after it, one part a tensor from parts[2] on. */
typedef struct writer {
  json_t *header;
  char *text;
  uint64_t length; /* of the text */
  const void **parts;
  size_t *sizes;
} writer;

static int add_tensor(writer *w, const named_tensor *named, int place, uint64_t *offset, agad_error *error) {
  at_tensor *t = at_to_layout(at_to(at_detach(named->tensor), at_dtype_of(named->tensor), AT_CPU), AT_NCHW);
  w->parts[place] = at_data(t);
  w->sizes[place] = (size_t)at_nbytes(t);
  if (!at_ok()) return -1;
  if (!text_is_utf8(named->name, strlen(named->name)))
    return agad_fail(error, "the name of tensor %s is not UTF-8", named->name);
  if (json_object_get(w->header, named->name)) return agad_fail(error, "two tensors have the name %s", named->name);
  json_t *described = describe(named, t, offset, error);
  return described ? json_put(w->header, named->name, described, error) : -1;
}

/* The header as text, with the checksum in it; the data begin at a multiple of 8. */
static int finish(writer *w, int n, const json_t *metadata, agad_error *error) {
  json_t *meta = metadata ? json_deep_copy(metadata) : json_object();
  if (json_put(meta, CHECKSUM, json_string(ZEROS), error)) return json_decref(meta), -1;
  if (json_put(w->header, "__metadata__", meta, error)) return -1;
  char *text = json_text(w->header, JSON_COMPACT);
  size_t raw = text ? strlen(text) : 0, padded = (raw + 7) / 8 * 8;
  w->text = text ? base_realloc(text, (int64_t)padded, 1) : NULL;
  if (!w->text) return free(text), agad_fail_as(error, AGAD_OUT_OF_MEMORY, "no memory for its header");
  memset(w->text + raw, ' ', padded - raw);
  char digits[17], *place = digits_in(w->text, padded);
  if (!place) return agad_fail(error, "its metadata have no room for the checksum");
  checksum(w->text, padded, place, w->parts + 2, w->sizes + 2, n, digits);
  memcpy(place, digits, 16);
  w->length = padded;
  w->parts[0] = &w->length, w->sizes[0] = sizeof w->length;
  w->parts[1] = w->text, w->sizes[1] = padded;
  return 0;
}

int safetensors_save(const char *path, const named_tensor *tensors, int n, const json_t *metadata, agad_error *error) {
  at_scope scope = at_open();
  agad_error reason;
  uint64_t offset = 0;
  writer w = {json_object(), .parts = at_calloc((int64_t)n + 2, sizeof *w.parts),
              .sizes = at_calloc((int64_t)n + 2, sizeof *w.sizes)};
  int bad = w.header ? 0 : agad_fail_as(&reason, AGAD_OUT_OF_MEMORY, "no memory for its header");
  for (int i = 0; i < n && !bad && at_ok(); i++) bad = add_tensor(&w, tensors + i, i + 2, &offset, &reason);
  if (!bad && at_ok()) bad = finish(&w, n, metadata, &reason);
  int ready = !bad && at_ok(), status = ready ? file_replace(path, w.parts, w.sizes, n + 2, error) : -1;
  json_decref(w.header);
  free(w.text);
  free(w.parts);
  free(w.sizes);
  agad_error of_tensors;
  if (at_close(&scope, &of_tensors)) reason = of_tensors;
  return ready ? status : agad_fail_as(error, reason.kind, "%s: %.900s", path, reason.message);
}
