/* mask.h: a decoded picture as a mask: 1 where any channel is over 0, 0 elsewhere. */
#ifndef AGAD_DATA_MASK_H
#define AGAD_DATA_MASK_H

#include "data/decode.h"

/* Into out (height, width): each pixel is the nearest of the picture's, placed as decode.h places pictures of that
 * fit, so that a mask lies on its picture. */
void data_mask(const decoded *picture, decode_fit fit, uint8_t *out, int height, int width);

#endif
