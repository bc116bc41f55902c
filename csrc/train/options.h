/* options.h: a method's options as C stages read them.
 *
 * Numbers are found by path ("lambda.adv"); a choice is its place in the definition's list, from 0, and a truth value
 * 0 or 1.  No default stands here: an option that is missing, or is not what is asked for, fails with the names of
 * method and option.
 */
#ifndef AGAD_TRAIN_OPTIONS_H
#define AGAD_TRAIN_OPTIONS_H

#include <jansson.h>

typedef struct method_options {
  char method[64];
  json_t *values;
} method_options;

/* NULL with the sticky error set where the text is no JSON object. */
method_options *options_new(const char *method, const char *json);
void options_free(method_options *o);

double option_number(const method_options *o, const char *path);           /* NaN with the sticky error set */
int option_flag(const method_options *o, const char *path);                /* 0 or 1 */
int option_choice(const method_options *o, const char *path, int choices); /* 0 .. choices - 1 */
/* Changes a number; 0, or -1 with the sticky error set where there is no such number. */
int option_set(method_options *o, const char *path, double value);

#endif
