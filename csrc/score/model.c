#include "score/model.h"
#include "base/memory.h"
#include "net/json.h"
#include "net/safetensors.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ABOUT "agad"
enum { FORMAT = 1, AS_STORED = JSON_COMPACT | JSON_REAL_PRECISION(17) };

/* ---- saving ---- */

static int no_memory(agad_error *error) { return agad_fail_as(error, AGAD_OUT_OF_MEMORY, "no memory for the model"); }

/* The text of `about` with format and program added. */
static char *describe(const json_t *about, const net_program *p, agad_error *error) {
  json_t *full = json_deep_copy(about);
  char *text = NULL;
  if (!json_put(full, "format", json_integer(FORMAT), error) &&
      !json_put(full, "program", json_incref(p->json), error) && !(text = json_text(full, AS_STORED | JSON_SORT_KEYS)))
    no_memory(error);
  json_decref(full);
  return text;
}

/* The metadata of the file; NULL after an error. */
static json_t *metadata_of(const json_t *about, const net_program *p, agad_error *error) {
  char *text = describe(about, p, error);
  json_t *metadata = json_object();
  /* other tools look for the key "format" */
  int bad = !text || json_put(metadata, ABOUT, json_string(text), error) ||
            json_put(metadata, "format", json_string("agad"), error);
  free(text);
  return bad ? (json_decref(metadata), NULL) : metadata;
}

int model_save(const char *path, const json_t *about, net *scorer, const named_tensor *more, int n_more,
               agad_error *error) {
  const net_program *p = scorer->program;
  agad_error reason;
  json_t *metadata = metadata_of(about, p, &reason);
  named_tensor *tensors = base_calloc((int64_t)p->n_params + p->n_buffers + n_more, sizeof *tensors);
  if (!tensors) no_memory(&reason);
  if (!tensors || !metadata) {
    free(tensors);
    json_decref(metadata);
    return agad_fail_as(error, reason.kind, "%s: %.900s", path, reason.message);
  }
  int n = 0;
  for (int i = 0; i < p->n_params; i++) tensors[n++] = (named_tensor){p->params[i].name, scorer->params[i]};
  for (int i = 0; i < p->n_buffers; i++) tensors[n++] = (named_tensor){p->buffers[i].name, scorer->buffers[i]};
  for (int i = 0; i < n_more; i++) tensors[n++] = more[i];
  int bad = safetensors_save(path, tensors, n, metadata, error);
  free(tensors);
  json_decref(metadata);
  return bad;
}

/* ---- opening ---- */

static double number(const json_t *object, const char *key, double standard) {
  const json_t *v = json_object_get(object, key);
  return json_is_number(v) ? json_number_value(v) : standard;
}

static int load_weights(agad_model *m, const safetensors *f, agad_error *error) {
  const net_program *p = m->net->program;
  at_scope scope = at_open();
  for (int i = 0; i < p->n_params + p->n_buffers && at_ok(); i++) {
    const char *name = i < p->n_params ? p->params[i].name : p->buffers[i - p->n_params].name;
    int place = safetensors_find(f, name);
    if (place < 0) at_fail("tensor %s is missing", name);
    else net_set(m->net, name, safetensors_get(f, place));
  }
  return at_close(&scope, error);
}

static int has(const net_program *p, const char *name) {
  for (int i = 0; i < p->n_params; i++)
    if (!strcmp(p->params[i].name, name)) return 1;
  for (int i = 0; i < p->n_buffers; i++)
    if (!strcmp(p->buffers[i].name, name)) return 1;
  return 0;
}

/* Whether "discriminator.conv1.weight" is a tensor of the program "discriminator" among those of the file. Tensors that
 * a method keeps ("keep.centre.value") are allowed even if its score does not read them. -1 if out of memory. */
static int belongs(json_t *programs, const char *name) {
  const char *dot = strchr(name, '.'), *key = NULL;
  json_t *json;
  agad_error reason = {.kind = AGAD_OUT_OF_MEMORY};
  if (!strncmp(name, "keep.", 5)) return 1;
  json_object_foreach(programs, key, json) if (dot && !strncmp(key, name, (size_t)(dot - name)) && !key[dot - name]) {
    char *text = json_text(json, AS_STORED);
    net_program *p = text ? net_program_parse(text, &reason) : NULL;
    int found = p ? has(p, dot + 1) : -(reason.kind == AGAD_OUT_OF_MEMORY);
    free(text);
    net_program_free(p);
    return found;
  }
  return 0;
}

/* Tensors other than the scorer's must belong to the method's nets that the file names. */
static int check_extra(const agad_model *m, const safetensors *f, agad_error *error) {
  json_t *programs = json_object_get(m->about, "programs");
  for (int i = 0; json_is_object(programs) && i < safetensors_count(f); i++) {
    const char *name = safetensors_name(f, i);
    int placed = has(m->net->program, name) ? 1 : belongs(programs, name);
    if (placed < 0) return no_memory(error);
    if (!placed) return agad_fail(error, "unexpected tensor %s, which the model's nets do not have", name);
  }
  return 0;
}

/* The callers' buffers rely on it: the first output is the score, one number a picture; a map has one a pixel. */
static int sound_outputs(const net_program *p) {
  int map = net_program_output(p, "map");
  if (net_program_output(p, "score") != 0 || p->nodes[p->outputs[0].node].shape.ndim != 0) return 0;
  if (map < 0) return 1;
  const net_shape *s = &p->nodes[p->outputs[map].node].shape;
  return s->ndim == 2 && s->d[0] == p->input.d[1] && s->d[1] == p->input.d[2];
}

static int fill(agad_model *m, const safetensors *f, agad_error *error) {
  json_error_t where;
  const char *about = safetensors_metadata(f, ABOUT);
  if (!about) return agad_fail(error, "is a safetensors file, but not an agad model (its metadata lack '" ABOUT "')");
  m->about = json_read(about, strlen(about), 0, &where);
  if (!m->about && json_kind(&where) == AGAD_OUT_OF_MEMORY) return no_memory(error);
  if (!m->about) return agad_fail(error, "its description is not JSON: %s", where.text);
  if (number(m->about, "format", 0) > FORMAT)
    return agad_fail(error, "its format is %g, which a newer version of agad wrote; this one reads %d: update agad",
                     number(m->about, "format", 0), FORMAT);
  if (number(m->about, "format", 0) != FORMAT)
    return agad_fail(error, "its format is %g, but this agad reads %d", number(m->about, "format", 0), FORMAT);
  const json_t *program_json = json_object_get(m->about, "program"), *input = json_object_get(m->about, "input");
  if (!json_is_object(program_json))
    return agad_fail(error, "it has no scoring program; its score is a Lua function of its method and needs Lua");
  char *text = json_text(program_json, AS_STORED);
  if (!text) return no_memory(error);
  net_program *program = net_program_parse(text, error);
  free(text);
  if (!program) return -1;
  if (program->input.ndim != 3)
    return net_program_free(program), agad_fail(error, "its program does not take pictures");
  double batch = number(m->about, "eval_batch", 256);
  if (!sound_outputs(program) || !(batch >= 1 && batch <= 1 << 20))
    return net_program_free(program), agad_fail(error, "its outputs or its eval_batch are invalid");
  const json_t *config = json_object_get(m->about, "config");
  m->how = (score_input){.low = json_number_value(json_array_get(input, 0)),
                         .high = json_number_value(json_array_get(input, 1)),
                         .batch = (int64_t)batch,
                         .bn = NET_BN_RUNNING,
                         .alike = 1,
                         .padded = json_is_true(json_object_get(config, "deterministic"))};
  if (!(m->how.low < m->how.high)) return net_program_free(program), agad_fail(error, "its input range is empty");
  m->threshold = number(m->about, "threshold", NAN);
  m->description = json_text(m->about, AS_STORED | JSON_SORT_KEYS);
  if (!m->description) return net_program_free(program), no_memory(error);
  at_scope scope = at_open();
  m->net = net_new(program, AT_F32, AT_CPU, AT_CHANNELS_LAST);
  if (m->net) m->plan = net_plan_new(m->net, AT_F32);
  if (at_close(&scope, error)) return -1;
  return load_weights(m, f, error) ? -1 : check_extra(m, f, error);
}

agad_model *agad_model_open(const char *path, agad_error *error) {
  agad_error reason;
  safetensors *f = safetensors_open(path, error);
  if (!f) return NULL;
  at_limit_threads();
  agad_model *m = base_calloc(1, sizeof *m);
  int bad = m ? fill(m, f, &reason) : no_memory(&reason);
  safetensors_close(f);
  if (!bad) return m;
  agad_fail_as(error, reason.kind, "%s: %.900s", path, reason.message);
  agad_model_close(m);
  return NULL;
}

void agad_model_close(agad_model *m) {
  if (!m) return;
  net_plan_free(m->plan);
  net_free(m->net);
  json_decref(m->about);
  free(m->description);
  free(m);
}

agad_model_facts agad_model_info(const agad_model *m) {
  const net_shape *in = &m->net->program->input;
  return (agad_model_facts){
      (int)in->d[0], (int)in->d[1], (int)in->d[2], m->threshold, net_program_output(m->net->program, "map") >= 0,
      m->description};
}

/* ---- asking ---- */

at_tensor *model_run(agad_model *m, const at_tensor *pictures, const char *output) {
  int place = net_program_output(m->net->program, output);
  if (place < 0) return at_fail("this model has no output '%s'", output), NULL;
  return score_pictures(m->plan, pictures, &m->how, place);
}

static int ask(agad_model *m, const uint8_t *pixels, int64_t n, const char *output, void *to, size_t item,
               agad_error *error) {
  const net_shape *in = &m->net->program->input;
  int64_t sizes[4] = {n, in->d[0], in->d[1], in->d[2]};
  at_scope scope = at_open();
  if (n < 1) at_fail("there are no pictures to score");
  at_tensor *y = model_run(m, at_copy_of(pixels, sizes, 4, AT_U8), output);
  const void *values = at_ok() ? at_data(y) : NULL;
  if (values) memcpy(to, values, (size_t)at_numel(y) * item);
  return at_close(&scope, error);
}

int agad_model_score(agad_model *m, const uint8_t *pixels, int64_t n, double *scores, agad_error *error) {
  return ask(m, pixels, n, "score", scores, sizeof *scores, error);
}

int agad_model_map(agad_model *m, const uint8_t *pixels, int64_t n, float *maps, agad_error *error) {
  return ask(m, pixels, n, "map", maps, sizeof *maps, error);
}
