/* pictures.c: see pictures.h. */
#include "lua/pictures.h"

int lua_agad_pictures(at_tensor *given, pictures_form form, const char *who, pictures *out) {
  int ndim = at_ndim(given);
  if (at_dtype_of(given) != AT_U8 || (ndim != 4 && (ndim != 3 || form == PICTURES_MANY)))
    return at_fail(
        "%s: pictures must be a uint8 tensor (count, channels, height, width)%s; this is %s with %d dimensions", who,
        form == PICTURES_MANY ? "" : " or (channels, height, width)", at_dtype_name(at_dtype_of(given)), ndim);
  int64_t channels = at_size(given, -3), height = at_size(given, -2), width = at_size(given, -1);
  if ((channels != 1 && channels != 3) || height < 1 || width < 1 || height > DATA_MAX_SIDE || width > DATA_MAX_SIDE)
    return at_fail(
        "%s: pictures must have 1 (grey) or 3 (colour) channels and sides from 1 to %d; these are %lld x %lld x "
        "%lld",
        who, DATA_MAX_SIDE, (long long)channels, (long long)height, (long long)width);
  at_tensor *dense = at_to_layout(at_to(given, AT_U8, AT_CPU), AT_NCHW);
  *out = (pictures){dense, at_data(dense), ndim == 4 ? at_size(given, 0) : 1, (int)channels, (int)height, (int)width};
  return at_ok() ? 0 : -1;
}
