/* folder.h: which pictures lie in a folder, and what a look at a file's first bytes tells. */
#ifndef AGAD_DATA_FOLDER_H
#define AGAD_DATA_FOLDER_H

#include <stdint.h>

#include "base/error.h"

typedef struct folder_list {
  char **paths; /* relative to the folder, sorted by their bytes */
  int64_t n;
  char **problems; /* one line each, in no order that means something: folders that cannot be read, loops */
  int64_t n_problems;
} folder_list;

/* All pictures below a folder, by the endings of formats.c. Links are followed; one back to a folder that it
 * lies in is a problem, as is a broken link to a picture. Names with a leading dot are passed over. -1 when
 * the folder itself cannot be read, or when interrupted. */
int folder_find(const char *folder, folder_list *out, agad_error *error);
void folder_free(folder_list *list);

/* 1 for a grey picture, 3 for another one, 0 when its header does not tell, -1 where there was no memory to look. */
int picture_channels(const char *path);

#endif
