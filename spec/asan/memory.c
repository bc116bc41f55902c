/* memory.c: memory that runs out, under the sanitizers.
 *
 * A case is run with its first allocation failing, then with its second, and so on until it runs through.  After each
 * failure an error of that kind was reported, or the result is whole; nothing is left behind; and the same case then
 * succeeds.  libpng's allocations fail like our own.  Those of libtorch are left out, and those of jansson, whose parser
 * writes past a buffer where they fail.
 * To add a case: a function that checks its result when it succeeds, and its line in main. */
#include "check.h"

#include "at/at.h"
#include "base/memory.h"
#include "data/cifar.h"
#include "data/decode.h"
#include "data/folder.h"
#include "data/idx.h"
#include "data/loader.h"
#include "data/png.h"
#include "data/reader.h"
#include "data/sampler.h"
#include "data/weave.h"
#include "net/net.h"
#include "net/safetensors.h"
#include "score/leak.h"
#include "score/localise.h"
#include "score/metrics.h"
#include "score/model.h"
#include "score/shortcut.h"
#include "train/losses.h"
#include "train/step.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[] = "/tmp/agad-asan-XXXXXX";

static const char *in_root(const char *name) {
  static char paths[8][256];
  static int next;
  char *path = paths[next++ % 8];
  snprintf(path, sizeof *paths, "%s/%s", root, name);
  return path;
}

static int64_t alive(void) { return at_memory().tensors; }

/* ---- the failures ---- */

static step_state *going_on; /* a step that holds other results after a failure */

typedef int (*try_case)(agad_error *error); /* 0, or -1 after an error */

static void succeeds(const char *name, try_case run) {
  agad_error error = {0};
  if (!run(&error)) return;
  fprintf(stderr, "memory: %s: %s\n", name, error.message);
  exit(1);
}

static void each_failure(const char *name, try_case run) {
  int64_t before = alive(), n = 0, whole = 0, left;
  do {
    agad_error error = {0};
    base_fail_allocation(++n);
    int status = run(&error);
    left = base_fail_allocation(0);
    if (status && (error.kind != AGAD_OUT_OF_MEMORY || !*error.message || strchr(error.message, '\n'))) {
      fprintf(stderr, "memory: %s: allocation %lld: kind %d: %s\n", name, (long long)n, error.kind, error.message);
      exit(1);
    }
    whole += !status && !left;
    CHECK(at_ok() && at_grad_enabled() && (going_on || alive() == before));
    succeeds(name, run);
    CHECK(alive() == before);
  } while (!left);
  printf("memory: %s: %lld allocations, %lld of which the result is whole without\n", name, (long long)n - 1,
         (long long)whole);
}

/* ---- nets, passes, gradients ---- */

static const char generator_json[] =
    "{\"name\": \"generator\", \"input\": [1, 8, 8], \"nodes\": ["
    "{\"layer\": \"conv\", \"inputs\": [0], \"out\": 2, \"kernel\": 4, \"stride\": 2, \"padding\": 1},"
    "{\"layer\": \"batch_norm\", \"inputs\": [1], \"sets\": 2}, {\"layer\": \"leaky_relu\", \"inputs\": [2]},"
    "{\"layer\": \"conv_transpose\", \"inputs\": [3], \"out\": 1, \"kernel\": 4, \"stride\": 2, \"padding\": 1,"
    " \"bias\": true}, {\"layer\": \"tanh\", \"inputs\": [4]}],"
    "\"outputs\": [{\"name\": \"x_hat\", \"node\": 5}]}";

static const char discriminator_json[] =
    "{\"name\": \"discriminator\", \"input\": [1, 8, 8], \"nodes\": ["
    "{\"layer\": \"conv\", \"inputs\": [0], \"out\": 2, \"kernel\": 4, \"stride\": 2, \"padding\": 1},"
    "{\"layer\": \"batch_norm\", \"inputs\": [1]}, {\"layer\": \"leaky_relu\", \"inputs\": [2]},"
    "{\"layer\": \"conv\", \"inputs\": [3], \"out\": 1, \"kernel\": 4}],"
    "\"outputs\": [{\"name\": \"logits\", \"node\": 4}, {\"name\": \"latent\", \"node\": 3}]}";

/* Every other layer, and what a scorer gives. */
static const char scorer_json[] =
    "{\"name\": \"scorer\", \"input\": [1, 8, 8], \"nodes\": ["
    "{\"layer\": \"conv\", \"inputs\": [0], \"out\": 1, \"kernel\": 3, \"padding\": 1},"
    "{\"layer\": \"constant\", \"inputs\": [0], \"size\": [1, 8, 8]},"
    "{\"layer\": \"concat\", \"inputs\": [1, 2]},"
    "{\"layer\": \"op\", \"inputs\": [3], \"op\": \"mean\", \"overload\": \"dim\", \"args\": {\"dim\": [1]}},"
    "{\"layer\": \"max_pool\", \"inputs\": [3]},"
    "{\"layer\": \"op\", \"inputs\": [5], \"op\": \"mean\", \"overload\": \"dim\", \"args\": {\"dim\": [1, 2, 3]}}],"
    "\"outputs\": [{\"name\": \"score\", \"node\": 6}, {\"name\": \"map\", \"node\": 4}]}";

static net *make_net(const char *json) {
  agad_error error;
  net_program *program = net_program_parse(json, &error);
  if (!program) return at_fail_with(&error), NULL;
  net *n = net_new(program, AT_F32, AT_CPU, AT_CHANNELS_LAST);
  if (n) net_init(n, NULL);
  return n;
}

static at_tensor *batch(int64_t n) { return at_full((int64_t[]){n, 1, 8, 8}, 4, .5, AT_F32, AT_CPU); }

static int call_nets(agad_error *error) {
  static const char *const programs[] = {generator_json, discriminator_json, scorer_json};
  at_scope scope = at_open();
  for (int i = 0; i < 3 && at_ok(); i++) {
    net *n = make_net(programs[i]);
    net_plan *plan = n ? net_plan_new(n, AT_F32) : NULL;
    at_tensor *y[2] = {NULL}, *x = batch(2), *g = NULL;
    net_rows rows = {0, -1, NET_BN_BATCH, 0, 1},
             halves[2] = {{0, 1, NET_BN_RUNNING, 0, 0}, {1, 1, NET_BN_BYPASS, 0, 0}};
    if (at_ok()) at_set_requires_grad(x, 1);
    if (plan) net_call(plan, x, &rows, 1, y);
    at_tensor *mean = at_mean(y[0]);
    if (at_ok()) at_grad(&g, mean, NULL, &x, 1, 0, 0, 0);
    if (plan) net_eager(plan, x, halves, 2, y);
    mean = at_mean(y[0]);
    if (at_ok()) at_backward(mean, NULL, 0);
    at_tensor *gradient = at_ok() ? at_gradient(x) : NULL;
    CHECK(!at_ok() || (at_numel(g) == 128 && gradient));
    net_plan_free(plan);
    net_free(n);
  }
  return at_close(&scope, error);
}

static int released;
static void release_count(void *arg) {
  free(arg);
  released++;
}
static at_tensor *double_gradient(void *context, at_tensor *gradient) {
  CHECK(context);
  return at_mul_scalar(gradient, 2);
}

/* What is handed over is released once, whatever happens. */
static int hooks(agad_error *error) {
  int before = released, handed = 0;
  at_scope scope = at_open();
  int64_t sizes[1] = {4};
  unsigned id;
  float *memory = malloc(4 * sizeof *memory);
  for (int i = 0; i < 4; i++) memory[i] = (float)i;
  at_tensor *x = at_from_memory(memory, sizes, 1, AT_F32, release_count, memory), *g = NULL;
  handed++;
  if (at_ok()) at_set_requires_grad(x, 1);
  at_tensor *y = at_mul_scalar(x, 3);
  if (at_ok()) handed++, at_hook(y, double_gradient, malloc(1), release_count, &id);
  at_tensor *value = loss_call(loss_find("mse"), y, at_zeros(sizes, 1, AT_F32, AT_CPU), 0);
  if (at_ok()) at_grad(&g, value, NULL, &x, 1, 0, 0, 0);
  double sum = at_item(at_sum(g));
  CHECK(!at_ok() || sum == 54);
  at_tensor *kept = at_keep(at_alias(x));
  at_give(kept);
  int status = at_close(&scope, error);
  CHECK(released == before + handed);
  return status;
}

static int64_t listed;
static void count_operator(void *context, const char *name, const char *overload, const char *schema) {
  (void)context, (void)name, (void)overload, (void)schema;
  listed++;
}

static int operators(agad_error *error) {
  at_scope scope = at_open();
  const at_op *found[64];
  at_value results[8], parts;
  int n = at_op_overloads("cumsum", found, 64);
  const at_op *split = at_op_find("split", "Tensor");
  CHECK(!at_ok() || (n > 1 && split));
  parts = at_v(batch(4));
  if (at_ok()) CHECK(at_op_call(split, (at_value[]){parts, at_vi(1)}, 2, results, 8) == 1 ? results->n == 4 : !at_ok());
  at_generator *g = at_generator_new(1, AT_CPU);
  if (g) at_generator_set_state(g, at_generator_state(g));
  at_generator_free(g);
  if (at_ok()) at_op_each(count_operator, NULL);
  CHECK(!at_ok() || listed > 100);
  return at_close(&scope, error);
}

/* ---- a training step ---- */

static const char options_json[] =
    "{\"lambda\": {\"adv\": 1, \"con\": 50, \"adcon\": 15, \"lat\": 5},"
    "\"terms\": {\"adv\": true, \"con\": true, \"adcon\": true, \"lat\": true},"
    "\"latent_norm\": 0, \"adv_anom\": 0, \"adcon_anom\": 0, \"reciprocal_eps\": 1e-5, \"d_anom\": 1,"
    "\"detach_pseudo\": 0, \"branch_weight\": 0, \"bn_track\": 0, \"freeze_bn\": 1, \"advprop_bn\": true}";

static void add_net(step_state *s, const char *name, const char *json) {
  net *n = make_net(json);
  net_plan *plan = n ? net_plan_new(n, AT_F32) : NULL;
  if (plan) step_add_net(s, name, n, plan);
  net_plan_free(plan);
  net_free(n);
}

static step_state *make_step(void) {
  static const char *const stages[] = {"reconstruct",          "discriminate",     "pseudo_anomaly",
                                       "generator_loss",       "generator_update", "discriminator_loss",
                                       "discriminator_update", "guard_collapse"};
  const char *g = "generator", *d = "discriminator";
  const optimiser_options muon = {UPDATE_MUON, 1e-3, .5, .999, 1e-8, 1e-2},
                          adam = {UPDATE_ADAM, 1e-3, .5, .999, 1e-8, 0};
  step_state *s = step_new("agad", "agad", options_json);
  if (!s) return NULL;
  add_net(s, g, generator_json);
  if (at_ok()) add_net(s, d, discriminator_json);
  if (at_ok()) step_add_update(s, g, &g, 1, muon, (gradient_options){1, 1});
  if (at_ok()) step_add_update(s, d, &d, 1, adam, (gradient_options){0, 1});
  if (at_ok()) step_add_average(s, g, (average_options){.share = .25});
  if (at_ok()) step_guard(s, d, 1e9, 1, NULL);
  if (at_ok()) step_seed(s, 1);
  for (int i = 0; i < 8 && at_ok(); i++) step_add_builtin(s, stages[i]);
  return at_ok() ? s : (step_free(s), NULL);
}

static int run_step(step_state *s) {
  step_run(s, batch(3), 2);
  if (at_ok()) step_set_option(s, "lambda.con", 40);
  at_tensor *loss = at_ok() ? step_get(s, step_slot(s, "loss.generator")) : NULL;
  double value = at_item(loss);
  CHECK(!at_ok() || isfinite(value));
  return at_ok() ? 0 : -1;
}

static int whole_step(agad_error *error) {
  at_scope scope = at_open();
  step_state *s = make_step();
  if (s) run_step(s);
  step_free(s);
  return at_close(&scope, error);
}

/* The step of a failure is the step that goes on. */
static int next_step(agad_error *error) {
  at_scope scope = at_open();
  run_step(going_on);
  return at_close(&scope, error);
}

static void steps(void) {
  agad_error error = {0};
  each_failure("a step from its programs on", whole_step);
  at_scope scope = at_open();
  going_on = make_step();
  CHECK(at_close(&scope, &error) == 0);
  CHECK(next_step(&error) == 0); /* slots hold tensors from here on */
  each_failure("the next step", next_step);
  step_free(going_on);
  going_on = NULL;
}

/* ---- models ---- */

static int save_model(agad_error *error) {
  json_t *about = json_pack("{s: [i, i], s: f, s: i, s: {s: o}}", "input", -1, 1, "threshold", .5, "eval_batch", 2,
                            "programs", "generator", json_loads(generator_json, 0, NULL));
  at_scope scope = at_open();
  net *n = about ? make_net(scorer_json) : NULL, *g = n ? make_net(generator_json) : NULL;
  agad_error reason = {"json", AGAD_OUT_OF_MEMORY};
  int status = -1;
  if (g) {
    named_tensor more = {"generator.conv1.weight", g->params[0]};
    status = model_save(in_root("model.safetensors"), about, n, &more, 1, &reason);
  }
  net_free(n);
  net_free(g);
  json_decref(about);
  agad_error tensors;
  if (at_close(&scope, &tensors)) reason = tensors, status = -1;
  if (status) *error = reason;
  return status;
}

static int open_model(agad_error *error) {
  static uint8_t pixels[3 * 64];
  double scores[3];
  float maps[3 * 64];
  agad_model *m = agad_model_open(in_root("model.safetensors"), error);
  if (!m) return -1;
  agad_model_facts facts = agad_model_info(m);
  CHECK(facts.threshold == .5 && facts.has_map && strstr(facts.description, "eval_batch"));
  int bad = agad_model_score(m, pixels, 3, scores, error) || agad_model_map(m, pixels, 3, maps, error);
  /* A way round a missing buffer may round otherwise, so the same picture's values differ by that much. */
  CHECK(bad || (fabs(scores[0] - scores[2]) < 1e-5 && fabsf(maps[0] - maps[2 * 64]) < 1e-5f));
  agad_model_close(m);
  return bad ? -1 : 0;
}

/* ---- pictures ---- */

static const char *const pictures[] = {"spec/data/decode/rgb8.png",         "spec/data/decode/palette2_interlaced.png",
                                       "spec/data/decode/grey16.png",       "spec/data/decode/cmyk.jpg",
                                       "spec/data/decode/orientation6.jpg", "spec/data/decode/progressive.jpg",
                                       "spec/data/decode/jpeg420.jpg",      "spec/data/decode/runs8.bmp"};
enum { N_PICTURES = sizeof pictures / sizeof *pictures };

static int decode(const data_form *form, agad_error *error) {
  for (int i = 0; i < N_PICTURES; i++) {
    decoded out;
    decode_options o = {.form = *form};
    if (decode_file(pictures[i], &o, &out, error)) {
      CHECK(!out.pixels);
      return -1;
    }
    CHECK(out.pixels && (!form->height || out.height == form->height));
    free(out.pixels);
  }
  return 0;
}
static int decode_plain(agad_error *error) { return decode(&(data_form){0}, error); }
static int decode_small(agad_error *error) { return decode(&(data_form){5, 7, 1, DATA_PAD, DATA_AREA}, error); }
static int decode_colour(agad_error *error) { return decode(&(data_form){40, 3, 3, DATA_CROP, DATA_BILINEAR}, error); }

/* Each file comes whole and in order, or its error ends the reading. */
static int read_ahead(agad_error *error) {
  decode_options o = {.form = {.height = 6, .width = 5, .channels = 3}};
  reader *r = reader_open(pictures, N_PICTURES, &o, 2, error);
  int ready = r ? 1 : -1, taken = 0;
  while (r && (ready = reader_ready(r, 3, error)) > 0)
    for (reader_item item; ready > 0; ready--, taken++) {
      reader_take(r, &item);
      CHECK(item.picture.pixels && item.picture.height == 6);
      free(item.picture.pixels);
    }
  reader_close(r);
  CHECK(ready || taken == N_PICTURES);
  return ready;
}

static int write_picture(agad_error *error) {
  static const uint8_t pixels[3 * 4 * 4] = {1, 2, 3};
  return data_png_write(in_root("written.png"), pixels, 3, 4, 4, "error map", error);
}

static int list(agad_error *error) {
  folder_list found;
  if (folder_find("spec/data", &found, error)) {
    CHECK(!found.paths && !found.problems);
    return -1;
  }
  CHECK(found.n > 50 && found.n_problems == 0);
  folder_free(&found);
  return 0;
}

static int load(int threads, int keep_cache, agad_error *error) {
  const char *cache = in_root("rows");
  loader_options o = {.decode.form = {.height = 6, .width = 6}, .threads = threads, .cache = cache};
  loader_result r;
  if (!keep_cache) unlink(cache);
  if (loader_run(pictures, N_PICTURES, &o, &r, error)) {
    CHECK(!r.rows.header);
    return -1;
  }
  CHECK(r.rows.header->count == N_PICTURES && r.rows.header->channels == 3 && !r.rows.header->skipped);
  cache_close(&r.rows);
  return 0;
}
static int load_first(agad_error *error) { return load(1, 0, error); }
static int load_together(agad_error *error) { return load(2, 0, error); }
static int load_again(agad_error *error) { return load(1, 1, error); }

static int sets(agad_error *error) {
  data_images set;
  weave_options o = {WEAVE_CLOTH, 32, 3, 1};
  if (data_weave(&o, 0, 2, 2, &set, error)) return -1;
  int bad = data_images_bring(&set, &(data_form){8, 8, 1, DATA_RESIZE, DATA_BILINEAR}, error);
  CHECK(bad || (set.channels == 1 && set.height == 8));
  data_images_free(&set);
  return bad ? -1 : 0;
}

static void put(const char *path, const void *bytes, size_t n) {
  FILE *out = fopen(path, "wb");
  CHECK(out && fwrite(bytes, 1, n, out) == n && fclose(out) == 0);
}

static void make_files(void) {
  static uint8_t record[2 + 3072];
  static const uint8_t labels[] = {0, 0, 8, 1, 0, 0, 0, 3, 4, 5, 6};
  char name[64], names[100 * 4];
  mkdir(in_root("cifar10"), 0777);
  for (int i = 1; i <= 6; i++) {
    snprintf(name, sizeof name, i < 6 ? "cifar10/data_batch_%d.bin" : "cifar10/test_batch.bin", i);
    put(in_root(name), record, 1 + 3072);
  }
  for (int i = 0; i < 10; i++) snprintf(names + 3 * i, 4, "c%d\n", i);
  put(in_root("cifar10/batches.meta.txt"), names, 30);
  put(in_root("labels"), labels, sizeof labels);
}

static int read_files(agad_error *error) {
  data_images train, test;
  data_superclasses above;
  data_array array;
  int32_t *labels;
  int64_t n;
  if (data_cifar(root, 10, 0, &train, &test, &above, error)) return -1;
  CHECK(train.count == 5 && test.count == 1 && !strcmp(test.classes[9], "c9"));
  data_images_free(&train);
  data_images_free(&test);
  data_superclasses_free(&above);
  if (data_idx_read(in_root("labels"), &array, error)) return -1;
  free(array.values);
  if (data_idx_labels(in_root("labels"), &labels, &n, error)) return -1;
  CHECK(n == 3 && labels[2] == 6);
  free(labels);
  return 0;
}

/* A pool or a batch that could not be set leaves the sampler in use. */
static int sample(agad_error *error) {
  static const int64_t rows[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
  data_sampler *s = data_sampler_new(rows, 8, rows + 8, 2, 6, 2, 1, error);
  data_batch b;
  if (!s) return -1;
  int bad = data_sampler_set_batch(s, 3, error) || data_sampler_set_anomalies(s, rows + 7, 3, 1, error);
  CHECK(data_sampler_next(s, &b) == 1 && b.n_normal > 0 && b.n <= 6);
  data_sampler_free(s);
  return bad ? -1 : 0;
}

static int measure(agad_error *error) {
  static const double scores[] = {.1, .4, .35, .8, .7, .2};
  static const uint8_t labels[] = {0, 0, 1, 1, 1, 0}, pixels[6 * 12] = {9, 3, 7};
  static const float maps[12] = {1, 2, 3};
  double a, b;
  score_curve curve;
  localisation found;
  data_shortcut shortcuts[SHORTCUT_MAX];
  leak_pictures all = {pixels, 6, 1, 3, 4, NULL, 6};
  if (agad_auroc_interval(scores, labels, 6, 9, .9, 1, &a, &b, error)) return -1;
  if (agad_roc(scores, labels, 6, 0, &curve, error)) return -1;
  score_curve_free(&curve);
  if (agad_precision_recall(scores, labels, 6, &curve, error)) return -1;
  score_curve_free(&curve);
  if (agad_thermometer(&all, &all, labels, 2, 2, 1, &a, error)) return -1;
  if (data_shortcuts(pixels, 6, 1, 3, 4, labels, NULL, shortcuts, error) < 0) return -1;
  localiser *l = localise_new(1, 3, 4, error);
  int bad = !l || localise_add(l, maps, labels, 0, error) || localise_add(l, maps, pixels, 1, error) ||
            localise_result(l, .3, &found, error);
  localise_free(l);
  return bad ? -1 : 0;
}

/* ---- all ---- */

int main(void) {
  char command[300];
  CHECK(mkdtemp(root));
  make_files();
  each_failure("operators", operators);
  each_failure("hooks and nodes", hooks);
  each_failure("nets under autograd", call_nets);
  steps();
  each_failure("saving a model", save_model);
  each_failure("opening a model and asking it", open_model);
  each_failure("decoding", decode_plain);
  each_failure("decoding to a smaller size", decode_small);
  each_failure("decoding to another shape", decode_colour);
  each_failure("reading files ahead on two threads", read_ahead);
  each_failure("writing a PNG", write_picture);
  each_failure("listing a folder", list);
  each_failure("loading files", load_first);
  each_failure("loading files on two threads", load_together);
  each_failure("loading files from a cache", load_again);
  each_failure("sets of pictures", sets);
  each_failure("CIFAR and IDX", read_files);
  each_failure("a sampler", sample);
  each_failure("metrics", measure);
  snprintf(command, sizeof command, "find %s -name '*.agad-part' | grep -q .", root);
  CHECK(system(command) != 0); /* nothing half-written is left */
  snprintf(command, sizeof command, "rm -r %s", root);
  CHECK(system(command) == 0);
  puts("memory: clean");
  return 0;
}
