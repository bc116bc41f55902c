#include "train/stages.h"

#include <stdio.h>
#include <string.h>

static const stage_entry common[] = {{"guard_collapse", guard_collapse}, {NULL, NULL}};

static const stage_entry *const lists[] = {common, agad_stages};
enum { N_LISTS = sizeof lists / sizeof *lists };

static const stage_entry *find(const char *family, const char *name) {
  size_t prefix = strlen(family);
  for (int i = 0; i < N_LISTS; i++)
    for (const stage_entry *e = lists[i]; e->name; e++) {
      int own = !strncmp(e->name, family, prefix) && e->name[prefix] == '.' && !strcmp(e->name + prefix + 1, name);
      if (own || !strcmp(e->name, name)) return e;
    }
  return NULL;
}

static int fail_unknown(const step_state *s, const char *name) {
  char known[640] = "";
  for (int i = 0; i < N_LISTS; i++)
    for (const stage_entry *e = lists[i]; e->name; e++) {
      size_t n = strlen(known);
      snprintf(known + n, sizeof known - n, ", %s", e->name);
    }
  return at_fail(
      "method %s: there is no stage '%s'; a stage is {name, function}, UPDATE_update, or one of those in C: %s",
      s->options->method, name, known + 2);
}

int step_add_builtin(step_state *s, const char *name) {
  static const char ending[] = "_update";
  const stage_entry *e = find(s->family, name);
  if (e) return step_add_stage(s, name, e->run, NULL, NULL);
  size_t n = strlen(name), m = sizeof ending - 1;
  if (n <= m || n - m >= NET_NAME || strcmp(name + n - m, ending)) return fail_unknown(s, name);
  char update[NET_NAME];
  snprintf(update, sizeof update, "%.*s", (int)(n - m), name);
  int place = step_find_update(s, update);
  if (place < 0) return at_fail("method %s: stage %s, but there is no update '%s'", s->options->method, name, update);
  return step_add_update_stage(s, name, place);
}
