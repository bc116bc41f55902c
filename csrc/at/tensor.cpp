/* tensor.cpp: looking at tensors and making them. */
#include "internal.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_strided.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>

#include <cstring>
#include <memory>

static_assert((int)at::kByte == AT_U8 && (int)at::kFloat == AT_F32 && (int)at::kBFloat16 == AT_BF16 &&
                  (int)at::kBool == AT_B8 && (int)at::kLong == AT_I64 && (int)at::kHalf == AT_F16,
              "at_dtype follows libtorch's ScalarType");

/* clang-format off */
static const struct { const char *name; at_dtype dtype; } dtype_names[] = {
    {"uint8", AT_U8},     {"int8", AT_I8},        {"int16", AT_I16},      {"int32", AT_I32},
    {"int64", AT_I64},    {"float16", AT_F16},    {"float32", AT_F32},    {"float64", AT_F64},
    {"bool", AT_B8},    {"bfloat16", AT_BF16},  {"complex64", AT_C64},  {"complex128", AT_C128},
    /* short names, as people write them */
    {"byte", AT_U8},      {"char", AT_I8},        {"short", AT_I16},      {"int", AT_I32},
    {"long", AT_I64},     {"half", AT_F16},       {"float", AT_F32},      {"double", AT_F64},
    {"bf16", AT_BF16},    {"fp16", AT_F16},       {"fp32", AT_F32},       {"fp64", AT_F64},
};
/* clang-format on */

const char *at_dtype_name(at_dtype dtype) {
  for (const auto &d : dtype_names)
    if (d.dtype == dtype) return d.name;
  return "other";
}

int at_dtype_by_name(const char *name, at_dtype *out) {
  for (const auto &d : dtype_names)
    if (!strcmp(d.name, name)) return *out = d.dtype, 0;
  return -1;
}

size_t at_element_size(at_dtype dtype) {
  return at_guard([&] { return c10::elementSize((at::ScalarType)dtype); }, (size_t)1);
}

at_dtype at_dtype_of(const at_tensor *t) { return t ? (at_dtype)t->t.scalar_type() : AT_F32; }

int at_device_of(const at_tensor *t) { return t && t->t.is_cuda() ? (int)t->t.get_device() : AT_CPU; }

int at_ndim(const at_tensor *t) { return t ? (int)t->t.dim() : 0; }

int64_t at_size(const at_tensor *t, int dim) {
  if (!t) return 1;
  int n = (int)t->t.dim();
  if (dim < 0) dim += n;
  if (dim < 0 || dim >= n) return at_fail("there is no dimension %d; the tensor has %d", dim + 1, n), 1;
  return at_guard([&] { return t->t.size(dim); }, (int64_t)1);
}

int64_t at_numel(const at_tensor *t) {
  return t ? at_guard([&] { return t->t.numel(); }, (int64_t)1) : 1;
}

static const char NO_MEMORY[] = "a sparse tensor has no dense memory; convert it with t:to_dense()";

int at_is_dense(const at_tensor *t) { return t && t->t.layout() == at::kStrided && t->t.has_storage(); }
int at_is_contiguous(const at_tensor *t) {
  return at_is_dense(t) && at_guard([&] { return t->t.is_contiguous(); }, false);
}

/* Of what is sparse only a guess: its entries that are not 0. */
int64_t at_nbytes(const at_tensor *t) {
  if (!t) return 0;
  if (at_is_dense(t)) return (int64_t)t->t.nbytes();
  try {
    bool coo = t->t.layout() == at::kSparse;
    return t->t._nnz() * (int64_t)(t->t.element_size() + (coo ? 8 * t->t.sparse_dim() : 8));
  } catch (...) { return 0; }
}

int at_sizes(const at_tensor *t, int64_t sizes[AT_MAX_DIM]) {
  if (!t) return 0;
  int n = (int)(t->t.dim() < AT_MAX_DIM ? t->t.dim() : AT_MAX_DIM);
  for (int i = 0; i < n; i++) sizes[i] = at_size(t, i);
  return n;
}

double at_item(const at_tensor *t) {
  return at_try([&] { return at_unwrap(t).item().toDouble(); }, std::numeric_limits<double>::quiet_NaN());
}

int64_t at_item_int(const at_tensor *t) {
  return at_try([&] { return at_unwrap(t).item().toLong(); }, (int64_t)0);
}

void *at_data(const at_tensor *t) {
  if (!t || !t->t.is_cpu()) return nullptr;
  if (!at_is_dense(t)) return at_fail("%s", NO_MEMORY), nullptr;
  return at_guard([&] { return t->t.is_contiguous() ? t->t.data_ptr() : nullptr; }, (void *)nullptr);
}

int at_requires_grad(const at_tensor *t) { return t && t->t.requires_grad(); }

int64_t at_version_of(const at_tensor *t) {
  return t && !t->t.is_inference() ? at_guard([&] { return (int64_t)t->t._version(); }, (int64_t)0) : 0;
}

at_tensor *at_empty(const int64_t *sizes, int ndim, at_dtype dtype, int device, at_layout layout) {
  return at_make([&] {
    at::TensorOptions options = at_options(dtype, device);
    if (ndim == 4) options = options.memory_format(at_format(layout));
    return at::empty(at::IntArrayRef(sizes, ndim), options);
  });
}

at_tensor *at_zeros(const int64_t *sizes, int ndim, at_dtype dtype, int device) {
  return at_make([&] { return at::zeros(at::IntArrayRef(sizes, ndim), at_options(dtype, device)); });
}

at_tensor *at_full(const int64_t *sizes, int ndim, double value, at_dtype dtype, int device) {
  return at_make([&] { return at::full(at::IntArrayRef(sizes, ndim), value, at_options(dtype, device)); });
}

at_tensor *at_scalar(double value, at_dtype dtype, int device) { return at_full(nullptr, 0, value, dtype, device); }

at_tensor *at_copy_of(const void *data, const int64_t *sizes, int ndim, at_dtype dtype) {
  return at_make([&] {
    at::Tensor t = at::empty(at::IntArrayRef(sizes, ndim), at_options(dtype, AT_CPU));
    if (t.numel()) memcpy(t.data_ptr(), data, t.nbytes());
    return t;
  });
}

at_tensor *at_from_memory(void *data, const int64_t *sizes, int ndim, at_dtype dtype, void (*release)(void *),
                          void *arg) {
  return at_guard(
      [&] {
        std::shared_ptr<void> held(
            arg, release ? release : [](void *) {}); /* released whatever happens */
        return at_make([&] {
          return at::from_blob(
              data, at::IntArrayRef(sizes, ndim), [held](void *) {}, at_options(dtype, AT_CPU));
        });
      },
      (at_tensor *)nullptr);
}

at_tensor *at_to(const at_tensor *t, at_dtype dtype, int device) {
  return at_make([&] { return at_unwrap(t).to(at_options(dtype, device)); });
}

at_tensor *at_to_layout(const at_tensor *t, at_layout layout) {
  return at_make([&] {
    const at::Tensor &x = at_unwrap(t);
    TORCH_CHECK(at_is_dense(t), NO_MEMORY);
    if (x.dim() != 4) return x.contiguous();
    at::Tensor y = x.contiguous(at_format(layout));
    if (layout != AT_CHANNELS_LAST || y.size(1) != 1 || y.stride(1) == 1) return y;
    /* One channel has the memory of both layouts; libtorch goes by strides, and would leave this one for all that
     * follows. */
    return y.as_strided(y.sizes(), {y.size(2) * y.size(3), 1, y.size(3), 1});
  });
}

at_tensor *at_like_layout(const at_tensor *t, const at_tensor *other) {
  return at_make([&] {
    const at::Tensor &x = at_unwrap(t), &o = at_unwrap(other);
    if (x.strides() == o.strides()) return x;
    at::Tensor y = at::empty_strided(o.sizes(), o.strides(), x.options());
    y.copy_(x);
    return y;
  });
}
