/* jpeg.c: JPEG files of any bytes, with EXIF, at full and at reduced scale; and EXIF alone. */
#include "fuzz.h"

#include "data/exif.h"
#include "data/formats.h"

extern const data_format data_jpeg;

static void try(const uint8_t *bytes, size_t n, raster_limits limits) {
  agad_error error = {""};
  raster out;
  if (data_jpeg.raster(bytes, n, &limits, &out, &error)) {
    check_message(&error);
    CHECK(!out.pixels);
    return;
  }
  CHECK(out.channels == 1 || out.channels == 3);
  CHECK(out.orientation >= 1 && out.orientation <= 8);
  touch(out.pixels, (size_t)out.channels * out.height * out.width);
  free(out.pixels);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
  uint8_t *copy = malloc(n + 1); /* of exactly that length, so that a byte too many is seen */
  CHECK(copy);
  memcpy(copy, bytes, n);
  int orientation = data_exif_orientation(copy, n);
  CHECK(orientation >= 1 && orientation <= 8);
  free(copy);
  try(bytes, n, (raster_limits){.max_pixels = 1 << 19});
  if (n % 4 == 0) try(bytes, n, (raster_limits){1 << 19, 9, 7});
  return 0;
}
