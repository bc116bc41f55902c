#include "net/json.h"

#include "base/memory.h"
#include "base/text.h"

/* jansson heeds the locale's point, but not one of several bytes. */
static size_t dump(const json_t *value, char *text, size_t n, size_t flags) {
  locale_t before = text_locale_begin();
  size_t length = json_dumpb(value, text, n, flags);
  text_locale_end(before);
  return length;
}

char *json_text(const json_t *value, size_t flags) {
  size_t n = dump(value, NULL, 0, flags);
  char *text = n ? base_alloc((int64_t)n + 1, 1) : NULL;
  if (!text) return NULL;
  if (dump(value, text, n, flags) != n) return free(text), NULL;
  text[n] = 0;
  return text;
}

json_t *json_read(const char *text, size_t n, size_t flags, json_error_t *where) {
  locale_t before = text_locale_begin();
  json_t *value = json_loadb(text, n, flags, where);
  if (!value) value = json_loadb(text, n, flags, where);
  text_locale_end(before);
  return value;
}

/* Where an allocation fails jansson says so, or nothing at all. */
agad_kind json_kind(const json_error_t *where) {
  return !*where->text || json_error_code(where) == json_error_out_of_memory ? AGAD_OUT_OF_MEMORY : AGAD_FAILED;
}

int json_put(json_t *object, const char *key, json_t *value, agad_error *error) {
  return json_object_set_new(object, key, value)
             ? agad_fail_as(error, AGAD_OUT_OF_MEMORY, "no memory for its description")
             : 0;
}
