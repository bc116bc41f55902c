/* pictures.h: pictures as a net takes them, in training and in scoring alike. */
#ifndef AGAD_NET_PICTURES_H
#define AGAD_NET_PICTURES_H

#include "at/at.h"

/* uint8 pictures (rows of `index`, int64, or all when NULL) as a float batch in [low, high]. */
at_tensor *pictures_to_batch(const at_tensor *pictures, const at_tensor *index, double low, double high, at_dtype dtype,
                             int device, at_layout layout);

#endif
