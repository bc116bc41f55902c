/* cores.h: how many cores this process may use, which is the number of threads that it uses by default.
 *
 * It is the number of physical cores in the affinity mask of the calling thread (two hyperthreads are one core), or the
 * processor time that its cgroup and those around it allow, if that is less: 1.5 seconds a second count as 2 cores.
 */
#ifndef AGAD_BASE_CORES_H
#define AGAD_BASE_CORES_H

#ifdef __cplusplus
extern "C" {
#endif

/* At least 1. `root` is put before the paths below /proc, /sys and the mount points of cgroups, so that the files of
 * other machines can be read: "" for this one. */
int base_cores(const char *root);

#ifdef __cplusplus
}
#endif

#endif
