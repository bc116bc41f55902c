/* loader.h: many picture files into rows, on worker threads, through a file of decoded rows where one is named.
 *
 * Each picture is decoded into its place, so memory is that of the rows and of one picture a thread; the order of
 * the rows is that of the paths, whatever the threads do. Files that cannot be read are left out and counted,
 * and rows close up behind them. Which files those are, which are named in messages and every byte of the result
 * depend on the files alone. Channels that are not given are 1 when the headers of all files say grey, else 3: a
 * quick pass over the headers tells before the first picture is decoded.
 */
#ifndef AGAD_DATA_LOADER_H
#define AGAD_DATA_LOADER_H

#include "data/cache.h"
#include "data/decode.h"

typedef struct loader_options {
  decode_options decode;
  int mask;          /* one channel, the nearest pixel, 1 where any channel is over 0 */
  int threads;       /* 0: one for each core */
  int strict;        /* the first file that cannot be read is the error */
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

/* What a file of decoded rows belongs to: XXH64 over the options, and over path (below the folder that all paths
 * share), size and time of change of every file. The bytes themselves are not read: a file changed without a
 * change of size and time is not noticed. */
uint64_t loader_key(const char *const *paths, int64_t n, const loader_options *o);

#endif
