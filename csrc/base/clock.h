/* clock.h: seconds that pass, whatever is done to the time of day. */
#ifndef AGAD_BASE_CLOCK_H
#define AGAD_BASE_CLOCK_H

#include <time.h>

static inline double base_clock(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

#endif
