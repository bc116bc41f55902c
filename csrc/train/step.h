/* step.h: a training step as data: a table of stages over named slots.
 *
 * The rows of slot x are normals first, then anomalies; n_normal is an integer of the state.  A stage is a C
 * function or a trampoline into the host's language.  Slots are cleared when a step starts; a slot written
 * from outside replaces what later stages read.  Loss slots ("loss.con") are 0-d and stay on the device: there
 * no stage asks the host, so that a step can be captured.
 */
#ifndef AGAD_TRAIN_STEP_H
#define AGAD_TRAIN_STEP_H

#include "net/net.h"
#include "net/profile.h"
#include "train/options.h"

typedef struct step_state step_state;
typedef int (*stage_fn)(step_state *, void *arg); /* 0, or -1 with the sticky error set */
/* clang-format off */
typedef struct stage { char name[64]; stage_fn run; void *arg; void (*release)(void *arg); } stage;

enum { STEP_MAX_NETS = 8, STEP_MAX_UPDATES = 8, STEP_MAX_AVERAGES = 8, STEP_MAX_SLOTS = 128, STEP_MAX_STAGES = 64 };

typedef struct step_net { char name[NET_NAME]; net *net; net_plan *plan; } step_net;

/* UPDATE_ADAM adds the decay of weights to the gradient; UPDATE_ADAMW keeps it apart; UPDATE_MUON does as well, and moves
 * weights that are matrices by Muon (csrc/at/muon.cpp), the others by Adam. */
enum { UPDATE_ADAM, UPDATE_ADAMW, UPDATE_MUON };
extern const char *const update_optimisers[]; /* their names; ends with NULL */
typedef struct optimiser_options { int kind; double lr, beta1, beta2, eps, weight_decay; } optimiser_options;

/* Before that: gradients are the mean of `accumulate` micro-batches, and their norm is at most `clip` (0: any). */
typedef struct gradient_options { double clip; int accumulate; } gradient_options;
/* clang-format on */

/* An optimiser over the parameters of some nets. */
typedef struct step_update {
  char name[NET_NAME];
  int nets[STEP_MAX_NETS], n_nets;
  optimiser_options optimiser;
  gradient_options gradient;
  int micro;                             /* micro-batches since the last step */
  int n;                                 /* parameters in all */
  at_tensor **params, **grads, **m, **v; /* params are the nets' own tensors; grads may be NULL */
  at_tensor *count;                      /* steps made: 0-d float32 on the device */
} step_update;

/* How far back an average reaches: with `share` > 0, over that share of the steps so far (1: all of them alike); else by
 * a decay. */
/* clang-format off */
typedef struct average_options { double decay, share; } average_options;

/* The average of a net's weights over the steps of its update, without bias from the start. */
typedef struct step_average { int net, update; average_options how; at_tensor **params; int n; } step_average;

struct step_state {
  method_options *options;
  char family[NET_NAME];                   /* the method whose C stages need no prefix */
  step_net nets[STEP_MAX_NETS]; int n_nets;
  step_update updates[STEP_MAX_UPDATES]; int n_updates;
  step_average averages[STEP_MAX_AVERAGES]; int n_averages;
  stage stages[STEP_MAX_STAGES]; int n_stages, at;   /* `at`: the stage that runs, for messages */
  char slot_names[STEP_MAX_SLOTS][NET_NAME];
  at_tensor *slots[STEP_MAX_SLOTS]; int n_slots;
  int64_t n_normal;
  at_tensor *random[2]; int random_device;           /* states for Lua stages: the processor's, and the nets' device's */
  /* collapse guard: update whose loss is watched, and a spare initialisation of its nets */
  int guard_update, guard_resets; double guard_below; at_tensor **spare; at_tensor *collapses; /* int64: how often */
  void *method; void (*free_method)(void *);         /* what the C stages of a method keep: passes, slots */
  int options_read;                                  /* cleared when an option changes */
  at_arena *arena;
  at_choices *choices;                               /* ways of convolutions; NULL: by their shapes */
  net_profile *profile;                              /* where its time goes; NULL: nothing is measured */
  int running;
};
/* clang-format on */

/* The options of a method as a JSON object; `family`: its own name, or that of the method that it extends.
 * NULL with the sticky error set. */
step_state *step_new(const char *method, const char *family, const char *options_json);
void step_free(step_state *s);
/* Each returns the place of the new entry, or -1 with the sticky error set; then nothing was added, and the `arg` of a
 * stage still belongs to the caller. */
int step_add_net(step_state *s, const char *name, net *n, net_plan *plan);
int step_add_update(step_state *s, const char *name, const char *const *nets, int n_nets, optimiser_options optimiser,
                    gradient_options gradient);
int step_add_average(step_state *s, const char *net, average_options how);
/* C stages are looked up as "FAMILY.NAME", then as "NAME", then as UPDATE_update: stages.c. */
int step_add_builtin(step_state *s, const char *name);
int step_add_update_stage(step_state *s, const char *name, int update); /* update.c */
int step_add_stage(step_state *s, const char *name, stage_fn run, void *arg, void (*release)(void *));
/* An update's loss below `below` swaps its nets, and its moments where `resets`, for a spare initialisation, which is
 * redrawn by step_spare: guard.c. */
void step_guard(step_state *s, const char *update, double below, int resets, at_generator *g);
void step_spare(step_state *s, at_generator *g);
void step_guard_free(step_state *s); /* removes the guard */

/* Random states of the step's own.  Lua stages draw from default generators: an exchange before one and another after
 * it keeps what the user draws and what the step draws apart. */
void step_seed(step_state *s, uint64_t seed);
void step_exchange_random(step_state *s);

/* Convolutions take the ways of these choices (at_choices_new), and are measured where they have none; NULL: their
 * shapes decide. */
void step_choose(step_state *s, const char *text);
/* Measures from now on, from zero, where the step's time goes (s->profile); or ends that. */
void step_profile(step_state *s, int on);

int step_slot(step_state *s, const char *name);           /* interned; -1 with the sticky error set */
at_tensor *step_get(step_state *s, int slot);             /* borrowed; unwritten = error with stage and slot */
void step_put(step_state *s, int slot, at_tensor *t);     /* takes a reference */
int step_find_net(const step_state *s, const char *name); /* place, or -1 */
int step_find_update(const step_state *s, const char *name);
/* Changes a number among the options; what a method keeps of them is read again at the next step. */
void step_set_option(step_state *s, const char *path, double value);

/* Adds d loss / d parameters (by autograd) into that update's gradients and notes loss.NAME. */
int step_backward(step_state *s, int update, at_tensor *loss, int retain_graph);
/* Adds a net's gradients to those of the update that it belongs to: where net_backward writes. */
at_tensor **step_gradients(step_state *s, int update, int place);

void step_begin(step_state *s, at_tensor *x, int64_t n_normal); /* clears the slots, sets x */
int step_set_n_normal(step_state *s, int64_t n);                /* for the stages that follow */
int step_run_stage(step_state *s, int i);
int step_run(step_state *s, at_tensor *x, int64_t n_normal); /* the whole table */

#endif
