/* bmp.c: BMP files of any bytes, and the channels that a whole and a truncated header announce. */
#include "fuzz.h"

#include "data/formats.h"

extern const data_format data_bmp;

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
  agad_error error = {""};
  raster_limits limits = {.max_pixels = 1 << 18, .mask = n % 3 == 0};
  raster out;
  int channels = data_bmp.channels(bytes, n), cut = data_bmp.channels(bytes, n / 2);
  CHECK(channels == 0 || channels == 1 || channels == 3);
  CHECK(!cut || cut == channels);
  if (data_bmp.raster(bytes, n, &limits, &out, &error)) {
    check_message(&error);
    CHECK(!out.pixels);
    return 0;
  }
  CHECK((out.channels == channels || limits.mask) && out.orientation == 1);
  CHECK((int64_t)out.height * out.width <= limits.max_pixels);
  touch(out.pixels, (size_t)out.channels * out.height * out.width);
  free(out.pixels);
  return 0;
}
