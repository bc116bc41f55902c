/* idx.c: IDX files of any bytes, plain and gzip, as images and as labels. */
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"

#include "data/idx.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
  char path[64];
  agad_error error = {""};
  data_images images;
  int32_t *labels;
  int64_t count;
  int file = memfd_create("idx", 0);
  CHECK(file >= 0 && write(file, bytes, n) == (ssize_t)n);
  snprintf(path, sizeof path, "/proc/self/fd/%d", file);
  if (data_idx_images(path, &images, &error)) check_message(&error);
  else touch(images.pixels, (size_t)images.count * images.height * images.width);
  data_images_free(&images);
  if (data_idx_labels(path, &labels, &count, &error)) check_message(&error);
  else touch(labels, (size_t)count * sizeof *labels);
  free(labels);
  close(file);
  return 0;
}
