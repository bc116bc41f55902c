/* exif.c: looks for tag 0x0112 in the first directory of a TIFF block.
 *
 * Nothing in the block is trusted: every offset is compared with what is left, and whatever is broken means
 * "upright", as viewers do.
 */
#include "data/exif.h"

#define TAG_ORIENTATION 0x0112u
#define TYPE_SHORT 3u
#define TYPE_LONG 4u
#define ENTRY 12u

static unsigned read16(const uint8_t *b, int big) { return big ? b[0] << 8 | b[1] : b[1] << 8 | b[0]; }

static uint32_t read32(const uint8_t *b, int big) {
  uint32_t high = read16(big ? b : b + 2, big), low = read16(big ? b + 2 : b, big);
  return high << 16 | low;
}

int data_exif_orientation(const uint8_t *tiff, size_t n) {
  if (n < 8 || tiff[0] != tiff[1] || (tiff[0] != 'I' && tiff[0] != 'M')) return 1;
  int big = tiff[0] == 'M';
  if (read16(tiff + 2, big) != 42) return 1;
  size_t at = read32(tiff + 4, big);
  if (at > n || n - at < 2) return 1;
  size_t entries = read16(tiff + at, big), room = (n - at - 2) / ENTRY;
  if (entries > room) entries = room;
  const uint8_t *entry = tiff + at + 2;
  for (size_t i = 0; i < entries; i++, entry += ENTRY) {
    if (read16(entry, big) != TAG_ORIENTATION) continue;
    unsigned type = read16(entry + 2, big);
    uint32_t value = 0;
    if (read32(entry + 4, big) == 1 && type == TYPE_SHORT) value = read16(entry + 8, big);
    if (read32(entry + 4, big) == 1 && type == TYPE_LONG) value = read32(entry + 8, big);
    return value >= 1 && value <= 8 ? (int)value : 1;
  }
  return 1;
}
