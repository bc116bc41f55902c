/* metrics.c: agad.core.metrics, and the lists of scores, labels and rows that bindings take. */
#include "lua/data.h"

#include "score/metrics.h"

/* ---- lists of numbers ---- */

void lua_agad_check_numbers(lua_State *L, int index) {
  if (lua_agad_test_tensor(L, index)) return;
  luaL_argexpected(L, lua_istable(L, index), index, "list or tensor of numbers");
}

static double number_at(lua_State *L, int index, int64_t i, int *bad) {
  lua_rawgeti(L, index, i + 1);
  double value = lua_isboolean(L, -1) ? lua_toboolean(L, -1) : lua_tonumber(L, -1);
  *bad = !lua_isboolean(L, -1) && !lua_isnumber(L, -1);
  lua_pop(L, 1);
  return value;
}

const double *lua_agad_numbers(lua_State *L, int index, int64_t *n) {
  at_tensor *given = lua_agad_test_tensor(L, index);
  if (given) {
    at_tensor *t = at_to_layout(at_to(at_detach(given), AT_F64, AT_CPU), AT_NCHW);
    *n = at_numel(t);
    return at_ok() ? at_data(t) : NULL;
  }
  *n = (int64_t)lua_rawlen(L, index);
  double *values = at_data(at_empty(n, 1, AT_F64, AT_CPU, AT_NCHW));
  for (int64_t i = 0; i < *n && at_ok(); i++) {
    int bad;
    values[i] = number_at(L, index, i, &bad);
    if (bad) at_fail("item %lld of the list is not a number", (long long)i + 1);
  }
  return at_ok() ? values : NULL;
}

const int64_t *lua_agad_integers(lua_State *L, int index, int64_t *n) {
  const double *values = lua_agad_numbers(L, index, n);
  int64_t *out = at_data(at_empty(n, 1, AT_I64, AT_CPU, AT_NCHW));
  for (int64_t i = 0; i < *n && at_ok(); i++) {
    out[i] = (int64_t)values[i];
    if ((double)out[i] != values[i]) at_fail("item %lld is not an integer", (long long)i + 1);
  }
  return at_ok() ? out : NULL;
}

const uint8_t *lua_agad_labels(lua_State *L, int index, int64_t n) {
  int64_t count;
  const double *values = lua_agad_numbers(L, index, &count);
  if (at_ok() && count != n) at_fail("%lld labels for %lld values; give one for each", (long long)count, (long long)n);
  uint8_t *out = at_data(at_empty(&n, 1, AT_U8, AT_CPU, AT_NCHW));
  for (int64_t i = 0; i < n && values && out && at_ok(); i++) {
    out[i] = values[i] != 0;
    if (values[i] != 0 && values[i] != 1)
      at_fail("label %lld is %g; labels are 0 (normal) and 1 (anomalous)", (long long)i + 1, values[i]);
  }
  return at_ok() ? out : NULL;
}

/* ---- metrics ---- */

typedef enum measure { AUROC, AVERAGE_PRECISION, F1, BEST_F1, TPR_AT_FPR } measure;

/* f(scores, labels[, number]) -> value[, threshold]; the upvalue says which */
static int metric(lua_State *L) {
  measure which = (measure)lua_tointeger(L, lua_upvalueindex(1));
  lua_agad_check_numbers(L, 1), lua_agad_check_numbers(L, 2);
  double third = which == F1 || which == TPR_AT_FPR ? luaL_checknumber(L, 3) : 0, value = 0, threshold = 0;
  agad_error error;
  int64_t n;
  int failed = 0;
  at_scope scope = at_open();
  const double *scores = lua_agad_numbers(L, 1, &n);
  const uint8_t *anomalous = lua_agad_labels(L, 2, n);
  if (at_ok()) switch (which) {
    case AUROC: failed = agad_auroc(scores, anomalous, n, &value, &error); break;
    case AVERAGE_PRECISION: failed = agad_average_precision(scores, anomalous, n, &value, &error); break;
    case F1: failed = agad_f1(scores, anomalous, n, third, &value, &error); break;
    case BEST_F1: failed = agad_best_f1(scores, anomalous, n, &value, &threshold, &error); break;
    case TPR_AT_FPR: failed = agad_tpr_at_fpr(scores, anomalous, n, third, &value, &error); break;
    }
  if (failed) at_fail_with(&error);
  lua_pushnumber(L, value);
  if (which == BEST_F1) lua_pushnumber(L, threshold);
  return lua_agad_end(L, &scope, which == BEST_F1 ? 2 : 1);
}

/* quantile(values, q) -> value */
static int quantile(lua_State *L) {
  lua_agad_check_numbers(L, 1);
  double q = luaL_checknumber(L, 2), value = 0;
  agad_error error;
  int64_t n;
  at_scope scope = at_open();
  const double *values = lua_agad_numbers(L, 1, &n);
  if (at_ok() && agad_quantile(values, n, q, &value, &error)) at_fail_with(&error);
  lua_pushnumber(L, value);
  return lua_agad_end(L, &scope, 1);
}

void lua_agad_open_metrics(lua_State *L) {
  static const struct {
    const char *name;
    measure which;
  } metrics[] = {{"auroc", AUROC},
                 {"average_precision", AVERAGE_PRECISION},
                 {"f1", F1},
                 {"best_f1", BEST_F1},
                 {"tpr_at_fpr", TPR_AT_FPR}};
  for (size_t i = 0; i < sizeof metrics / sizeof *metrics; i++) {
    lua_pushinteger(L, metrics[i].which);
    lua_pushcclosure(L, metric, 1);
    lua_setfield(L, -2, metrics[i].name);
  }
  lua_pushcfunction(L, quantile), lua_setfield(L, -2, "quantile");
  lua_agad_open_curves(L);
}
