/* safetensors.h: model files that run no code (https://github.com/huggingface/safetensors).
 *
 * A file is a little-endian 64-bit length, a JSON header of that length, and the data.  Files are read whole
 * and checked whole: sizes, offsets, gaps and overlaps, and, where the writer left one, a checksum: XXH64 of the
 * header, with the digits of the checksum as zeros, and of the data.
 * They are written beside their target and renamed, so that a process that is killed leaves the old file intact.
 */
#ifndef AGAD_NET_SAFETENSORS_H
#define AGAD_NET_SAFETENSORS_H

#include "at/at.h"

#include <jansson.h>

typedef struct safetensors safetensors;

typedef struct named_tensor {
  const char *name;
  const at_tensor *tensor;
} named_tensor;

/* NULL and one line in error->message (path and reason) if the file is invalid. */
safetensors *safetensors_open(const char *path, agad_error *error);
void safetensors_close(safetensors *f);
int safetensors_count(const safetensors *f);
const char *safetensors_name(const safetensors *f, int i);
const char *safetensors_metadata(const safetensors *f, const char *key); /* NULL: none */
json_t *safetensors_about(const safetensors *f);                         /* all metadata: strings; NULL: none */
at_tensor *safetensors_get(const safetensors *f, int i);                 /* a copy, of the scope */
int safetensors_find(const safetensors *f, const char *name);            /* place, or -1 */
/* Metadata are strings.  0, or -1 with the reason. */
int safetensors_save(const char *path, const named_tensor *tensors, int n, const json_t *metadata, agad_error *error);

#endif
