/* loader.c: threads, the file of decoded rows, listing, CIFAR and IDX of any type, under the sanitizers.
 *
 * Good files are cut and changed from a fixed seed; every outcome is either a result whose every byte can be read or
 * one line of message. A file of decoded rows that was changed is never believed, unless only its pixels were.
 */
#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "data/cifar.h"
#include "data/folder.h"
#include "data/idx.h"
#include "data/loader.h"
#include "data/mask.h"
#include "data/png.h"
#include "data/reader.h"
#include "base/hash.h"
#include "base/random.h"

enum { HEADER_BYTES = 8192, NUMBERS = 4 }; /* cache.c's layout */

static char root[] = "/tmp/agad-asan-XXXXXX";

static const char *in_root(const char *name) {
  static char paths[4][256];
  static int next;
  char *path = paths[next++ % 4];
  snprintf(path, sizeof *paths, "%s/%s", root, name);
  return path;
}

static void put(const char *path, const uint8_t *bytes, size_t n) {
  remove(path); /* cutting a file to nothing makes some file systems wait for the disk */
  FILE *out = fopen(path, "wb");
  CHECK(out && fwrite(bytes, 1, n, out) == n);
  CHECK(fclose(out) == 0);
}

static size_t get(const char *path, uint8_t *bytes, size_t room) {
  FILE *in = fopen(path, "rb");
  CHECK(in);
  size_t n = fread(bytes, 1, room, in);
  fclose(in);
  return n;
}

static void one_line(const agad_error *error) { CHECK(error->message[0] && !strchr(error->message, '\n')); }

/* ---- IDX, CIFAR ---- */

static void try_array(const char *path) {
  data_array array;
  agad_error error = {""};
  if (data_idx_read(path, &array, &error)) {
    one_line(&error);
    return;
  }
  int64_t n = 1;
  for (int i = 0; i < array.dims; i++) n *= array.sizes[i];
  static const int element_bytes[] = {
      [IDX_U8] = 1, [IDX_I8] = 1, [IDX_I16] = 2, [IDX_I32] = 4, [IDX_F32] = 4, [IDX_F64] = 8};
  CHECK(base_hash(array.values, (size_t)(n * element_bytes[array.type]), 0) != 1);
  free(array.values);
}

static void broken_idx(void) {
  uint8_t good[] = {0, 0, 0x0e, 2, 0, 0, 0, 2, 0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
  base_random r = base_random_new(5, 1, 1);
  const char *path = in_root("array");
  for (size_t cut = 0; cut <= sizeof good; cut++) put(path, good, cut), try_array(path);
  for (int i = 0; i < 3000; i++) {
    uint8_t bad[sizeof good];
    memcpy(bad, good, sizeof good);
    for (int k = base_random_range(&r, 1, 3); k > 0; k--)
      bad[base_random_below(&r, 12)] = (uint8_t)base_random_next(&r) & (base_random_below(&r, 2) ? 15 : 255);
    put(path, bad, sizeof bad);
    try_array(path);
  }
}

static void broken_cifar(void) {
  enum { RECORD = 3074, N = 100 };
  static uint8_t good[RECORD * N], bad[RECORD * N];
  base_random r = base_random_new(6, 1, 1);
  CHECK(!mkdir(in_root("cifar100"), 0777));
  FILE *fine = fopen(in_root("cifar100/fine_label_names.txt"), "w");
  FILE *coarse = fopen(in_root("cifar100/coarse_label_names.txt"), "w");
  CHECK(fine && coarse);
  for (int i = 0; i < 100; i++) fprintf(fine, "fine%d\n", i);
  for (int i = 0; i < 20; i++) fprintf(coarse, "coarse%d\n", i);
  CHECK(!fclose(fine) && !fclose(coarse));
  for (int i = 0; i < N; i++) good[i * RECORD] = (uint8_t)(i / 5), good[i * RECORD + 1] = (uint8_t)i;
  put(in_root("cifar100/test.bin"), good, sizeof good);
  for (int i = 0; i < 60; i++) {
    data_images train, test;
    data_superclasses above;
    agad_error error = {""};
    size_t n = i % 3 == 1 ? base_random_below(&r, sizeof good) : sizeof good;
    memcpy(bad, good, sizeof good);
    if (i % 3 == 2) bad[base_random_below(&r, N) * RECORD + base_random_below(&r, 2)] = (uint8_t)base_random_next(&r);
    put(in_root("cifar100/train.bin"), bad, n);
    if (data_cifar(root, 100, i % 2, &train, &test, &above, &error)) {
      one_line(&error);
      continue;
    }
    CHECK(train.count == (int64_t)n / RECORD && train.n_classes == (i % 2 ? 20 : 100) && above.n == (i % 2 ? 0 : 20));
    CHECK(base_hash(train.pixels, (size_t)train.count * 3072, 0) != 1);
    data_images_free(&train);
    data_images_free(&test);
    data_superclasses_free(&above);
  }
}

/* ---- loading ---- */

enum { FILES = 60 };
static char names[FILES][256];
static const char *paths[FILES];

static void make_files(void) {
  uint8_t pixels[3 * 12 * 12], bytes[4096];
  base_random r = base_random_new(7, 1, 1);
  agad_error error;
  CHECK(!mkdir(in_root("pictures"), 0777));
  for (int i = 0; i < FILES; i++) {
    snprintf(names[i], sizeof names[i], "%s/pictures/%03d.png", root, i);
    paths[i] = names[i];
    memset(pixels, i + 1, sizeof pixels);
    CHECK(!data_png_write(names[i], pixels, i % 2 ? 1 : 3, 12, i % 7 ? 12 : 8, NULL, &error));
    if (i % 9 != 4) continue;
    size_t n = get(names[i], bytes, sizeof bytes);
    put(names[i], bytes, base_random_below(&r, n));
  }
}

static int count_calls(void *calls, int64_t done, int64_t n) {
  CHECK(done <= n);
  ++*(int *)calls;
  return 0;
}

static int stop(void *calls, int64_t done, int64_t n) {
  (void)done, (void)n;
  ++*(int *)calls;
  return 1;
}

static void touch_rows(loader_result *result, int count) {
  const cache_rows *rows = &result->rows;
  const cache_header *h = rows->header;
  size_t picture = (size_t)h->channels * h->height * h->width;
  CHECK(h->count == count && h->skipped == FILES - count && h->n_examples == CACHE_EXAMPLES);
  for (int64_t i = 0; i < h->count; i++) CHECK(rows->kept[i] % 9 != 4 && (!i || rows->kept[i] > rows->kept[i - 1]));
  CHECK(base_hash(rows->pixels, picture * (size_t)h->count, 0) != 1);
  memset(rows->pixels, 1, picture * (size_t)h->count);
  cache_close(&result->rows);
  cache_close(&result->rows);
}

static void loads(void) {
  agad_error error;
  loader_result result;
  int calls = 0, kept = FILES - 7;
  for (int i = 0; i < 48; i++) {
    loader_options o = {.threads = i % 5, .mask = i % 3 == 2, .progress = count_calls, .watcher = &calls};
    o.decode = (decode_options){
        .form.height = 9, .form.width = 5, .form.fit = (data_fit)(i / 5 % 3), .form.channels = i % 4 == 3 ? 3 : 0};
    o.cache = i % 2 ? in_root("rows") : NULL;
    CHECK(!loader_run(paths, FILES, &o, &result, &error));
    CHECK(!result.note[0]);
    touch_rows(&result, kept);
  }
  CHECK(calls > 0);
  uint8_t like_masks[FILES];
  decode_options plain = {0};
  CHECK(!data_mask_like(paths, FILES, &plain, like_masks, &error) && !like_masks[4]);
  loader_options strict = {.strict = 1, .threads = 3, .decode.form.height = 4, .decode.form.width = 4};
  CHECK(loader_run(paths, FILES, &strict, &result, &error) && strstr(error.message, "/004.png"));
  loader_options uneven_sizes = {.threads = 3};
  CHECK(loader_run(paths, FILES, &uneven_sizes, &result, &error) && strstr(error.message, "give a size"));
  loader_options stopped = {.progress = stop, .watcher = &calls, .cache = in_root("rows"), .decode.form.height = 3};
  stopped.decode.form.width = 3;
  CHECK(loader_run(paths, FILES, &stopped, &result, &error) && !strcmp(error.message, "stopped"));
  agad_interrupt = 1;
  CHECK(loader_run(paths, FILES, &stopped, &result, &error) && error.kind == AGAD_INTERRUPTED);
  agad_interrupt = 0;
}

/* Readers that are closed at once, after some pictures, at the end and when interrupted, with any number of threads. */
static void reads_ahead(void) {
  agad_error error;
  decode_options o = {.form = {.height = 9, .width = 5, .channels = 3}};
  for (int i = 0; i < 60; i++) {
    reader *r = reader_open(paths, FILES, &o, i % 5, &error);
    CHECK(r);
    int wanted = i % 4 ? i * 2 : FILES, taken = 0, ready = 0;
    while (taken < wanted && (ready = reader_ready(r, i % 9 + 1, &error)) > 0)
      for (int k = 0; k < ready; k++, taken++) {
        reader_item item;
        reader_take(r, &item);
        if (taken % 9 == 4) CHECK(!item.picture.pixels && item.error.message[0]);
        else CHECK(base_hash(item.picture.pixels, 9 * 5 * 3, 0) != 1);
        free(item.picture.pixels);
      }
    CHECK(ready >= 0 && (taken >= wanted || taken == FILES));
    if (taken == FILES) CHECK(reader_ready(r, 1, &error) == 0);
    agad_interrupt = 1;
    if (taken < FILES) CHECK(reader_ready(r, 1, &error) < 0 && error.kind == AGAD_INTERRUPTED);
    agad_interrupt = 0;
    reader_close(r);
  }
  o.form.channels = 0;
  CHECK(!reader_open(paths, FILES, &o, 1, &error) && strstr(error.message, "give channels"));
}

/* Changes of a file of decoded rows: noticed in all that is not padding or pixels. */
static void broken_cache(void) {
  loader_options o = {.decode = {.form.height = 4, .form.width = 4}, .cache = in_root("rows")};
  base_random r = base_random_new(8, 1, 1);
  static uint8_t good[65536], bad[65536];
  loader_result result;
  cache_rows rows;
  agad_error error;
  CHECK(!loader_run(paths, FILES, &o, &result, &error));
  touch_rows(&result, FILES - 7);
  uint64_t key = loader_key(paths, FILES, &o);
  size_t n = get(o.cache, good, sizeof good), numbers = HEADER_BYTES + FILES * NUMBERS * sizeof(int64_t);
  CHECK(n < sizeof good && !cache_open(&rows, o.cache, key));
  cache_close(&rows);
  CHECK(cache_open(&rows, o.cache, key + 1));
  for (size_t cut = 0; cut < n; cut += 61) {
    put(o.cache, good, cut);
    CHECK(cache_open(&rows, o.cache, key));
  }
  for (int i = 0; i < 2000; i++) {
    size_t at = base_random_below(&r, i % 2 ? sizeof(cache_header) : 128);
    if (i % 5 == 0) at = HEADER_BYTES + base_random_below(&r, numbers - HEADER_BYTES);
    memcpy(bad, good, n);
    bad[at] ^= (uint8_t)(1 + base_random_below(&r, 255));
    put(o.cache, bad, n);
    CHECK(cache_open(&rows, o.cache, key));
  }
}

static void headers(void) {
  static const uint8_t jpeg[] = {0xff, 0xd8, 0xff, 0xe0, 0, 4, 1,    2, 0xff, 0xff, 0xfe, 0, 2, 0xff, 0xc2, 0, 11, 8,
                                 0,    9,    0,    9,    1, 1, 0x11, 0, 0xff, 0xda, 0,    8, 1, 1,    0,    0, 0,  0};
  const char *path = in_root("header");
  base_random r = base_random_new(9, 1, 1);
  put(path, jpeg, sizeof jpeg);
  CHECK(picture_channels(path) == 1);
  for (int i = 0; i < 3000; i++) {
    uint8_t bad[sizeof jpeg];
    memcpy(bad, jpeg, sizeof jpeg);
    for (int k = base_random_range(&r, 1, 4); k > 0; k--)
      bad[2 + base_random_below(&r, sizeof jpeg - 2)] = (uint8_t)base_random_next(&r);
    put(path, bad, base_random_below(&r, sizeof bad + 1));
    int channels = picture_channels(path);
    CHECK(channels == 0 || channels == 1 || channels == 3);
  }
}

static void lists(void) {
  folder_list list;
  agad_error error;
  CHECK(!symlink("..", in_root("pictures/up")) && !symlink("gone.png", in_root("pictures/broken.png")));
  CHECK(!symlink("001.png", in_root("pictures/other.tif")) && !mkdir(in_root("lost+found"), 0700));
  CHECK(!folder_find(root, &list, &error));
  CHECK(list.n == FILES && list.n_problems == 2 && !strcmp(list.paths[1], "pictures/001.png"));
  CHECK(list.n_others == 1 && !strcmp(list.others[0], "pictures/other.tif"));
  folder_free(&list);
  CHECK(folder_find(in_root("none"), &list, &error));
  agad_interrupt = 1;
  CHECK(folder_find(root, &list, &error) && error.kind == AGAD_INTERRUPTED);
  agad_interrupt = 0;
}

int main(void) {
  char command[300];
  CHECK(mkdtemp(root));
  broken_idx();
  broken_cifar();
  make_files();
  loads();
  reads_ahead();
  broken_cache();
  headers();
  lists();
  snprintf(command, sizeof command, "rm -rf '%s'", root);
  CHECK(system(command) == 0);
  puts("loader: clean");
  return 0;
}
