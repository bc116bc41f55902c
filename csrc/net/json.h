/* json.h: what jansson lacks: text in memory of this project's own (jansson's may come from a host's allocator,
 * which free() does not know), and telling a lack of memory from a syntax error.
 */
#ifndef AGAD_NET_JSON_H
#define AGAD_NET_JSON_H

#include "base/error.h"

#include <jansson.h>

/* The text of a value, with json_dumps's flags; free() it.  NULL: no memory. */
char *json_text(const json_t *value, size_t flags);
/* json_loadb.  jansson reports an allocation that fails within a string as a syntax error, so a text is refused only
 * when it fails twice. */
json_t *json_read(const char *text, size_t n, size_t flags, json_error_t *where);
/* Of a text that jansson refused: AGAD_OUT_OF_MEMORY, or AGAD_FAILED where where->text says what is wrong with it. */
agad_kind json_kind(const json_error_t *where);
/* 0, or -1 and AGAD_OUT_OF_MEMORY.  The new value is taken over. */
int json_put(json_t *object, const char *key, json_t *value, agad_error *error);

#endif
