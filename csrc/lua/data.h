/* data.h: what the bindings of pictures, sampler and metrics share: lists of numbers from Lua, sets to Lua. */
#ifndef AGAD_LUA_DATA_H
#define AGAD_LUA_DATA_H

#include "lua/binding.h"

#include "data/decode.h"
#include "data/images.h"

/* Raises unless the argument is a list or a tensor; before a scope is open. */
void lua_agad_check_numbers(lua_State *L, int index);

/* Its numbers, dense, owned by the scope; NULL after a failure. Booleans count as 0 and 1. */
const double *lua_agad_numbers(lua_State *L, int index, int64_t *n);
const int64_t *lua_agad_integers(lua_State *L, int index, int64_t *n);
/* n labels, each 0 (normal) or 1 (anomalous). */
const uint8_t *lua_agad_labels(lua_State *L, int index, int64_t n);

/* Arguments: a side in pixels; the form that pictures are brought to: {height=, width=, channels=, fit=, filter=}, all
 * optional. lua_agad_check_form is the check of lua_agad_form, for code that reads a form among other options. */
int lua_agad_check_side(lua_State *L, int index);
data_form lua_agad_form(lua_State *L, int index, const char *who);
void lua_agad_check_form(lua_State *L, const char *who, const data_form *form);

/* The options of reading a picture file. */
decode_options lua_agad_decode_options(lua_State *L, int index, const char *who);
/* The closed tensor on the top of the stack gets a decoded picture's pixels, which are its own then. */
void lua_agad_fill_decoded(lua_State *L, const decoded *picture);
/* The strings of the list at `index`, which an error message calls the paths of `who`, and their number; they lie in a
 * userdata that is left on the stack. */
const char **lua_agad_check_paths(lua_State *L, int index, const char *who, int64_t *n);

/* Brings both sets of a reader to a form; whether that failed. */
int lua_agad_bring(data_images *train, data_images *test, const data_form *form, agad_error *error);

/* A set in a userdata on the stack, empty, freed by the collector. */
data_images *lua_agad_new_images(lua_State *L);
/* Ends a reader of whole sets: pushes train, test ({images, labels, masks}) and the list of class names out of two
 * such userdata, or raises what failed. */
int lua_agad_push_sets(lua_State *L, data_images *train, data_images *test, const agad_error *failed);

/* Each adds to the table on the top of the stack: `sampler` and `anomalies_per_batch`; `read`, `resample`, `formats`;
 * `list`, `load_files` and what else reads files; `reader`; `hashes` and `statistics`; `defects`; the metrics. */
void lua_agad_open_sampler(lua_State *L);
void lua_agad_open_decode(lua_State *L);
void lua_agad_open_loader(lua_State *L);
void lua_agad_open_reader(lua_State *L);
void lua_agad_open_inspect(lua_State *L);
void lua_agad_open_defects(lua_State *L);
void lua_agad_open_metrics(lua_State *L);
void lua_agad_open_curves(lua_State *L); /* called by lua_agad_open_metrics */

#endif
