/* localise.c: both areas are sums over defective pixels of what each adds to the curve, which is found by looking
 * its score up among the sorted normal ones: only these are sorted.
 *
 * A defective pixel of weight w at score s is missed while the rate is below a = share of normals above s, and found
 * from b = share of normals at or above s; between the two (ties) the trapezoid rule makes it rise evenly.
 */
#include "score/localise.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "data/images.h"
#include "score/sort.h"

struct localiser {
  int64_t room, n_normal, n_defect; /* pixels */
  int height, width;
  uint32_t *keys;                      /* room: normal pixels from the front, defective ones from the back */
  int32_t *region_size, *stack;        /* sizes in the order of the defective pixels; places yet to visit */
  int64_t n_regions, room_for_regions; /* region_size */
  uint8_t *left;                       /* of one mask: pixels not yet in a region */
};

localiser *localise_new(int64_t n, int height, int width, agad_error *error) {
  if (n < 1 || height < 1 || width < 1 || height > DATA_MAX_SIDE || width > DATA_MAX_SIDE) {
    agad_fail(error, "localisation: %lld maps of %d x %d cannot be held", (long long)n, height, width);
    return NULL;
  }
  int64_t area = base_product(height, width, INT32_MAX), room = area < 0 ? -1 : base_product(n, area, INT64_MAX / 16);
  localiser *l = room < 0 ? NULL : base_alloc(1, sizeof *l);
  if (l) {
    *l = (localiser){.room = room, .height = height, .width = width};
    l->keys = base_alloc(room, sizeof *l->keys);
    l->stack = base_alloc(area, sizeof *l->stack);
    l->left = base_alloc(area, 1);
  }
  if (l && l->keys && l->stack && l->left) return l;
  localise_free(l);
  agad_fail_as(error, AGAD_OUT_OF_MEMORY, "localisation: no memory for %lld maps of %d x %d", (long long)n, height,
               width);
  return NULL;
}

void localise_free(localiser *l) {
  if (!l) return;
  free(l->keys);
  free(l->stack);
  free(l->left);
  free(l->region_size);
  free(l);
}

static int new_region(localiser *l, agad_error *error) {
  if (l->n_regions == l->room_for_regions) {
    int64_t more = l->room_for_regions * 2 + 64;
    int32_t *bigger = base_realloc(l->region_size, more, sizeof *bigger);
    if (!bigger)
      return agad_fail_as(error, AGAD_OUT_OF_MEMORY, "localisation: no memory for %lld regions", (long long)more);
    l->region_size = bigger;
    l->room_for_regions = more;
  }
  l->region_size[l->n_regions++] = 0;
  return 0;
}

/* Takes the region around `start` out of `left`, its pixels to the back of the keys. */
static void flood(localiser *l, const float *map, int32_t start) {
  int32_t depth = 0, size = 0;
  l->left[start] = 0;
  l->stack[depth++] = start;
  while (depth > 0) {
    int32_t at = l->stack[--depth];
    int y = at / l->width, x = at % l->width;
    l->keys[l->room - 1 - l->n_defect++] = sort_key32(map[at]);
    size++;
    for (int v = y > 0 ? y - 1 : 0; v <= y + 1 && v < l->height; v++)
      for (int u = x > 0 ? x - 1 : 0; u <= x + 1 && u < l->width; u++) {
        int32_t next = v * l->width + u;
        if (!l->left[next]) continue;
        l->left[next] = 0; /* once on the stack, never again: the stack needs one place a pixel */
        l->stack[depth++] = next;
      }
  }
  l->region_size[l->n_regions - 1] = size;
}

int localise_add(localiser *l, const float *maps, const uint8_t *masks, int64_t count, agad_error *error) {
  int64_t area = (int64_t)l->height * l->width;
  if (count < 0 || count > (l->room - l->n_normal - l->n_defect) / area)
    return agad_fail(error, "localisation: more maps than the %lld announced", (long long)(l->room / area));
  for (int64_t i = 0; i < count * area; i++)
    if (!isfinite(maps[i]))
      return agad_fail(error, "localisation: pixel %lld of map %lld is not finite; train the model again",
                       (long long)(i % area) + 1, (long long)(i / area) + 1);
  for (int64_t k = 0; k < count; k++, maps += area, masks += area) {
    if (agad_interrupt) return agad_interrupted(error);
    for (int64_t i = 0; i < area; i++) {
      l->left[i] = masks[i] != 0;
      if (!masks[i]) l->keys[l->n_normal++] = sort_key32(maps[i]);
    }
    for (int32_t i = 0; i < (int32_t)area; i++) {
      if (!l->left[i]) continue;
      if (new_region(l, error)) return -1;
      flood(l, maps, i);
    }
  }
  return 0;
}

/* How many of the ascending keys are below `key`. */
static int64_t below(const uint32_t *keys, int64_t n, uint64_t key) {
  int64_t first = 0;
  while (n > 0) {
    int64_t half = n / 2;
    if (keys[first + half] < key) first += half + 1, n -= half + 1;
    else n = half;
  }
  return first;
}

/* Area up to `limit` under a step of height 1 that rises evenly between rates a and b. */
static double area_of_step(double a, double b, double limit) {
  if (limit <= a) return 0;
  if (limit < b) return (limit - a) * (limit - a) / (2 * (b - a));
  return (b - a) / 2 + (limit - b);
}

int localise_result(localiser *l, double max_fpr, localisation *out, agad_error *error) {
  if (!(max_fpr > 0 && max_fpr <= 1))
    return agad_fail(error, "localisation: false-positive rate %g; give above 0 to 1", max_fpr);
  if (l->n_defect == 0 || l->n_normal == 0)
    return agad_fail(error, "localisation: %lld defective and %lld normal pixels; both kinds are needed",
                     (long long)l->n_defect, (long long)l->n_normal);
  uint32_t *scratch = base_alloc(l->n_normal, sizeof *scratch);
  if (!scratch)
    return agad_fail_as(error, AGAD_OUT_OF_MEMORY, "localisation: no memory for %lld pixels", (long long)l->n_normal);
  const uint32_t *normal = sort_keys32(l->keys, scratch, l->n_normal), *defect = l->keys + l->room - 1;
  double n = (double)l->n_normal, auroc = 0, pro = 0;
  for (int64_t region = 0; region < l->n_regions; region++) {
    double covered = 0;
    for (int32_t i = 0; i < l->region_size[region]; i++) {
      uint32_t key = *defect--;
      int64_t lower = below(normal, l->n_normal, key);
      int64_t ties = below(normal + lower, l->n_normal - lower, (uint64_t)key + 1);
      double a = (double)(l->n_normal - lower - ties) / n, b = (double)(l->n_normal - lower) / n;
      auroc += area_of_step(a, b, 1);
      covered += area_of_step(a, b, max_fpr);
    }
    pro += covered / l->region_size[region];
  }
  free(scratch);
  *out = (localisation){auroc / (double)l->n_defect, pro / ((double)l->n_regions * max_fpr), l->n_regions, l->n_defect,
                        l->n_normal};
  return 0;
}
