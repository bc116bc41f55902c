/* options.h: a method's options as C stages read them.
 *
 * Numbers are found by path ("lambda.adv"); a choice is its place in the list of its definition, from 0, and a boolean
 * is 0 or 1. There are no defaults here: an option that is missing or of another kind is an error that names method and
 * option.
 */
#ifndef AGAD_TRAIN_OPTIONS_H
#define AGAD_TRAIN_OPTIONS_H

#include <jansson.h>

typedef struct method_options {
  char method[64];
  json_t *values;
} method_options;

/* NULL with the sticky error set if the text is not a JSON object. */
method_options *options_new(const char *method, const char *json);
void options_free(method_options *o);

double option_number(const method_options *o, const char *path);           /* NaN with the sticky error set */
int option_flag(const method_options *o, const char *path);                /* 0 or 1 */
int option_choice(const method_options *o, const char *path, int choices); /* 0 .. choices - 1 */
/* Changes a number; 0, or -1 with the sticky error set if there is no such option or it is not a number. */
int option_set(method_options *o, const char *path, double value);

#endif
