/* mask.h: masks, pictures that mark pixels of other pictures.
 *
 * A pixel is marked where its value in the file is above 0: grey or any channel, of any number of bits; in a palette,
 * its index; in JPEG, which blurs edges, where it is at least 128 (decode.h with `mask`). Alpha marks nothing.
 * When a mask is resized, each pixel takes the nearest one, placed as data_resample places pictures with the same fit,
 * so that the mask stays aligned with its picture.
 */
#ifndef AGAD_DATA_MASK_H
#define AGAD_DATA_MASK_H

#include "data/decode.h"
#include "data/resample.h"

/* Whether each of n pictures looks like a mask: black and at most one other colour, or white throughout. 1 or 0 into
 * out; 0 for a file that cannot be read. -1 when interrupted, or without memory. */
int data_mask_like(const char *const *paths, int64_t n, const decode_options *o, uint8_t *out, agad_error *error);

/* Into out (height, width): 1 where any channel is over 0, 0 elsewhere. */
void data_mask(const resample_source *in, uint8_t *out, int height, int width, data_fit fit);

#endif
