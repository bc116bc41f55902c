#include "score/scorer.h"

#include "net/inference.h"
#include "net/layer.h"
#include "net/pictures.h"

/* Rows first..first+n of the pictures, as the net wants them; padded to `size` rows with the first of them. */
static at_tensor *batch_at(const net_plan *plan, const at_tensor *pictures, const score_input *how, int64_t first,
                           int64_t n, int64_t size) {
  const struct net *to = plan->net;
  at_tensor *rows = at_narrow(pictures, 0, first, n), *index = NULL;
  if (size > n) {
    index = at_zeros(&size, 1, AT_I64, AT_CPU);
    int64_t *place = at_ok() ? at_data(index) : NULL;
    for (int64_t i = 0; place && i < n; i++) place[i] = i;
    if (at_ok()) index = at_to(index, AT_I64, at_device_of(rows));
  }
  return pictures_to_batch(rows, index, how->low, how->high, to->dtype, to->device, to->layout);
}

static int usable(const at_tensor *pictures, const score_input *how) {
  if (!at_ok()) return 0;
  if (how->batch < 1) return at_fail("the batch must be at least 1"), 0;
  if (at_ndim(pictures) != 4 || at_size(pictures, 0) < 1) return at_fail("there are no pictures to score"), 0;
  return 1;
}

int score_alike(const net_plan *plan) {
  const net_program *p = plan->net->program;
  if (!plan->inference || plan->dtype != AT_F32) return 0;
  for (int i = 1; i < p->n_nodes; i++)
    if (p->nodes[i].layer->alike && !p->nodes[i].layer->alike(p, p->nodes + i)) return 0;
  return 1;
}

at_tensor *score_pictures(net_plan *plan, const at_tensor *pictures, const score_input *how, int output) {
  if (!usable(pictures, how)) return NULL;
  int64_t n = at_size(pictures, 0);
  net_pass *pass = net_pass_new(plan);
  net_pass_want(pass, output);
  net_rows rows = {0, -1, how->bn, 0, 0};
  at_tensor *all = NULL;
  const int wanted = (how->padded || how->alike) && how->bn == NET_BN_RUNNING, alike = wanted && score_alike(plan);
  const int padded = wanted && how->padded && !alike, before = at_rows_alike(alike || padded);
  for (int64_t first = 0; first < n && at_ok(); first += how->batch) {
    if (agad_interrupt) {
      at_interrupted();
      break;
    }
    at_scope scope = at_open();
    int64_t here = n - first < how->batch ? n - first : how->batch;
    int64_t size = padded ? how->batch : here;
    net_forward(pass, batch_at(plan, pictures, how, first, here, size), &rows, 1, 0);
    at_tensor *y = at_to(net_pass_output(pass, output), output == 0 ? AT_F64 : AT_F32, AT_CPU);
    if (size > here) y = at_narrow(y, 0, 0, here);
    int64_t sizes[AT_MAX_DIM];
    int ndim = at_sizes(y, sizes);
    sizes[0] = n;
    if (!all && at_ok()) at_store(&all, at_empty(sizes, ndim, at_dtype_of(y), AT_CPU, AT_NCHW));
    at_copy_(at_narrow(all, 0, first, here), y);
    at_close(&scope, NULL);
  }
  at_rows_alike(before);
  net_pass_free(pass);
  return at_give(all);
}

void score_recalibrate(net_plan *plan, const at_tensor *pictures, const score_input *how) {
  if (!usable(pictures, how)) return;
  int64_t n = at_size(pictures, 0), seen = 0;
  net_pass *pass = net_pass_new(plan);
  net_rows rows = {0, -1, NET_BN_BATCH, 0, 1};
  double before = plan->momentum;
  while (seen < n && at_ok()) {
    if (agad_interrupt) {
      at_interrupted();
      break;
    }
    at_scope scope = at_open();
    int64_t here = n - seen < how->batch ? n - seen : how->batch;
    if (here == 1 && seen > 0) {
      seen = n; /* one picture has no variance */
    } else {
      seen += here;
      plan->momentum = (double)here / (double)seen;
      net_forward(pass, batch_at(plan, pictures, how, seen - here, here, here), &rows, 1, 0);
    }
    at_close(&scope, NULL);
  }
  plan->momentum = before;
  net_pass_free(pass);
}
