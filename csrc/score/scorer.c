#include "score/scorer.h"

#include "net/inference.h"
#include "net/layer.h"
#include "net/pictures.h"

#include <stdlib.h>

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

int score_alike(const net_plan *plan) { return plan->inference && plan->dtype == AT_F32; }

int score_apart(const net_plan *plan) {
  if (!score_alike(plan)) return 0;
  for (int i = 1; i < plan->net->program->n_nodes; i++)
    if (!net_node_alike(plan->net->program, i)) return 1;
  return 0;
}

typedef struct scoring {
  net_plan *plan;
  const at_tensor *pictures;
  const score_input *how;
  int output;
  at_tensor *all;
  net_pass **passes; /* one for each thread of the team that scores pictures apart */
} scoring;

/* A place for each picture's output, of the shape that the program gives it. */
static void make_room(scoring *s, int64_t n) {
  const net_program *p = s->plan->net->program;
  const net_shape *shape = &p->nodes[p->outputs[s->output].node].shape;
  int64_t sizes[AT_MAX_DIM] = {n};
  for (int i = 0; i < shape->ndim; i++) sizes[i + 1] = shape->d[i];
  at_store(&s->all, at_empty(sizes, shape->ndim + 1, s->output == 0 ? AT_F64 : AT_F32, AT_CPU, AT_NCHW));
}

static net_pass *new_pass(const scoring *s, int fixed) {
  net_pass *pass = net_pass_new(s->plan);
  net_pass_want(pass, s->output);
  if (fixed) net_pass_fix(pass);
  return pass;
}

static void score_rows(const scoring *s, net_pass *pass, int64_t first, int64_t here, int64_t size) {
  if (agad_interrupt) {
    at_interrupted();
    return;
  }
  const net_rows rows = {0, -1, s->how->bn, 0, 0};
  at_scope scope = at_open();
  net_forward(pass, batch_at(s->plan, s->pictures, s->how, first, here, size), &rows, 1, 0);
  at_tensor *y = net_pass_output(pass, s->output);
  if (size > here) y = at_narrow(y, 0, 0, here);
  at_copy_(at_narrow(s->all, 0, first, here), y);
  at_close(&scope, NULL);
}

static void score_one(void *context, int64_t i, int member) {
  const scoring *s = context;
  const int before = at_rows_alike(1);
  score_rows(s, s->passes[member], i, 1, 1);
  at_rows_alike(before);
}

/* Each picture for itself, as many at a time as there are threads. */
static void score_each(scoring *s, int64_t n) {
  const net_rows rows = {0, 1, NET_BN_RUNNING, 0, 0};
  const int team = at_team(n);
  net_inference_convs(s->plan, &rows, 1, 1); /* made here: a plan's are made by one thread */
  s->passes = at_calloc(team, sizeof *s->passes);
  for (int i = 0; s->passes && i < team; i++) s->passes[i] = new_pass(s, 1);
  at_each(n, team, score_one, s);
  for (int i = 0; s->passes && i < team; i++) net_pass_free(s->passes[i]);
  free(s->passes);
}

at_tensor *score_pictures(net_plan *plan, const at_tensor *pictures, const score_input *how, int output) {
  if (!usable(pictures, how)) return NULL;
  const int64_t n = at_size(pictures, 0);
  const int wanted = (how->padded || how->alike) && how->bn == NET_BN_RUNNING, alike = wanted && score_alike(plan);
  const int padded = wanted && how->padded && !alike;
  scoring s = {.plan = plan, .pictures = pictures, .how = how, .output = output};
  make_room(&s, n);
  if (alike && score_apart(plan)) {
    score_each(&s, n);
    return at_give(s.all);
  }
  net_pass *pass = new_pass(&s, alike);
  const int before = at_rows_alike(alike || padded);
  for (int64_t first = 0; first < n && at_ok(); first += how->batch) {
    const int64_t here = n - first < how->batch ? n - first : how->batch;
    score_rows(&s, pass, first, here, padded ? how->batch : here);
  }
  at_rows_alike(before);
  net_pass_free(pass);
  return at_give(s.all);
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
