/* pictures.h: pictures as an argument: a uint8 tensor (count, channels, height, width). */
#ifndef AGAD_LUA_PICTURES_H
#define AGAD_LUA_PICTURES_H

#include "lua/binding.h"

#include "data/images.h"

typedef struct pictures {
  at_tensor *t;    /* dense, on the processor; of the scope */
  uint8_t *pixels; /* its memory */
  int64_t n;
  int channels, height, width;
} pictures;

typedef enum pictures_form {
  PICTURES_MANY,
  PICTURES_OR_ONE
} pictures_form; /* the second: also (channels, height, width) */

/* 0, or -1 and the scope's failure, which begins with `who`.  Nothing is copied but for another layout or device. */
int lua_agad_pictures(at_tensor *given, pictures_form form, const char *who, pictures *out);

#endif
