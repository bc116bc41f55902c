/* png.c: PNG files of any bytes.  A mutation of its own repairs the checksums of the chunks, which would otherwise
 * turn every changed file away at the door. */
#include "fuzz.h"

#include <zlib.h>

#include "data/formats.h"

extern const data_format data_png;

size_t LLVMFuzzerMutate(uint8_t *bytes, size_t n, size_t room);
size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t n, size_t room, unsigned seed);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
  agad_error error = {""};
  raster_limits limits = {.max_pixels = 1 << 20};
  raster out;
  if (data_png.raster(bytes, n, &limits, &out, &error)) {
    check_message(&error);
    CHECK(!out.pixels);
    return 0;
  }
  CHECK(out.channels == 1 || out.channels == 3);
  CHECK(out.orientation >= 1 && out.orientation <= 8);
  touch(out.pixels, (size_t)out.channels * out.height * out.width);
  free(out.pixels);
  return 0;
}

static uint32_t big_endian(const uint8_t *b) { return (uint32_t)b[0] << 24 | b[1] << 16 | b[2] << 8 | b[3]; }

size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t n, size_t room, unsigned seed) {
  n = LLVMFuzzerMutate(bytes, n, room);
  if (seed % 8 == 0) return n;
  if (n >= 8) memcpy(bytes, "\x89PNG\r\n\x1a\n", 8);
  for (size_t at = 8; n > at && n - at >= 12;) {
    uint32_t length = big_endian(bytes + at);
    if (length > n - at - 12) break;
    uint32_t sum = (uint32_t)crc32(0, bytes + at + 4, length + 4);
    for (int i = 0; i < 4; i++) bytes[at + 8 + length + (size_t)i] = (uint8_t)(sum >> (24 - 8 * i));
    at += 12 + (size_t)length;
  }
  return n;
}
