/* mask.h: which pixels of a picture are marked, at another size: each is the nearest one, where data_resample puts
 * the pictures of that fit, so that a mask lies on its picture.
 */
#ifndef AGAD_DATA_MASK_H
#define AGAD_DATA_MASK_H

#include "data/resample.h"

/* Into out (height, width): 1 where any channel is over 0, 0 elsewhere. */
void data_mask(const resample_source *in, uint8_t *out, int height, int width, data_fit fit);

#endif
