/* data.c: the readers of csrc/data against broken files, under the sanitizers.
 *
 * Good files are written, read, cut at every length and changed at random places from a fixed seed; every
 * outcome is either a set whose every byte can be read or one line of message. To add a reader: a case
 * function, and its line in main. */
#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "base/hash.h"
#include "base/random.h"
#include "data/idx.h"
#include "data/images.h"
#include "data/sampler.h"
#include "data/weave.h"

static char folder[] = "/tmp/agad-asan-XXXXXX";
static char path[256];

static void put(const uint8_t *bytes, size_t n, int gzip) {
  if (gzip) {
    gzFile out = gzopen(path, "wb");
    CHECK(out && gzwrite(out, bytes, (unsigned)n) == (int)n);
    CHECK(gzclose(out) == Z_OK);
  } else {
    FILE *out = fopen(path, "wb");
    CHECK(out && fwrite(bytes, 1, n, out) == n);
    CHECK(fclose(out) == 0);
  }
}

static size_t get(uint8_t *bytes, size_t room) {
  FILE *in = fopen(path, "rb");
  CHECK(in);
  size_t n = fread(bytes, 1, room, in);
  fclose(in);
  return n;
}

/* Reads every byte, so that a wrong size is seen. */
static void touch(data_images *set) {
  size_t n = (size_t)set->count * set->channels * set->height * set->width;
  CHECK(base_hash(set->pixels, n, 0) == base_hash(set->pixels, n, 0));
  data_images_free(set);
}

static void one_line(const agad_error *error) { CHECK(error->message[0] && !strchr(error->message, '\n')); }

static void try_idx(void) {
  data_images set;
  agad_error error = {""};
  int32_t *labels;
  int64_t n;
  if (data_idx_images(path, &set, &error)) one_line(&error);
  else touch(&set);
  if (data_idx_labels(path, &labels, &n, &error)) one_line(&error);
  free(labels);
}

static void broken_idx(int gzip) {
  uint8_t good[16 + 3 * 4 * 5] = {0, 0, 8, 3, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0, 5}, bad[512];
  base_random r = base_random_new(1, 1, (uint64_t)gzip);
  put(good, sizeof good, gzip);
  size_t n = get(bad, sizeof bad);
  try_idx();
  for (size_t cut = 0; cut < n; cut++) {
    data_images set;
    agad_error error = {""};
    put(bad, cut, 0);
    CHECK(data_idx_images(path, &set, &error) == -1);
    one_line(&error);
  }
  for (int i = 0; i < 2000; i++) {
    uint8_t copy[512];
    memcpy(copy, bad, n);
    for (int k = base_random_range(&r, 1, 3); k > 0; k--)
      copy[base_random_below(&r, base_random_below(&r, 2) ? n : 16)] = (uint8_t)base_random_next(&r);
    put(copy, n, 0);
    try_idx();
  }
}

static void odd_sizes(void) {
  agad_error error = {""};
  data_images set;
  CHECK(data_images_alloc(&set, INT64_MAX / 2, 3, 60000, 60000, 1, 1, &error) == -1);
  CHECK(data_images_alloc(&set, -1, 3, 6, 6, 1, 1, &error) == -1);
  static const int sides[][4] = {{1, 1, 32, 32}, {28, 28, 32, 32}, {33, 7, 5, 64}, {64, 3, 1, 1}};
  for (int fit = 0; data_fits[fit]; fit++)
    for (size_t i = 0; i < sizeof sides / sizeof *sides; i++) {
      const int *s = sides[i];
      CHECK(data_images_alloc(&set, 3, 1, s[0], s[1], 1, 1, &error) == 0);
      memset(set.pixels, 255, (size_t)3 * s[0] * s[1]);
      data_form form = {s[2], s[3], 0, (data_fit)fit, (data_filter)(i % 2)};
      CHECK(data_images_bring(&set, &form, &error) == 0 && set.height == s[2] && set.width == s[3]);
      CHECK(data_images_set_channels(&set, 3, &error) == 0);
      CHECK(data_images_set_channels(&set, 1, &error) == 0);
      CHECK(fit == DATA_PAD || set.pixels[0] == 255);
      touch(&set);
    }
}

static void whole_sets(void) {
  agad_error error = {""};
  data_images set;
  for (int texture = 0; texture < WEAVE_N_TEXTURES; texture++)
    for (int size = 32; size <= 96; size += 32) {
      weave_options o = {(weave_texture)texture, size, size == 64 ? 3 : 1, 7};
      CHECK(data_weave(&o, WEAVE_TEST, 5, 20, &set, &error) == 0);
      touch(&set);
    }
  weave_options large = {WEAVE_CLOTH, 1024, 1, UINT64_MAX};
  CHECK(data_weave(&large, WEAVE_TEST, 0, 5, &set, &error) == 0);
  touch(&set);
}

static void sampler_pools(void) {
  agad_error error = {""};
  int64_t rows[40];
  data_batch batch;
  for (int i = 0; i < 40; i++) rows[i] = i;
  for (int n = 1; n <= 20; n++)
    for (int m = 0; m <= 20; m += 5)
      for (int size = 1; size <= 24; size++) {
        data_sampler *s = data_sampler_new(rows, n, rows + 20, m, size, size, 3, &error);
        CHECK(s);
        for (int epoch = 0; epoch < 3; epoch++) {
          int64_t given = 0;
          while (data_sampler_next(s, &batch)) {
            CHECK(batch.n <= size && batch.n_normal >= batch.n - batch.n_normal);
            for (int64_t i = 0; i < batch.n; i++) CHECK((batch.rows[i] < 20) == (i < batch.n_normal));
            given++;
          }
          CHECK(given == data_sampler_batches(s));
          data_sampler_next_epoch(s);
        }
        CHECK(data_sampler_set_anomalies(s, rows + 20, 1, 1, &error) == 0);
        data_sampler_next(s, &batch);
        data_sampler_free(s);
      }
}

int main(void) {
  CHECK(mkdtemp(folder));
  snprintf(path, sizeof path, "%s/file", folder);
  broken_idx(0);
  broken_idx(1);
  odd_sizes();
  whole_sets();
  sampler_pools();
  remove(path);
  CHECK(rmdir(folder) == 0);
  puts("data: clean");
  return 0;
}
