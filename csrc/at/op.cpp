/* op.cpp: any operator by name, through the dispatcher, with cached handles.
 *
 * A handle holds the schema digested once: the kind of every argument and its default.  A call pushes the
 * values onto a stack, calls boxed, and pops the results.  Nothing here decides between overloads: that
 * is done by whoever has the arguments in hand.
 */
#include "internal.h"

#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/jit_type.h>
#include <ATen/core/stack.h>
#include <ATen/EmptyTensor.h>
#include <ATen/ops/scalar_tensor.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

template <class... More>
using Handle = std::optional<c10::TypedOperatorHandle<at::Tensor(const at::Tensor &, More...)>>;
using TensorArg = const at::Tensor &;
using ScalarArg = const at::Scalar &;

struct at_op : at_taken {
  c10::OperatorHandle handle;
  std::string schema;
  at_list<at_arg> args;
  at_list<c10::IValue> defaults;
  std::vector<bool> optional_tensor_list;
  int returns;
  bool has_out; /* writes a result to a keyword */
  /* Of tensors and numbers only (neg, add, mul, lt and their like): one of these, called without boxing. */
  Handle<> unary;
  Handle<TensorArg> with_tensor;
  Handle<TensorArg, ScalarArg> with_tensor_scaled;
  Handle<ScalarArg> with_scalar;
  Handle<ScalarArg, ScalarArg> with_scalar_scaled;
};

namespace {

at_kind kind_of(const c10::TypePtr &type) {
  using K = c10::TypeKind;
  switch (type->kind()) {
  case K::TensorType: return AT_TENSOR;
  case K::IntType:
  case K::SymIntType: return AT_INT;
  case K::FloatType: return AT_DOUBLE;
  case K::BoolType: return AT_BOOL;
  case K::StringType: return AT_STRING;
  case K::NumberType: return AT_NUMBER;
  case K::ScalarTypeType: return AT_DTYPE;
  case K::LayoutType: return AT_LAYOUT_KIND;
  case K::MemoryFormatType: return AT_MEMORY_FORMAT;
  case K::DeviceObjType: return AT_DEVICE;
  case K::GeneratorType: return AT_GENERATOR;
  case K::ListType: return AT_LIST;
  default: return AT_UNSUPPORTED;
  }
}

c10::TypePtr unwrap_optional(const c10::TypePtr &type, int *optional) {
  *optional = type->kind() == c10::TypeKind::OptionalType;
  return *optional ? type->castRaw<c10::OptionalType>()->getElementType() : type;
}

void find_typed(at_op *op, const c10::FunctionSchema &schema) {
  const at_list<at_arg> &a = op->args;
  auto is = [&](size_t i, at_kind kind) {
    return a[i].kind == kind && !a[i].optional && !schema.arguments()[i].alias_info();
  };
  size_t n = a.size();
  if (n < 1 || n > 3 || !is(0, AT_TENSOR) || (n == 3 && !is(2, AT_NUMBER)) || schema.returns().size() != 1 ||
      schema.returns()[0].real_type()->kind() != c10::TypeKind::TensorType || schema.returns()[0].alias_info())
    return;
  const c10::OperatorHandle &handle = op->handle;
  try {
    if (n == 1) op->unary = handle.typed<at::Tensor(TensorArg)>();
    else if (is(1, AT_TENSOR)) {
      if (n == 2) op->with_tensor = handle.typed<at::Tensor(TensorArg, TensorArg)>();
      else op->with_tensor_scaled = handle.typed<at::Tensor(TensorArg, TensorArg, ScalarArg)>();
    } else if (is(1, AT_NUMBER)) {
      if (n == 2) op->with_scalar = handle.typed<at::Tensor(TensorArg, ScalarArg)>();
      else op->with_scalar_scaled = handle.typed<at::Tensor(TensorArg, ScalarArg, ScalarArg)>();
    }
  } catch (...) { /* registered with another C++ signature: boxed, then */
  }
}

std::unique_ptr<at_op> digest(const c10::OperatorHandle &handle) {
  const c10::FunctionSchema &schema = handle.schema();
  std::unique_ptr<at_op> op(new at_op{
      {}, handle, c10::toString(schema), {}, {}, {}, (int)schema.returns().size(), false, {}, {}, {}, {}, {}});
  for (const c10::Argument &a : schema.arguments()) {
    at_arg arg = {};
    c10::TypePtr type = unwrap_optional(a.real_type(), &arg.optional);
    arg.name = a.name().c_str();
    arg.kind = kind_of(type);
    bool optional_items = false;
    if (arg.kind == AT_LIST) {
      c10::TypePtr item = unwrap_optional(type->castRaw<c10::ListType>()->getElementType(), &arg.item_optional);
      arg.item = kind_of(item);
      if (arg.item == AT_LIST) arg.kind = AT_UNSUPPORTED;
      optional_items = arg.item_optional;
      arg.list_size = a.N() ? (int)*a.N() : 0;
    }
    bool text = arg.kind == AT_STRING || (arg.kind == AT_LIST && arg.item == AT_STRING);
    arg.names_dims = text && (a.name().rfind("dim", 0) == 0 || a.name() == "names" || a.name() == "order");
    arg.has_default = a.default_value().has_value();
    arg.may_be_empty = arg.has_default && a.default_value()->isList() && a.default_value()->toListRef().empty();
    arg.keyword_only = a.kwarg_only();
    arg.written = a.alias_info() && a.alias_info()->isWrite();
    op->has_out |= arg.written && arg.keyword_only;
    op->args.push_back(arg);
    op->optional_tensor_list.push_back(optional_items);
    op->defaults.push_back(arg.has_default ? *a.default_value() : c10::IValue());
  }
  find_typed(op.get(), schema);
  return op;
}

std::mutex cache_lock;
auto &cache = *new std::unordered_map<std::string, std::unique_ptr<at_op>>; /* to the very end: callers keep handles */

/* A name of a dimension is a symbol of its own space. */
std::string text_of(const at_value &v, const at_arg &arg) {
  return arg.names_dims ? std::string("dimname::") + v.as.s : v.as.s;
}

c10::IValue to_list(const at_value &v, const at_arg &arg, bool optional_items) {
  switch (arg.item) {
  case AT_TENSOR:
    if (optional_items) {
      c10::List<c10::optional<at::Tensor>> list;
      for (int i = 0; i < v.n; i++)
        list.push_back(v.items[i].kind == AT_NONE ? c10::nullopt
                                                  : c10::optional<at::Tensor>(at_unwrap(v.items[i].as.tensor)));
      return list;
    } else {
      c10::List<at::Tensor> list;
      for (int i = 0; i < v.n; i++) list.push_back(at_unwrap(v.items[i].as.tensor));
      return list;
    }
  case AT_INT: {
    c10::List<int64_t> list;
    for (int i = 0; i < v.n; i++)
      list.push_back(v.items[i].kind == AT_DOUBLE ? (int64_t)v.items[i].as.d : v.items[i].as.i);
    return list;
  }
  case AT_DOUBLE: {
    c10::List<double> list;
    for (int i = 0; i < v.n; i++)
      list.push_back(v.items[i].kind == AT_DOUBLE ? v.items[i].as.d : (double)v.items[i].as.i);
    return list;
  }
  case AT_STRING: { /* names of dimensions */
    c10::List<std::string> list;
    for (int i = 0; i < v.n; i++) list.push_back(text_of(v.items[i], arg));
    return list;
  }
  case AT_BOOL: {
    c10::List<bool> list;
    for (int i = 0; i < v.n; i++) list.push_back(v.items[i].as.i != 0);
    return list;
  }
  case AT_NUMBER: {
    c10::List<at::Scalar> list;
    for (int i = 0; i < v.n; i++)
      list.push_back(v.items[i].kind == AT_DOUBLE ? at::Scalar(v.items[i].as.d) : at::Scalar(v.items[i].as.i));
    return list;
  }
  default: TORCH_CHECK(false, "argument '", arg.name, "': lists of this kind are not supported");
  }
}

c10::IValue to_ivalue(const at_value &v, const at_arg &arg, bool optional_items) {
  switch (v.kind) {
  case AT_NONE: return c10::IValue();
  case AT_TENSOR: return at_unwrap(v.as.tensor);
  case AT_INT: return arg.kind == AT_DOUBLE ? c10::IValue((double)v.as.i) : c10::IValue(v.as.i);
  case AT_DOUBLE: return v.as.d;
  case AT_BOOL: return arg.kind == AT_INT ? c10::IValue(v.as.i) : c10::IValue(v.as.i != 0);
  case AT_STRING: return text_of(v, arg);
  case AT_DTYPE:
  case AT_MEMORY_FORMAT:
  case AT_LAYOUT_KIND: return v.as.i;
  case AT_DEVICE: return at_device((int)v.as.i);
  case AT_GENERATOR: return at_generator_of(v.as.generator);
  case AT_LIST: return to_list(v, arg, optional_items);
  default: TORCH_CHECK(false, "argument '", arg.name, "': a value of this kind cannot be passed");
  }
}

/* Results that are lists live here until the next call of the thread that is not within another: while they are
 * read, Lua's finalisers may call operators. */
thread_local std::deque<at_list<at_value>> lists;

at_value from_ivalue(const c10::IValue &v) {
  at_value r = {};
  if (v.isTensor()) {
    TORCH_CHECK(!v.toTensor().is_nested(), "the result is a nested tensor, which is not supported");
    r.as.tensor = at_wrap(v.toTensor());
    r.kind = r.as.tensor ? AT_TENSOR : AT_NONE;
  } else if (v.isInt()) r.kind = AT_INT, r.as.i = v.toInt();
  else if (v.isDouble()) r.kind = AT_DOUBLE, r.as.d = v.toDouble();
  else if (v.isBool()) r.kind = AT_BOOL, r.as.i = v.toBool();
  else if (v.isScalar()) {
    at::Scalar s = v.toScalar();
    if (s.isBoolean()) r.kind = AT_BOOL, r.as.i = s.toBool();
    else if (s.isIntegral(false)) r.kind = AT_INT, r.as.i = s.toLong();
    else r.kind = AT_DOUBLE, r.as.d = s.toDouble();
  } else if (v.isList()) {
    at_list<at_value> items;
    for (const c10::IValue &item : v.toListRef()) items.push_back(from_ivalue(item));
    lists.push_back(std::move(items));
    r.kind = AT_LIST, r.items = lists.back().data(), r.n = (int)lists.back().size();
  } else r.kind = v.isNone() ? AT_NONE : AT_UNSUPPORTED;
  return r;
}

} // namespace

static std::string full_name(const char *name) { return strchr(name, ':') ? name : std::string("aten::") + name; }

static const at_op *find(const std::string &name, const std::string &overload) {
  std::string key = name + "." + overload;
  std::lock_guard<std::mutex> guard(cache_lock);
  auto found = cache.find(key);
  if (found != cache.end()) return found->second.get();
  auto handle = c10::Dispatcher::singleton().findSchema({name, overload});
  return handle ? cache.emplace(key, digest(*handle)).first->second.get() : nullptr;
}

const at_op *at_op_find(const char *name, const char *overload) {
  return at_guard([&] { return find(full_name(name), overload); }, (const at_op *)nullptr);
}

/* Every operator's overloads by its name. */
static const auto &catalogue() {
  static const auto all = [] {
    std::unordered_map<std::string, std::vector<std::string>> names;
    for (const c10::OperatorName &n : c10::Dispatcher::singleton().getAllOpNames())
      names[n.name].push_back(n.overload_name);
    return names;
  }();
  return all;
}

int at_op_overloads(const char *name, const at_op **out, int max) {
  return at_guard(
      [&] {
        std::string full = full_name(name);
        auto found = catalogue().find(full);
        int n = 0;
        if (found == catalogue().end()) return n;
        for (const std::string &overload : found->second) {
          const at_op *op = find(full, overload);
          if (op && n < max) out[n++] = op;
        }
        return n;
      },
      -1);
}

void at_op_each(void (*visit)(void *context, const char *name, const char *overload, const char *schema),
                void *context) {
  at_guard(
      [&] {
        for (const c10::OperatorName &n : c10::Dispatcher::singleton().getAllOpNames()) {
          auto handle = c10::Dispatcher::singleton().findSchema(n);
          if (!handle) continue;
          std::string schema = c10::toString(handle->schema());
          visit(context, n.name.c_str(), n.overload_name.c_str(), schema.c_str());
        }
        return 0;
      },
      -1);
}

const char *at_op_schema(const at_op *op) { return op->schema.c_str(); }
int at_op_args(const at_op *op) { return (int)op->args.size(); }
const at_arg *at_op_arg(const at_op *op, int i) { return &op->args[i]; }
int at_op_returns(const at_op *op) { return op->returns; }

/* The stack of the last call, so that its memory is used again; a call within a call starts with an empty one. */
struct Stack {
  static thread_local torch::jit::Stack spare;
  torch::jit::Stack items;
  Stack() { items.swap(spare); }
  ~Stack() {
    items.clear();
    items.swap(spare);
  }
};
thread_local torch::jit::Stack Stack::spare;

static at::Scalar scalar(const at_op *op, const at_value *values, int n, int i) {
  if (i < n && values[i].kind == AT_INT) return values[i].as.i;
  if (i < n && values[i].kind == AT_DOUBLE) return values[i].as.d;
  if (i < n && values[i].kind == AT_BOOL) return values[i].as.i != 0;
  return op->defaults[i].toScalar();
}

/* Calls the backend's kernel itself where nothing stands before it: plain tensors of one device that never met
 * autograd (so neither a gradient nor a tangent can be wanted), and no mode of the thread.  An operator with a
 * typed handle changes and returns no view, so ADInplaceOrView has nothing to note either. */
template <class Typed, class... More>
at::Tensor dispatch(const Typed &op, const at::Tensor &a, const at::Tensor *b, const More &...more) {
  using c10::DispatchKey;
  using c10::DispatchKeySet;
  constexpr DispatchKeySet nothing_to_do =
      c10::autograd_dispatch_keyset_with_ADInplaceOrView | DispatchKeySet(DispatchKey::BackendSelect);
  const c10::TensorImpl *x = a.unsafeGetTensorImpl(), *y = b ? b->unsafeGetTensorImpl() : x;
  if (x->autograd_meta() || y->autograd_meta()) return op->call(a, more...);
  DispatchKeySet keys = c10::impl::computeDispatchKeySet(x->key_set() | y->key_set(),
                                                         DispatchKeySet(DispatchKeySet::FULL) - nothing_to_do);
  if (keys != DispatchKeySet(DispatchKey::CPU) && keys != DispatchKeySet(DispatchKey::CUDA))
    return op->call(a, more...);
  return op->redispatch(keys, a, more...);
}

/* The call without boxing; false where the operator has none or the values are not its own. */
static bool call_typed(const at_op *op, const at_value *values, int n, at::Tensor &result) {
  if (n < 1 || values[0].kind != AT_TENSOR) return false;
  const at::Tensor &a = at_unwrap(values[0].as.tensor);
  if (op->unary) return result = dispatch(op->unary, a, nullptr), true;
  if (op->with_tensor || op->with_tensor_scaled) {
    if (n < 2 || values[1].kind != AT_TENSOR) return false;
    const at::Tensor &b = at_unwrap(values[1].as.tensor);
    result = op->with_tensor ? dispatch(op->with_tensor, a, &b, b)
                             : dispatch(op->with_tensor_scaled, a, &b, b, scalar(op, values, n, 2));
    return true;
  }
  if (op->with_scalar || op->with_scalar_scaled) {
    if (n < 2 || values[1].kind == AT_UNSUPPORTED) return false;
    at::Scalar b = scalar(op, values, n, 1);
    result = op->with_scalar ? dispatch(op->with_scalar, a, nullptr, b)
                             : dispatch(op->with_scalar_scaled, a, nullptr, b, scalar(op, values, n, 2));
    return true;
  }
  return false;
}

/* libtorch sets a tensor's sizes before it asks for their memory: where that is not had, it would be read and written
 * beyond its end.  Such a tensor is left empty. */
static void shrink(const at_value &v) {
  if (v.kind == AT_LIST)
    for (int i = 0; i < v.n; i++) shrink(v.items[i]);
  if (v.kind != AT_TENSOR || !at_is_dense(v.as.tensor)) return;
  const at::Tensor &t = at_unwrap(v.as.tensor);
  bool fits = false;
  try {
    size_t needed =
        at::detail::computeStorageNbytes(t.sizes(), t.strides(), t.element_size(), (size_t)t.storage_offset());
    fits = t.numel() == 0 || needed <= t.storage().nbytes();
  } catch (...) { /* more than can be counted */
  }
  if (!fits) at_guard([&] { return t.unsafeGetTensorImpl()->set_sizes_contiguous(at::IntArrayRef{0}), 0; }, -1);
}

/* Several operators give their result its sizes before they read an argument that is the same tensor, and then read and
 * write beyond it: such an argument is copied first.  Two results in one tensor are refused. */
static void separate(const at_op *op, torch::jit::Stack &stack) {
  std::vector<const c10::StorageImpl *> outs;
  auto memory = [](const at::Tensor &t) {
    return t.defined() && t.has_storage() ? t.storage().unsafeGetStorageImpl() : nullptr;
  };
  auto written = [&](const at::Tensor &t) {
    return memory(t) && std::find(outs.begin(), outs.end(), memory(t)) != outs.end();
  };
  auto add = [&](const at::Tensor &t) {
    TORCH_CHECK(!written(t), "two results cannot be written to one tensor");
    if (memory(t)) outs.push_back(memory(t));
  };
  for (size_t i = 0; i < op->args.size(); i++) {
    if (!op->args[i].written || !op->args[i].keyword_only) continue;
    if (stack[i].isTensor()) add(stack[i].toTensor());
    else if (stack[i].isTensorList())
      for (const at::Tensor &t : stack[i].toTensorVector()) add(t);
  }
  for (size_t i = 0; i < op->args.size() && !outs.empty(); i++) {
    if (op->args[i].written) continue;
    if (stack[i].isTensor() && written(stack[i].toTensor())) stack[i] = stack[i].toTensor().clone();
    else if (stack[i].isTensorList()) {
      std::vector<at::Tensor> list = stack[i].toTensorVector();
      for (at::Tensor &t : list)
        if (written(t)) t = t.clone();
      stack[i] = c10::IValue(list);
    }
  }
}

static int call_or_fail(const at_op *op, const at_value *values, int n, at_value *results, int max) {
  return at_try(
      [&] {
        at::Tensor one;
        if (max > 0 && call_typed(op, values, n, one)) {
          *results = {};
          results->as.tensor = at_wrap(std::move(one));
          results->kind = results->as.tensor ? AT_TENSOR : AT_NONE;
          return 1;
        }
        Stack reused;
        torch::jit::Stack &stack = reused.items;
        for (int i = 0; i < (int)op->args.size(); i++) {
          if (i < n && values[i].kind != AT_UNSUPPORTED)
            stack.push_back(to_ivalue(values[i], op->args[i], op->optional_tensor_list[i]));
          else stack.push_back(op->defaults[i]);
        }
        if (op->has_out) separate(op, stack);
        op->handle.callBoxed(stack);
        if (!lists.empty() && at_thread().depth <= 1) lists.clear();
        int count = (int)stack.size();
        for (int i = 0; i < count && i < max; i++) results[i] = from_ivalue(stack[i]);
        return count < max ? count : max;
      },
      -1);
}

int at_op_call(const at_op *op, const at_value *values, int n, at_value *results, int max) {
  if (!at_ok()) return -1;
  int count = call_or_fail(op, values, n, results, max);
  for (int i = 0; count < 0 && i < (int)op->args.size() && i < n; i++)
    if (op->args[i].written) shrink(values[i]);
  return count;
}

at_tensor *at_number(const at_value *v) {
  return at_make([&] {
    at::Tensor t = v->kind == AT_DOUBLE ? at::scalar_tensor(v->as.d, at::kDouble)
                   : v->kind == AT_BOOL ? at::scalar_tensor(v->as.i != 0, at::kBool)
                                        : at::scalar_tensor(v->as.i, at::kLong);
    t.unsafeGetTensorImpl()->set_wrapped_number(true);
    return t;
  });
}

at_tensor *at_call(const char *name, const char *overload, const at_value *values, int n) {
  if (!at_ok()) return nullptr;
  const at_op *op = at_op_find(name, overload);
  if (!op) return at_fail("there is no operator %s.%s", name, overload), nullptr; /* the first failure stays */
  at_value result = {};
  if (at_op_call(op, values, n, &result, 1) < 1) return nullptr;
  if (result.kind != AT_TENSOR) return at_fail("operator %s did not return a tensor", name), nullptr;
  return result.as.tensor;
}
