/* mask.h: resizes masks: each pixel takes the nearest one, placed as data_resample places pictures with the same
 * fit, so that a mask stays aligned with its picture.
 */
#ifndef AGAD_DATA_MASK_H
#define AGAD_DATA_MASK_H

#include "data/resample.h"

/* Into out (height, width): 1 where any channel is over 0, 0 elsewhere. */
void data_mask(const resample_source *in, uint8_t *out, int height, int width, data_fit fit);

#endif
