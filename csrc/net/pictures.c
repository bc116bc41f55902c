#include "net/pictures.h"

at_tensor *pictures_to_batch(const at_tensor *pictures, const at_tensor *index, double low, double high, at_dtype dtype,
                             int device, at_layout layout) {
  if (at_ok() && at_dtype_of(pictures) != AT_U8) return at_fail("pictures must be uint8 tensors, 0 to 255"), NULL;
  if (at_ok() && at_ndim(pictures) != 4) return at_fail("pictures must be [n, channels, height, width]"), NULL;
  at_tensor *rows = index ? at_index_select(pictures, 0, index) : at_alias(pictures);
  at_tensor *x = at_to_layout(at_to(rows, dtype, device), layout);
  if (!at_ok()) return NULL;
  at_mul_scalar_(x, (high - low) / 255);
  return low == 0 ? x : at_add_scalar(x, low);
}
