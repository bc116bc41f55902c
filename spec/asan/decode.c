/* decode.c: picture files against broken copies of themselves, under the sanitizers.
 *
 * Every file of spec/data/decode is cut at every length, which must be an error, and changed at random places from
 * a fixed seed, which may be read or refused; so may what spec/fuzz keeps. To add a kind: a file there
 * (spec/bench/decode_reference.py). */
#include "check.h"

#include "data/decode.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "data/formats.h"
#include "data/png.h"
#include "base/random.h"

#define ROOM 16384

/* Of exactly n bytes, so that one too many is seen. 1 when it was read. */
static int try(const uint8_t *bytes, size_t n, const decode_options *o) {
  uint8_t *copy = malloc(n ? n : 1);
  agad_error error = {""};
  decoded out;
  CHECK(copy);
  memcpy(copy, bytes, n);
  int status = decode_memory(copy, n, o, &out, &error);
  free(copy);
  if (status) {
    CHECK(status == -1 && !out.pixels && error.message[0] && !strchr(error.message, '\n'));
    return 0;
  }
  unsigned sum = 0;
  for (size_t i = 0; i < (size_t)out.channels * out.height * out.width; i++) sum += out.pixels[i];
  free(out.pixels);
  return sum != 1;
}

static size_t get(const char *path, uint8_t *bytes) {
  FILE *in = fopen(path, "rb");
  CHECK(in);
  size_t n = fread(bytes, 1, ROOM, in);
  fclose(in);
  return n;
}

/* A right checksum of the header lets its values through. */
static void repair(uint8_t *bytes) {
  uint32_t sum = (uint32_t)crc32(0, bytes + 12, 17);
  for (int b = 0; b < 4; b++) bytes[29 + b] = (uint8_t)(sum >> (24 - 8 * b));
}

static void break_file(const char *path, uint64_t number) {
  static uint8_t bytes[ROOM], copy[ROOM];
  size_t n = get(path, bytes);
  int is_png = data_format_of(bytes, n) == data_formats[0];
  CHECK(n > 64 && n < ROOM);
  decode_options whole = {0},
                 small = {
                     .form.height = 9, .form.width = 7, .form.channels = 1, .fast_decode = 1, .max_pixels = 100000};
  CHECK(try(bytes, n, &whole) && try(bytes, n, &small));
  for (size_t cut = 0; cut < n; cut += n < 2000 ? 1 : 7) CHECK(!try(bytes, cut, &small));
  CHECK(!try(bytes, n - 1, &whole) && !try(bytes, n - 2, &whole));
  base_random r = base_random_new(3, 3, number);
  for (int i = 0; i < 300; i++) {
    memcpy(copy, bytes, n);
    for (int k = base_random_range(&r, 1, 3); k > 0; k--)
      copy[base_random_below(&r, base_random_below(&r, 2) ? n : 64)] = (uint8_t)base_random_next(&r);
    if (is_png && base_random_below(&r, 2)) repair(copy);
    small.form.fit = (data_fit)(i % 3), small.form.filter = (data_filter)(i % 2);
    small.mask = i % 5 == 0;
    try(copy, n, &small);
  }
}

static void written(int channels) {
  enum { SIDE = 17 };
  uint8_t pixels[3 * SIDE * SIDE];
  char path[] = "/tmp/agad-asan-XXXXXX";
  agad_error error = {""};
  decode_options as_it_is = {0};
  decoded out;
  int file = mkstemp(path);
  CHECK(file >= 0);
  for (size_t i = 0; i < sizeof pixels; i++) pixels[i] = (uint8_t)(i * i / 7);
  CHECK(data_png_write(path, pixels, channels, SIDE, SIDE, NULL, &error) == 0);
  CHECK(decode_file(path, &as_it_is, &out, &error) == 0 && out.channels == channels && out.height == SIDE);
  CHECK(memcmp(out.pixels, pixels, (size_t)channels * SIDE * SIDE) == 0);
  free(out.pixels);
  close(file);
  remove(path);
}

/* What fuzzing found and learned, once more. */
static void try_kept(const char *path, uint64_t number) {
  static uint8_t bytes[ROOM];
  size_t n = get(path, bytes);
  decode_options o = {.form.height = 9, .form.width = 7, .max_pixels = 1 << 18, .fast_decode = number % 2};
  o.form.fit = (data_fit)(number % 3);
  try(bytes, n, &o);
}

static uint64_t each_file(const char *where, void (*f)(const char *, uint64_t), int only_pictures) {
  DIR *folder = opendir(where);
  struct dirent *entry;
  uint64_t files = 0;
  char path[512];
  CHECK(folder);
  while ((entry = readdir(folder))) {
    if (entry->d_name[0] == '.' || (only_pictures && !data_format_named(entry->d_name))) continue;
    snprintf(path, sizeof path, "%s/%s", where, entry->d_name);
    f(path, files++);
  }
  closedir(folder);
  return files;
}

int main(void) {
  written(1);
  written(3);
  CHECK(each_file("spec/data/decode", break_file, 1) > 50);
  CHECK(each_file("spec/fuzz/kept/png", try_kept, 0) > 0);
  CHECK(each_file("spec/fuzz/kept/jpeg", try_kept, 0) > 0);
  CHECK(each_file("spec/fuzz/kept/bmp", try_kept, 0) > 0);
  CHECK(each_file("spec/fuzz/kept/decode", try_kept, 0) > 0);
  puts("decode: clean");
  return 0;
}
