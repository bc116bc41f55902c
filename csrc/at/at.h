/* at.h: libtorch in plain C.
 *
 * Scopes: every at_tensor* that a call returns belongs to the innermost open scope of the thread; at_close frees all of
 * them except those that were kept.
 * Errors, here and wherever this header is used: each thread has one sticky error. The first failure (C++ exception,
 * out of memory, bad argument) is remembered with its kind. From then on calls do nothing and return NULL; a failed
 * scalar is NaN, a failed size 1, a failed status -1, and at_close returns -1. So C code reads like the formula, with
 * one check at the end; before side effects of its own it checks at_ok().
 * A call takes over what it is given to keep or to release, even if it fails. No exception leaves these functions, and
 * they know nothing of Lua.
 */
#ifndef AGAD_AT_H
#define AGAD_AT_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct at_tensor at_tensor;
typedef struct at_generator at_generator;
typedef struct at_arena at_arena;
typedef struct at_choices at_choices;
typedef struct at_conv at_conv;
typedef struct at_op at_op;

/* The values are libtorch's ScalarType. */
typedef enum at_dtype {
  /* clang-format off */
  AT_U8 = 0, AT_I8 = 1, AT_I16 = 2, AT_I32 = 3, AT_I64 = 4, AT_F16 = 5, AT_F32 = 6, AT_F64 = 7,
  AT_C64 = 9, AT_C128 = 10, AT_B8 = 11, AT_BF16 = 15,
  AT_OTHER = 127 /* any other dtype: it works, but has no name here */
  /* clang-format on */
} at_dtype;

typedef enum at_layout { AT_NCHW = 0, AT_CHANNELS_LAST = 1 } at_layout;

/* Devices are numbers: -1 is the CPU, n >= 0 is cuda:n. */
#define AT_CPU (-1)

#define AT_MAX_DIM 64

/* ---- scopes and the sticky error ------------------------------------------------------------- */

typedef struct at_scope {
  size_t mark;
  int depth;
} at_scope;

at_scope at_open(void);
/* Frees what the scope owns. Returns 0, or -1 after a failure: if `error` is given, the failure moves into it and is
 * cleared; if it is NULL, the failure stays for the enclosing scope. */
int at_close(at_scope *scope, agad_error *error);
int at_ok(void);
/* Remembers a failure (the first one stays); returns -1. */
int at_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
int at_interrupted(void);                  /* the same for a loop that agad_interrupt ends */
int at_fail_with(const agad_error *error); /* the same with the message and the kind of another failure */
/* base_calloc of base/memory.h, but out of memory sets the sticky error. Returns NULL then, and after any earlier
 * failure. */
void *at_calloc(int64_t n, size_t element);
agad_kind at_failed_as(void); /* the kind of the pending failure */
/* Takes a tensor out of its scope (returns it), or hands a kept one to the current scope. */
at_tensor *at_keep(at_tensor *t);
at_tensor *at_give(at_tensor *t);           /* out of memory: frees the tensor and returns NULL */
void at_free(at_tensor *t);                 /* NULL is fine; only for kept tensors */
void at_free_list(at_tensor **list, int n); /* the tensors of a list from at_calloc, and the list; NULL is fine */
at_tensor *at_alias(const at_tensor *t);    /* a second handle of the same tensor */
/* A handle in the caller's memory, such as a Lua userdata: at_move_in moves the tensor of t into `place`, frees the
 * handle t and returns the new one, which only at_move_out ends. */
typedef struct at_place {
  void *room[2];
} at_place;
at_tensor *at_move_in(at_place *place, at_tensor *t);
void at_move_out(at_place *place);
/* *slot = t, kept, and what was there is freed; NULL clears.  After a failure nothing happens. */
void at_store(at_tensor **slot, at_tensor *t);

/* ---- looking at a tensor --------------------------------------------------------------------- */

at_dtype at_dtype_of(const at_tensor *t);
int at_device_of(const at_tensor *t);
int at_ndim(const at_tensor *t);
int64_t at_size(const at_tensor *t, int dim); /* dim from 0, negative from the end */
int64_t at_numel(const at_tensor *t);
int64_t at_nbytes(const at_tensor *t);
int at_is_dense(const at_tensor *t); /* has memory of its own: not sparse */
int at_is_contiguous(const at_tensor *t);
int at_sizes(const at_tensor *t, int64_t sizes[AT_MAX_DIM]); /* returns ndim, at most AT_MAX_DIM */
double at_item(const at_tensor *t);                          /* of one element; NaN after a failure */
int64_t at_item_int(const at_tensor *t);
void *at_data(const at_tensor *t); /* of a dense tensor on the CPU; NULL otherwise */
int at_requires_grad(const at_tensor *t);
int64_t at_version_of(const at_tensor *t);             /* counts the changes made in place to its memory */
const char *at_dtype_name(at_dtype dtype);             /* "float32" … */
int at_dtype_by_name(const char *name, at_dtype *out); /* 0, or -1 for an unknown name */
size_t at_element_size(at_dtype dtype);

/* ---- making tensors -------------------------------------------------------------------------- */

at_tensor *at_empty(const int64_t *sizes, int ndim, at_dtype dtype, int device, at_layout layout);
at_tensor *at_zeros(const int64_t *sizes, int ndim, at_dtype dtype, int device);
at_tensor *at_full(const int64_t *sizes, int ndim, double value, at_dtype dtype, int device);
at_tensor *at_scalar(double value, at_dtype dtype, int device); /* 0-d */
at_tensor *at_copy_of(const void *data, const int64_t *sizes, int ndim, at_dtype dtype);
/* A view of the caller's memory; `release(arg)` is called when the last tensor over it is gone, also on failure. */
at_tensor *at_from_memory(void *data, const int64_t *sizes, int ndim, at_dtype dtype, void (*release)(void *),
                          void *arg);
at_tensor *at_to(const at_tensor *t, at_dtype dtype, int device); /* t itself when equal */
at_tensor *at_to_layout(const at_tensor *t, at_layout layout);
at_tensor *at_like_layout(const at_tensor *t, const at_tensor *other); /* other's strides */

/* ---- the step's vocabulary: typed wrappers, named as the operators --------------------------- */

at_tensor *at_narrow(const at_tensor *t, int dim, int64_t start, int64_t length);
at_tensor *at_index_select(const at_tensor *t, int dim, const at_tensor *index);
at_tensor *at_reshape(const at_tensor *t, const int64_t *sizes, int ndim);
at_tensor *at_clone(const at_tensor *t);
at_tensor *at_detach(const at_tensor *t);
at_tensor *at_add(const at_tensor *a, const at_tensor *b);
at_tensor *at_concat(at_tensor *const *parts, int n, int dim);
at_tensor *at_sub(const at_tensor *a, const at_tensor *b);
at_tensor *at_mul(const at_tensor *a, const at_tensor *b);
at_tensor *at_div(const at_tensor *a, const at_tensor *b);
at_tensor *at_mul_scalar(const at_tensor *a, double s);
at_tensor *at_add_scalar(const at_tensor *a, double s);
at_tensor *at_neg(const at_tensor *a);
at_tensor *at_sign(const at_tensor *a);
at_tensor *at_square(const at_tensor *a);
at_tensor *at_mean(const at_tensor *a);
at_tensor *at_sum(const at_tensor *a);
at_tensor *at_l1(const at_tensor *a, const at_tensor *b);         /* mean |a - b| */
at_tensor *at_mse(const at_tensor *a, const at_tensor *b);        /* mean (a - b)^2 */
at_tensor *at_bce_logits(const at_tensor *logits, double target); /* mean over elements */
at_tensor *at_sigmoid(const at_tensor *a);
at_tensor *at_less_scalar(const at_tensor *a, double s);
at_tensor *at_where(const at_tensor *condition, const at_tensor *a, const at_tensor *b);
void at_copy_(at_tensor *to, const at_tensor *from);
void at_add_(at_tensor *a, const at_tensor *b, double alpha);
void at_mul_scalar_(at_tensor *a, double s);
void at_lerp_(at_tensor *a, const at_tensor *end, const at_tensor *weight);

/* While on, a picture's result does not depend on its place in the batch, to the bit: convolutions on the CPU are not
 * computed as one product of matrices. Applies to this thread; returns the previous setting. */
int at_rows_alike(int on);
/* Convolutions on the CPU can be computed in several ways, whose results differ by rounding. While choices are current,
 * the fastest way of each is measured when it first comes, and kept in them; without any, its shape decides. `text`: of
 * earlier choices, a line each, "" for none; lines that are not understood are left out. */
at_choices *at_choices_new(const char *text);
void at_choices_free(at_choices *choices);
at_choices *at_choices_use(at_choices *choices);      /* of this thread; returns those that were current; NULL = none */
int64_t at_choices_count(const at_choices *choices);  /* of those that were measured or used, as is the text */
char *at_choices_text(const at_choices *choices);     /* with the times of the ways; free() it */
double at_choices_seconds(const at_choices *choices); /* that measuring took */
at_tensor *at_convolution(const at_tensor *x, const at_tensor *w, const at_tensor *bias, const int64_t stride[2],
                          const int64_t padding[2], int transposed, const int64_t output_padding[2]);
/* Gradients that are not asked for (NULL) are not computed. Of bf16, dw may be float32, where it was added up in it. */
void at_convolution_backward(at_tensor **dx, at_tensor **dw, at_tensor **db, const at_tensor *dy, const at_tensor *x,
                             const at_tensor *w, const int64_t stride[2], const int64_t padding[2], int transposed,
                             const int64_t output_padding[2]);
/* A convolution on the CPU whose kernel stays as it is, in float32, with what follows it:
 * y = act((convolution(x, w) - mean) * scale + shift), act(v) = v > 0 ? v : slope * v. NULL vectors: 0, 1, 0. The
 * kernel is kept as the products read it. Its results are channels_last, and each picture's are its own. */
int at_conv_is_fast(void); /* whether the processor has the instructions that it is written for */
at_conv *at_conv_new(const at_tensor *w, const at_tensor *mean, const at_tensor *scale, const at_tensor *shift,
                     double slope, const int64_t stride[2], const int64_t padding[2], int transposed,
                     const int64_t output_padding[2]);
void at_conv_free(at_conv *c);
at_tensor *at_conv_run(at_conv *c, const at_tensor *x);
/* Batch norm. training: uses the statistics of the batch, and moves the running ones (may be NULL) by momentum. */
at_tensor *at_batch_norm(at_tensor **mean, at_tensor **invstd, const at_tensor *x, const at_tensor *w,
                         const at_tensor *b, at_tensor *running_mean, at_tensor *running_var, int training,
                         double momentum, double eps);
void at_batch_norm_backward(at_tensor **dx, at_tensor **dw, at_tensor **db, const at_tensor *dy, const at_tensor *x,
                            const at_tensor *w, const at_tensor *running_mean, const at_tensor *running_var,
                            const at_tensor *mean, const at_tensor *invstd, int training, double eps);
/* agad::bn_act (ops/bn_act.cpp): batch norm and (leaky) ReLU in one; slope 1 = none, 0 = ReLU. */
at_tensor *at_bn_act(at_tensor **mean, at_tensor **invstd, const at_tensor *x, const at_tensor *w, const at_tensor *b,
                     at_tensor *running_mean, at_tensor *running_var, int training, double momentum, double eps,
                     double slope);
/* y of at_bn_act once more, to the bit. */
at_tensor *at_bn_act_again(const at_tensor *x, const at_tensor *w, const at_tensor *b, const at_tensor *mean,
                           const at_tensor *invstd, double slope);
void at_bn_act_backward(at_tensor **dx, at_tensor **dw, at_tensor **db, const at_tensor *dy, const at_tensor *x,
                        const at_tensor *w, const at_tensor *b, const at_tensor *mean, const at_tensor *invstd,
                        int training, double slope);
at_tensor *at_leaky_relu(const at_tensor *x, double slope);
at_tensor *at_leaky_relu_backward(const at_tensor *dy, const at_tensor *x, double slope);
at_tensor *at_max_pool(const at_tensor *x, const int64_t kernel[2], const int64_t stride[2]);
at_tensor *at_max_pool_backward(const at_tensor *dy, const at_tensor *x, const int64_t kernel[2],
                                const int64_t stride[2]);
at_tensor *at_tanh(const at_tensor *x);
at_tensor *at_tanh_backward(const at_tensor *dy, const at_tensor *y);
void at_leaky_relu_(at_tensor *x, double slope);
void at_tanh_(at_tensor *x);
/* Adam as PyTorch's, over lists of equal layout; `step` is a 0-d float32 tensor that counts from 1.  A parameter whose
 * gradient is NULL stays as it is. */
void at_adam_(at_tensor **params, at_tensor **grads, at_tensor **m, at_tensor **v, int n, const at_tensor *step,
              double lr, double beta1, double beta2, double weight_decay, double eps);
/* Muon (muon.cpp) over lists of equal layout: each parameter is a matrix of size(0) rows, and m its momentum. A parameter
 * whose gradient is NULL stays as it is. */
void at_muon_(at_tensor **params, at_tensor **grads, at_tensor **m, int n, double lr, double momentum);

/* ---- any operator by name -------------------------------------------------------------------- */

typedef enum at_kind {
  AT_NONE,
  AT_TENSOR,
  AT_INT,
  AT_DOUBLE,
  AT_BOOL,
  AT_STRING,
  AT_NUMBER,
  AT_DTYPE,
  AT_DEVICE,
  AT_LAYOUT_KIND,
  AT_MEMORY_FORMAT,
  AT_GENERATOR,
  AT_LIST,
  AT_UNSUPPORTED
} at_kind;

/* A value passed to or returned by an operator.  A list's items all have one kind. */
typedef struct at_value {
  at_kind kind;
  union {
    at_tensor *tensor;
    const at_tensor *in;
    int64_t i;
    double d;
    const char *s;
    at_generator *generator;
  } as;
  const struct at_value *items;
  int n; /* AT_LIST */
} at_value;

typedef struct at_arg {
  const char *name;
  at_kind kind; /* AT_NUMBER takes ints, doubles and bools; of a list the items' kind is `item` */
  at_kind item;
  int optional, has_default, keyword_only, list_size, item_optional, written, names_dims;
  int may_be_empty; /* a list whose default has no item */
} at_arg;

/* For example "add", "Tensor" or "agad::bn_act", "". NULL if there is no such operator, or (!at_ok()) after a
 * failure. */
const at_op *at_op_find(const char *name, const char *overload);
/* Writes at most `max` overloads of a name to `out` and returns their number, or -1. The namespace is aten:: unless the
 * name has one. */
int at_op_overloads(const char *name, const at_op **out, int max);
/* Every operator of the dispatcher that has a schema. */
void at_op_each(void (*visit)(void *context, const char *name, const char *overload, const char *schema),
                void *context);
const char *at_op_schema(const at_op *op);
int at_op_args(const at_op *op);
const at_arg *at_op_arg(const at_op *op, int i);
int at_op_returns(const at_op *op);
/* Calls with n values in schema order (missing trailing ones, and AT_UNSUPPORTED kinds, take defaults).
 * Writes up to `max` results (tensors belong to the scope; lists are valid until the next call) and
 * returns their number, or -1. */
int at_op_call(const at_op *op, const at_value *values, int n, at_value *results, int max);
/* A number (AT_INT, AT_DOUBLE, AT_BOOL) where an operator takes a tensor: a 0-d tensor that, as in Python, does not
 * decide the dtype of the result. */
at_tensor *at_number(const at_value *v);
/* One tensor result of an operator by name: the short way for C. */
at_tensor *at_call(const char *name, const char *overload, const at_value *values, int n);
static inline at_value at_v(const at_tensor *t) {
  at_value v = {AT_TENSOR, {NULL}, NULL, 0};
  v.as.in = t;
  return v;
}
static inline at_value at_vi(int64_t i) {
  at_value v = {AT_INT, {NULL}, NULL, 0};
  v.as.i = i;
  return v;
}
static inline at_value at_vd(double d) {
  at_value v = {AT_DOUBLE, {NULL}, NULL, 0};
  v.as.d = d;
  return v;
}

/* ---- autograd -------------------------------------------------------------------------------- */

int at_grad_mode(int on); /* returns what it was */
int at_grad_enabled(void);
void at_set_requires_grad(at_tensor *t, int on);
at_tensor *at_gradient(const at_tensor *t);                    /* t.grad, or NULL without a failure */
void at_set_gradient(at_tensor *t, const at_tensor *gradient); /* NULL removes it */
void at_backward(const at_tensor *output, const at_tensor *grad, int retain_graph);
/* out[i] = d output / d inputs[i]; NULL where unused when allow_unused. */
int at_grad(at_tensor **out, const at_tensor *output, const at_tensor *grad, at_tensor *const *inputs, int n,
            int retain_graph, int create_graph, int allow_unused);

/* Calls f with the gradient of t whenever one is computed (gradient mode off, inside a scope); a tensor that f returns
 * replaces the gradient. `release(context)` is called when the hook dies, also on failure. */
typedef at_tensor *(*at_hook_fn)(void *context, at_tensor *gradient);
int at_hook(const at_tensor *t, at_hook_fn f, void *context, void (*release)(void *), unsigned *id);
void at_unhook(const at_tensor *t, unsigned id);

/* The backward of one autograd node, called once, with gradient mode off, inside a scope. grad_out[i] may be NULL (no
 * gradient); grad_in[i] is to be set where needed[i]. */
typedef int (*at_backward_fn)(void *context, at_tensor *const *grad_out, int n_out, at_tensor **grad_in,
                              const int *needed, int n_in);
/* Makes `outputs`, computed with gradient mode off, the results of a node over `inputs`: replaces them by tensors that
 * belong to the graph. `release(context)` is called when the node dies, also on failure. */
int at_node(const char *name, at_tensor *const *inputs, int n_in, at_tensor **outputs, int n_out,
            at_backward_fn backward, void *context, void (*release)(void *));

/* ---- random state ---------------------------------------------------------------------------- */

void at_manual_seed(uint64_t seed);                        /* the default generators of every device */
at_generator *at_generator_new(uint64_t seed, int device); /* NULL after a failure */
void at_generator_free(at_generator *g);
void at_normal_(at_tensor *t, double mean, double std, at_generator *g);
void at_uniform_(at_tensor *t, double low, double high, at_generator *g);
at_tensor *at_generator_state(const at_generator *g); /* uint8 */
void at_generator_set_state(at_generator *g, const at_tensor *state);
/* Gives the default generator of a device another state; returns the one that it had. */
at_tensor *at_exchange_random(int device, const at_tensor *state);

/* ---- arenas and memory ----------------------------------------------------------------------- */

/* Reused memory: while an arena is current, the thread's tensors are allocated from it, and their memory returns to it,
 * not to the system. It lives until it is freed and its last tensor is gone. */
at_arena *at_arena_new(void);
void at_arena_free(at_arena *arena);
at_arena *at_arena_use(at_arena *arena); /* returns the one that was current; NULL = none */
typedef struct at_memory_use {
  int64_t tensors, bytes, peak;
} at_memory_use;
at_memory_use at_memory(void); /* handles alive; bytes in use on the CPU, and their peak */
void at_restart_peak(void);    /* peaks, those of devices too, are from now on what is in use now */
void at_device_memory(int device, int64_t *bytes, int64_t *peak); /* of cuda:n; 0, 0 where nothing is known */

/* ---- devices, threads, versions --------------------------------------------------------------- */

/* Once, before the first operator: asks the driver, loads libtorch_cuda and agad_cuda.so when there is a device
 * (found by the rpath).  Returns the number of devices; *note says why there are none. */
int at_probe(const char **note);
int at_devices(void);
/* Once a process: lowers the number of threads to the cores that it may use (base/cores.h); OMP_NUM_THREADS and
 * MKL_NUM_THREADS win. at_probe and at_set_threads call it. */
void at_limit_threads(void);
int at_set_threads(int n); /* n < 1: only asks; returns the number in use */
/* While on, what the calling thread computes starts no other threads: little work takes less time than to wake them.
 * Returns the previous setting. */
int at_one_thread(int on);
/* How many threads at_each uses for n items: those of at_set_threads, at most n. */
int at_team(int64_t n);
/* work(context, i, member) for each i below n, on a team of threads; member, below the team's size, says which of them.
 * A team of more than one computes each item on one thread. Tensors of the caller may be read, and written where no other
 * item does. After a failure no more items are begun, and it becomes the caller's. */
void at_each(int64_t n, int team, void (*work)(void *context, int64_t i, int member), void *context);
void at_deterministic(int on);
void at_allow_tf32(int on);      /* float32 convolutions and products of a GPU in TF32 */
const char *at_version(void);    /* "2.11.0" */
const char *at_capability(void); /* "AVX2", "AVX512" … */
int at_fast_bf16(int device);    /* AMX-BF16, AVX512-BF16, or compute >= 8.0 */
int at_plain(void);              /* AGAD_PLAIN=1: stock operators in place of our own */

#ifdef __cplusplus
}
#endif
#endif
