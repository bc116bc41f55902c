/* loader.h: loads many picture files into rows on worker threads, with a cache file of decoded rows if one is named.
 *
 * Each picture is decoded into its place, so memory holds the rows and one picture per thread; rows are in the order of
 * the paths, whatever the threads do. Files that cannot be read are left out and counted, and the rows close up. Which
 * files those are, which of them messages name, and every byte of the result depend on the files alone. If channels are
 * not given, they are 1 if the headers of all files say grey, else 3: a quick pass over the headers decides before the
 * first picture is decoded.
 */
#ifndef AGAD_DATA_LOADER_H
#define AGAD_DATA_LOADER_H

#include "data/cache.h"
#include "data/decode.h"

typedef struct loader_options {
  decode_options decode;
  int mask;          /* one channel, the nearest pixel, 1 where it is marked (mask.h); there may be no row left */
  int threads;       /* 0: as crew_use_threads says */
  int strict;        /* fail at the first file that cannot be read */
  const char *cache; /* the file of decoded rows; NULL: none */
  int (*progress)(void *watcher, int64_t done, int64_t n); /* on the caller's thread; not 0: stop; or NULL */
  void *watcher;
} loader_options;

typedef struct loader_result {
  cache_rows rows;                                               /* cache_close */
  enum { LOADER_DECODED, LOADER_WRITTEN, LOADER_CACHED } source; /* decoded; also into the cache; from the cache */
  char note[1024];                                               /* why the cache was not written; or "" */
} loader_result;

int loader_run(const char *const *paths, int64_t n, const loader_options *o, loader_result *out, agad_error *error);

/* The key of a cache file: XXH64 over the options, and over path (relative to the folder that all paths share), size
 * and modification time of every file. The bytes themselves are not read: a change that keeps size and time is not
 * noticed. */
uint64_t loader_key(const char *const *paths, int64_t n, const loader_options *o);

#endif
