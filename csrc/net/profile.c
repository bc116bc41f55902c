#include "net/profile.h"

#include "at/at.h"
#include "base/clock.h"
#include "base/memory.h"

#include <string.h>

enum { NONE = -1 };

struct net_profile {
  net_profile_part *parts;
  int n, room, open; /* open: the innermost part */
  double since;      /* when it began, or began again */
  at_tensor *mark;   /* lies on the device; NULL: the CPU */
};

static __thread net_profile *current;

net_profile *net_profile_new(int device) {
  net_profile *p = at_calloc(1, sizeof *p);
  if (!p) return NULL;
  p->open = NONE;
  at_scope scope = at_open();
  if (device != AT_CPU) at_store(&p->mark, at_scalar(0, AT_F32, device));
  if (!at_close(&scope, NULL)) return p;
  net_profile_free(p);
  return NULL;
}

void net_profile_free(net_profile *p) {
  if (!p) return;
  at_free(p->mark);
  free(p->parts);
  free(p);
}

const net_profile_part *net_profile_parts(const net_profile *p, int *n) {
  *n = p->n;
  return p->parts;
}

net_profile *net_profile_use(net_profile *profile) {
  net_profile *before = current;
  current = profile;
  return before;
}

int net_profile_on(void) { return current != NULL; }

/* The place of a part, or NONE without memory for it.  Steps are alike: mostly it is the one after the open part. */
static int find(net_profile *p, net_work work, const net_program *program, int place) {
  for (int k = 0, i = p->open + 1; k < p->n; k++, i++) {
    const net_profile_part *part = p->parts + i % p->n;
    if (part->work == work && part->program == program && part->place == place) return i % p->n;
  }
  if (p->n == p->room) {
    net_profile_part *more = base_realloc(p->parts, 2 * p->room + 64, sizeof *more);
    if (!more) return NONE;
    p->parts = more;
    p->room = 2 * p->room + 64;
  }
  net_profile_part *part = p->parts + p->n;
  *part = (net_profile_part){.work = work, .program = program, .place = place};
  if (program) strcpy(part->net, program->name);
  if (program && work <= NET_SUM) strcpy(part->node, program->nodes[place].name);
  return p->n++;
}

/* Gives the time since the last change to the part that was open until now. */
static void change(net_profile *p, int open) {
  if (p->mark) at_item(p->mark);
  const double now = base_clock();
  if (p->open != NONE) p->parts[p->open].seconds += now - p->since;
  p->open = open;
  p->since = now;
}

int net_profile_enter(net_work work, const net_program *program, int place, int64_t rows) {
  net_profile *p = current;
  if (!p) return NONE;
  const int before = p->open, part = find(p, work, program, place);
  if (part == NONE) return before; /* no memory: its time goes to the part that it lies in */
  change(p, part);
  p->parts[part].calls++;
  p->parts[part].rows += rows;
  return before;
}

void net_profile_leave(int before) {
  if (current) change(current, before);
}

void net_profile_turn(net_work work, int64_t rows) {
  if (!current || current->open == NONE) return;
  const net_profile_part *of = current->parts + current->open;
  net_profile_enter(work, of->program, of->place, rows);
}
