/* exif.h: the orientation, the only field of EXIF that changes a picture. */
#ifndef AGAD_DATA_EXIF_H
#define AGAD_DATA_EXIF_H

#include <stddef.h>
#include <stdint.h>

/* The orientation (1 to 8) in a TIFF block, as it follows "Exif\0\0" in a JPEG; 1 if there is none or it is invalid. */
int data_exif_orientation(const uint8_t *tiff, size_t n);

#endif
