/* folder.h: finds the pictures in a folder, and tells grey pictures from coloured ones by their headers. */
#ifndef AGAD_DATA_FOLDER_H
#define AGAD_DATA_FOLDER_H

#include <stdint.h>

#include "base/error.h"

typedef struct folder_list {
  char **paths; /* relative to the folder, sorted by their bytes */
  int64_t n;
  char **others; /* pictures of other formats; like paths */
  int64_t n_others;
  char **problems; /* one line each, in no particular order: folders that cannot be read, loops of links */
  int64_t n_problems;
} folder_list;

/* Finds all pictures below a folder, by the file name extensions of formats.c. Links are followed; a link to a folder
 * that contains it is a problem, as is a broken link to a picture. -1 if the folder itself cannot be read, or when
 * interrupted. */
int folder_find(const char *folder, folder_list *out, agad_error *error);
void folder_free(folder_list *list);

/* Whether folder_find skips entries of this name: those with a leading dot, and folders that operating systems and
 * tools create for themselves, such as __MACOSX and $RECYCLE.BIN. */
int folder_skips(const char *name);

/* 1 for a grey picture, 3 for any other, 0 if its header does not tell, -1 if out of memory. */
int picture_channels(const char *path);

#endif
