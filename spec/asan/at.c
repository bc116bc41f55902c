/* at.c: at.h and safetensors.h under the sanitizers: scopes, keep/give/free, the sticky error, calls by name,
 * nodes, arenas, and model files cut and changed at every place.
 *
 * Unlike data.c it is linked with all objects, which have C++ and libtorch in them. */
#define _GNU_SOURCE /* memmem */
#include "check.h"

#include "at/at.h"
#include "net/safetensors.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const int64_t two_three[] = {2, 3}, three_two[] = {3, 2};

static at_tensor *ones(const int64_t *sizes) { return at_full(sizes, 2, 1, AT_F64, AT_CPU); }

static int64_t alive(void) { return at_memory().tensors; }

static void scopes(void) {
  int64_t before = alive();
  at_tensor *kept = NULL, *slot = NULL;
  at_scope outer = at_open();
  at_tensor *a = ones(two_three);
  {
    at_scope inner = at_open();
    at_tensor *b = at_add(a, a);
    kept = at_keep(at_mul_scalar(b, 3));
    at_store(&slot, b);
    at_store(&slot, at_neg(b)); /* frees the first */
    at_keep(a);                 /* of the outer scope, from within the inner one */
    at_give(a);
    CHECK(at_close(&inner, NULL) == 0);
  }
  CHECK(at_item(at_sum(kept)) == 36 && at_item(at_sum(slot)) == -12);
  CHECK(at_close(&outer, NULL) == 0);
  CHECK(alive() == before + 2);
  at_scope again = at_open();
  CHECK(at_give(kept) == kept && at_give(kept) == kept && at_keep(NULL) == NULL && at_give(NULL) == NULL);
  at_store(&slot, slot); /* itself */
  at_free(at_keep(at_clone(slot)));
  at_free(at_clone(slot)); /* of the scope: taken out first */
  CHECK(at_close(&again, NULL) == 0);
  at_store(&slot, NULL);
  at_free(NULL);
  CHECK(slot == NULL && alive() == before);
  for (int depth = 0; depth < 3; depth++) { /* an outer scope closed with inner ones open, as after a jump */
    at_scope lost = at_open();
    for (int i = 0; i < depth; i++) at_open(), ones(two_three);
    at_close(&lost, NULL);
  }
  CHECK(alive() == before);
}

static void sticky(void) {
  int64_t before = alive();
  agad_error error = {""};
  at_tensor *slot = NULL;
  at_scope outer = at_open();
  at_tensor *a = ones(two_three);
  at_store(&slot, a);
  at_scope inner = at_open();
  at_tensor *bad = at_call("mm", "", (at_value[]){at_v(slot), at_v(slot)}, 2);
  CHECK(!bad && !at_ok());
  at_fail("a second failure"); /* the first one stays */
  CHECK(!ones(two_three) && !at_add(slot, slot) && !at_alias(slot) && !at_add(NULL, NULL));
  CHECK(isnan(at_item(slot)) && at_size(NULL, 0) == 1 && at_numel(NULL) == 1 && at_nbytes(NULL) == 0);
  CHECK(at_data(NULL) == NULL && at_ndim(NULL) == 0);
  at_add_(slot, slot, 1);
  at_store(&slot, NULL);
  CHECK(slot);
  CHECK(at_close(&inner, NULL) == -1 && !at_ok());
  CHECK(at_close(&outer, &error) == -1 && at_ok() && strstr(error.message, "multiplied"));
  CHECK(!strchr(error.message, '\n') && !strstr(error.message, "second"));
  at_scope next = at_open();
  CHECK(at_item(at_sum(slot)) == 6); /* nothing was written after the failure */
  CHECK(!at_add(slot, NULL) && !at_ok());
  CHECK(at_close(&next, &error) == -1);
  at_free(slot);
  CHECK(alive() == before);
}

static void calls(void) {
  int64_t before = alive();
  agad_error error;
  at_scope scope = at_open();
  at_value results[4], items[2] = {at_v(ones(two_three)), at_v(ones(two_three))};
  at_value list = {AT_LIST, {NULL}, items, 2};
  at_tensor *c = at_call("cat", "", (at_value[]){list, at_vi(0)}, 2);
  CHECK(at_size(c, 0) == 4 && at_size(c, -1) == 3);
  const at_op *unbind = at_op_find("unbind", "int");
  CHECK(unbind && at_op_call(unbind, (at_value[]){at_v(c), at_vi(0)}, 2, results, 4) == 1);
  CHECK(results->kind == AT_LIST && results->n == 4 && at_numel(results->items[3].as.tensor) == 3);
  const at_op *max = at_op_find("max", "dim");
  CHECK(at_op_call(max, (at_value[]){at_v(c), at_vi(1), {AT_UNSUPPORTED, {NULL}, NULL, 0}}, 3, results, 1) == 1);
  CHECK(!at_op_find("no_such_operator", "") && at_op_find("agad::bn_act", ""));
  const at_op *overloads[2];
  CHECK(at_op_overloads("add", overloads, 2) == 2 && at_op_overloads("nothing", overloads, 2) == 0);
  CHECK(at_ok());
  at_value none = {0};
  CHECK(at_op_call(max, &none, 1, results, 4) == -1 && !at_ok());
  CHECK(at_close(&scope, &error) == -1);
  scope = at_open();
  CHECK(!at_call("add", "Tensor", (at_value[]){at_v(NULL), at_v(NULL)}, 2));
  CHECK(at_close(&scope, &error) == -1);
  scope = at_open();
  CHECK(!at_call("size", "int", (at_value[]){at_v(ones(two_three)), at_vi(0)}, 2)); /* no tensor */
  CHECK(at_close(&scope, &error) == -1);
  CHECK(alive() == before);
}

/* y = x w by hand, as one node */
typedef struct product {
  at_tensor *x, *w;
  int fails;
} product;
static int released = 0;

static int product_backward(void *context, at_tensor *const *dy, int n_out, at_tensor **dx, const int *needed,
                            int n_in) {
  product *p = context;
  CHECK(n_out == 1 && n_in == 2 && !at_grad_enabled());
  if (p->fails) return p->fails == 1 ? at_fail("on purpose") : -1;
  if (needed[0]) dx[0] = at_mul(dy[0], p->w);
  if (needed[1]) dx[1] = at_mul(dy[0], p->x);
  return 0;
}

static void product_release(void *context) {
  product *p = context;
  at_free(p->x);
  at_free(p->w);
  free(p);
  released++;
}

static at_tensor *product_node(at_tensor *x, at_tensor *w, int fails) {
  int mode = at_grad_mode(0);
  at_tensor *y = at_mul(x, w), *inputs[2] = {x, w};
  at_grad_mode(mode);
  product *p = malloc(sizeof *p);
  *p = (product){at_keep(at_detach(x)), at_keep(at_detach(w)), fails};
  at_node("product", inputs, 2, &y, 1, product_backward, p, product_release);
  return y;
}

static void nodes(void) {
  int64_t before = alive();
  agad_error error;
  for (int fails = 0; fails < 3; fails++) {
    at_scope scope = at_open();
    at_tensor *x = ones(two_three), *w = at_mul_scalar(ones(two_three), 5), *g[2];
    at_set_requires_grad(x, 1);
    at_tensor *y = at_sum(product_node(x, w, fails));
    CHECK(at_requires_grad(y));
    int bad = at_grad(g, y, NULL, &x, 1, 0, 0, 0);
    CHECK(bad == (fails ? -1 : 0) && (fails || at_item(at_sum(g[0])) == 30));
    CHECK(at_close(&scope, &error) == (fails ? -1 : 0));
    CHECK(fails != 1 || strstr(error.message, "on purpose"));
  }
  at_scope scope = at_open();
  product_node(ones(two_three), ones(two_three), 0); /* nothing needs a gradient: released at once */
  CHECK(released == 4);
  at_call("mm", "", (at_value[]){at_v(ones(two_three)), at_v(ones(two_three))}, 2);
  product_node(NULL, NULL, 0); /* after a failure too */
  CHECK(released == 5);
  CHECK(at_close(&scope, &error) == -1 && alive() == before);
}

static void arenas(void) {
  static const int64_t sizes[] = {64, 1024};
  at_arena *arena = at_arena_new(), *before = at_arena_use(arena);
  at_scope scope = at_open();
  at_tensor *late = at_keep(at_zeros(sizes, 2, AT_F32, AT_CPU));
  void *block = NULL;
  for (int i = 0; i < 100; i++) {
    at_scope one = at_open();
    at_tensor *sum = at_add(late, late);
    CHECK(!block || at_data(sum) == block); /* the same memory each time */
    block = at_data(sum);
    at_close(&one, NULL);
  }
  at_close(&scope, NULL);
  CHECK(at_arena_use(before) == arena);
  at_arena_free(arena); /* lives on in its last tensor */
  scope = at_open();
  CHECK(at_item(at_sum(late)) == 0);
  at_close(&scope, NULL);
  at_free(late);
  arena = at_arena_new();
  at_arena_use(arena);
  at_arena_free(arena); /* while it is current */
  CHECK(at_arena_use(NULL) == NULL);
  at_arena_free(NULL);
}

static int freed = 0;
static void release_memory(void *p) { free(p), freed++; }

static void memory(void) {
  agad_error error;
  at_scope scope = at_open();
  double *block = malloc(6 * sizeof *block);
  for (int i = 0; i < 6; i++) block[i] = i;
  at_tensor *t = at_from_memory(block, three_two, 2, AT_F64, release_memory, block);
  CHECK(at_item(at_sum(t)) == 15 && at_data(t) == block);
  at_tensor *last = at_like_layout(at_full((int64_t[]){1, 2, 3, 4}, 4, 1, AT_F32, AT_CPU),
                                   at_empty((int64_t[]){1, 2, 3, 4}, 4, AT_F32, AT_CPU, AT_CHANNELS_LAST));
  CHECK(at_data(last) == NULL && at_item(at_sum(last)) == 24);
  int64_t many[AT_MAX_DIM + 8], sizes[AT_MAX_DIM];
  for (int i = 0; i < AT_MAX_DIM + 8; i++) many[i] = 1;
  CHECK(at_sizes(at_full(many, AT_MAX_DIM, 1, AT_F32, AT_CPU), sizes) == AT_MAX_DIM);
  CHECK(at_close(&scope, &error) == 0 && freed == 1);
}

/* ---- model files ---- */

static char path[64] = "/tmp/agad-at-XXXXXX";

static void put(const char *bytes, size_t n) {
  FILE *out = fopen(path, "wb");
  CHECK(out && fwrite(bytes, 1, n, out) == n && fclose(out) == 0);
}

static int try_file(void) {
  agad_error error = {""};
  safetensors *f = safetensors_open(path, &error);
  if (!f) {
    CHECK(*error.message && !strchr(error.message, '\n'));
    return -1;
  }
  at_scope scope = at_open();
  for (int i = 0; i < safetensors_count(f); i++) {
    CHECK(safetensors_find(f, safetensors_name(f, i)) >= 0);
    at_to(safetensors_get(f, i), AT_F64, AT_CPU); /* reads every byte */
  }
  safetensors_metadata(f, "about");
  at_close(&scope, &error);
  safetensors_close(f);
  return 0;
}

static void files(void) {
  enum { ROOM = 4096 };
  static char good[ROOM], bad[ROOM];
  agad_error error;
  at_scope scope = at_open();
  named_tensor list[3] = {{"a", ones(two_three)}, {"b", at_scalar(3, AT_F32, AT_CPU)}, {"c", ones(three_two)}};
  json_t *metadata = json_pack("{s:s}", "about", "0000000000000000");
  CHECK(safetensors_save(path, list, 3, metadata, &error) == 0);
  json_decref(metadata);
  CHECK(at_close(&scope, &error) == 0);
  CHECK(try_file() == 0);
  FILE *in = fopen(path, "rb");
  size_t n = fread(good, 1, ROOM, in);
  fclose(in);
  for (size_t cut = 0; cut < n; cut++) {
    put(good, cut);
    CHECK(try_file() == -1);
  }
  int refused = 0;
  for (size_t at = 0; at < n; at++)
    for (int bit = 0; bit < 8; bit += 3) {
      memcpy(bad, good, n);
      bad[at] ^= (char)(1 << bit);
      put(bad, n);
      refused -= try_file();
    }
  CHECK(refused > (int)n * 2);
  /* without our checksum a damaged header goes further */
  char *sum = memmem(good, n, "agad.checksum", 13);
  CHECK(sum);
  sum[0] = 'b';
  put(good, n);
  CHECK(try_file() == 0);
  srand(3);
  for (int i = 0; i < 4000; i++) {
    memcpy(bad, good, n);
    for (int k = rand() % 3; k >= 0; k--) bad[(size_t)rand() % n] = (char)(rand() % 4 ? '0' + rand() % 10 : rand());
    put(bad, n);
    try_file();
  }
  CHECK(safetensors_open("/no/such/file", &error) == NULL && safetensors_open("/tmp", &error) == NULL);
  safetensors_close(NULL);
}

int main(void) {
  int fd = mkstemp(path);
  CHECK(fd >= 0);
  close(fd);
  at_set_threads(1);
  scopes();
  sticky();
  calls();
  nodes();
  arenas();
  memory();
  files();
  CHECK(remove(path) == 0);
  puts("at: clean");
  return 0;
}
