/* reader.h: picture files decoded ahead on worker threads, in the order given, for a loop that takes them one by one.
 *
 * Memory holds at most READER_AHEAD pictures and READER_BYTES of pixels that were not taken (or one picture, if it is
 * larger), and what each thread reads at the moment. A file that finds no memory is read again while no other one is.
 */
#ifndef AGAD_DATA_READER_H
#define AGAD_DATA_READER_H

#include "data/decode.h"

enum { READER_AHEAD = 64, READER_BYTES = 64 << 20 };

typedef struct reader reader;

typedef struct reader_item {
  decoded picture; /* pixels NULL: the file cannot be read, and this is why: */
  agad_error error;
} reader_item;

/* `paths` must stay until reader_close; the form must name channels, height and width; threads as in crew.h. NULL after
 * an error. */
reader *reader_open(const char *const *paths, int64_t n, const decode_options *o, int threads, agad_error *error);
/* Waits for the next picture. How many, up to `most`, lie ready from there on without a gap: reader_take gives each of
 * them, without waiting. 0 at the end; -1 when interrupted, or when there is no memory to read the next one. */
int reader_ready(reader *r, int most, agad_error *error);
void reader_take(reader *r, reader_item *out); /* the pixels are then the caller's: free() */
void reader_close(reader *r);                  /* waits until each thread has ended the file that it is at */

#endif
