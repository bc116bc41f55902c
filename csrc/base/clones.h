/* clones.h - CLONES before a function: it is compiled for AVX-512, AVX2 and any processor, and one is chosen when the
 * library is loaded. A file that multiplies and adds turns contraction off, so that they all give one result. */
#ifndef AGAD_BASE_CLONES_H
#define AGAD_BASE_CLONES_H

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_THREAD__)
#define CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define CLONES
#endif

#endif
