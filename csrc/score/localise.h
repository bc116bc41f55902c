/* localise.h: how well error maps point at defects whose masks are known.
 *
 * pixel AUROC: over all pixels of all pictures. PRO (per-region overlap; Bergmann et al., "The MVTec Anomaly
 * Detection Dataset", IJCV 2021, section 4.3): at each threshold, the share of a defect region that is covered,
 * averaged over regions, over the rate of false alarms among the pixels outside all regions; the area under it up
 * to a rate (30 %), divided by that rate. Regions are connected over 8 neighbours.
 * Maps come batch by batch; one float32 a pixel is kept. Adding a map that is not finite is an error.
 */
#ifndef AGAD_SCORE_LOCALISE_H
#define AGAD_SCORE_LOCALISE_H

#include <stdint.h>

#include "base/error.h"

typedef struct localiser localiser;

typedef struct localisation {
  double pixel_auroc, pro;
  int64_t regions, defect_pixels, normal_pixels;
} localisation;

localiser *localise_new(int64_t n, int height, int width, agad_error *error); /* room for n pictures; NULL on error */
void localise_free(localiser *l);
/* maps, masks (count, height, width); a mask's pixel is defective where it is not 0. */
int localise_add(localiser *l, const float *maps, const uint8_t *masks, int64_t count, agad_error *error);
/* Once, after all maps. */
int localise_result(localiser *l, double max_fpr, localisation *out, agad_error *error);

#endif
