/* op_message.c: libtorch's messages in Lua's terms: dimensions, positions and items counted from 1.
 *
 * libtorch words one kind of mistake much alike everywhere, so that a few forms cover it.  Shapes, sizes and the
 * numbers inside tensors stay as they are; dtypes get the names that they have here.
 */
#include "lua/op_read.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What stands before a number that counts from 0; "of dimension 2" and "has dim 2" are counts of dimensions. */
static const char *const before[] = {
    "at dimension ",         "non-singleton dimension ",
    "except in dimension ",  "differ in dimension ",
    "for dimension ",        "along dimension ",
    "apart from dimension ", "input dimension ",
    "Check dimension ",      "input's dimension ",
    "inputs dimension ",     "dim ",
    "tensor number ",        "at entry ",
};

/* The number that `at` stands before, as one that counts from 0; NULL: none. */
static const char *number_at(const char *text, const char *at) {
  if (at > text && at[-1] != ' ' && at[-1] != '(') return NULL;
  for (size_t i = 0; i < sizeof before / sizeof *before; i++) {
    size_t length = strlen(before[i]);
    if (strncmp(at, before[i], length) || at[length] < '0' || at[length] > '9') continue;
    int counts = at - text >= 4 && (!strncmp(at - 4, "has ", 4) || !strncmp(at - 4, "ith ", 4)); /* has, with dim 2 */
    return counts ? NULL : at + length;
  }
  return NULL;
}

static void count_from_one(const char *text, char *out, size_t size) {
  size_t n = 0;
  for (const char *at = text; *at && n + 1 < size;) {
    const char *number = number_at(text, at);
    if (!number) {
      out[n++] = *at++;
      continue;
    }
    char *end;
    long long value = strtoll(number, &end, 10);
    int length = snprintf(out + n, size - n, "%.*s%lld", (int)(number - at), at, (long long)shift_out(value));
    n = n + (size_t)length < size ? n + (size_t)length : size - 1;
    at = end;
  }
  out[n] = 0;
}

static const char *dtype_name(const char *type) {
  static const char *const names[][2] = {
      {"Byte", "uint8"},   {"Char", "int8"},     {"Short", "int16"},    {"Int", "int32"}, {"Long", "int64"},
      {"Half", "float16"}, {"Float", "float32"}, {"Double", "float64"}, {"Bool", "bool"}, {"BFloat16", "bfloat16"}};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (!strcmp(type, names[i][0])) return names[i][1];
  return type;
}

static void name_dtypes(char *text, size_t size) {
  char one[64], two[32];
  char *at = strstr(text, "expected scalar type ");
  if (at && sscanf(at, "expected scalar type %31[A-Za-z0-9] but found %31[A-Za-z0-9]", one, two) == 2)
    snprintf(at, size - (size_t)(at - text), "%s is needed, but this tensor is %s; use t:to(\"%s\")", dtype_name(one),
             dtype_name(two), dtype_name(one));
  else if (sscanf(text, "\"%63[^\"]\" not implemented for '%31[A-Za-z0-9]'", one, two) == 2)
    snprintf(text, size, "%s does not support %s tensors", one, dtype_name(two));
}

/* What Python would be told to do, and what helps where the message alone does not. */
static void add_hint(char *text, size_t size) {
  static const char *const instead[][2] = {
      {"backward through the graph a second time",
       "an earlier backward has freed this graph; call that one with {retain_graph = true}"},
      {"grad can be implicitly created only for scalar outputs",
       "a tensor of several numbers needs a gradient of its shape: t:backward(gradient), or t:sum():backward()"},
      {"does not require grad and does not have a grad_fn",
       "nothing that this tensor was computed from requires a gradient (t:requires_grad_())"}};
  static const char *const hints[][2] = {{"is out of bounds for", "numbers inside a tensor of positions count from 0"},
                                         {"index out of range in self", "numbers inside a tensor count from 0"},
                                         {"tried to access index", "numbers inside a tensor count from 0"},
                                         {"leaf Variable that requires grad", "agad.no_grad(function) allows it"},
                                         {"LongTensor", "int64: t:long()"},
                                         {"types: Long", "int64: t:long()"}};
  for (size_t i = 0; i < sizeof instead / sizeof *instead; i++)
    if (strstr(text, instead[i][0])) snprintf(text, size, "%s", instead[i][1]);
  size_t n = strlen(text);
  for (size_t i = 0; i < sizeof hints / sizeof *hints; i++)
    if (strstr(text, hints[i][0])) {
      snprintf(text + n, size - n, " (%s)", hints[i][1]);
      return;
    }
}

static void count_all_from_one(char *text, size_t size) {
  long long low, high, got, start, length, most;
  char rest[256] = "";
  const char *found = strstr(text, "imension out of range (expected to be in range of [");
  if (found && sscanf(found, "imension out of range (expected to be in range of [%lld, %lld], but got %lld)", &low,
                      &high, &got) == 3)
    snprintf(text, size, "there is no dimension %lld; the last is %lld, counted from 1, or from the end by -1",
             (long long)shift_out(got), (long long)shift_out(high));
  else if (sscanf(text, "start (%lld) + length (%lld) exceeds dimension size (%lld)", &start, &length, &most) == 3)
    snprintf(text, size, "%lld positions from %lld on, but the dimension has %lld", length, (long long)shift_out(start),
             most);
  else if (sscanf(text, "select(): index %lld out of range for tensor of size %255[^\n]", &got, rest) == 2) {
    char whole[512];
    snprintf(whole, sizeof whole, "index %lld is out of range for a tensor of size %s", (long long)shift_out(got),
             rest);
    count_from_one(whole, text, size);
  } else {
    char whole[1024];
    snprintf(whole, sizeof whole, "%s", text);
    count_from_one(whole, text, size);
  }
}

void reword(char *text, size_t size) {
  count_all_from_one(text, size);
  name_dtypes(text, size);
  add_hint(text, size);
}

int lua_agad_end_reworded(lua_State *L, at_scope *scope, int results) {
  agad_error error;
  if (!at_close(scope, &error)) return results;
  reword(error.message, sizeof error.message);
  return lua_agad_raise(L, &error);
}
