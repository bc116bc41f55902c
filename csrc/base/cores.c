/* cores.c: the affinity mask and the quotas of cgroups (versions 1 and 2), read from the files of the kernel.
 *
 * What cannot be read limits nothing.
 */
#include "base/cores.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_CPUS = 8192, MAX_PATH = 4096 }; /* of Linux */

static FILE *open_below(const char *root, const char *path) {
  char full[2 * MAX_PATH];
  int length = snprintf(full, sizeof full, "%s%s", root, path);
  return length < (int)sizeof full ? fopen(full, "re") : NULL;
}

/* The first line of a file, without its end; NULL: there is none. */
static char *first_line(const char *root, const char *path, char *line, int size) {
  FILE *file = open_below(root, path);
  if (!file) return NULL;
  char *read = fgets(line, size, file);
  fclose(file);
  if (read) line[strcspn(line, "\n")] = 0;
  return read;
}

/* ---- physical cores ---- */

/* The CPU that stands for the core of this one: the first of the hyperthreads that share it. */
static long core_of(const char *root, long cpu) {
  char path[128], line[64], *end;
  snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%ld/topology/thread_siblings_list", cpu);
  if (!first_line(root, path, line, sizeof line)) return cpu;
  long first = strtol(line, &end, 10);
  return end != line && first >= 0 && first < MAX_CPUS ? first : cpu;
}

/* The cores of a list of CPUs: "0-3,8"; 0 if it is no such list. */
static int cores_of_list(const char *root, const char *list) {
  unsigned char seen[MAX_CPUS] = {0};
  int n = 0;
  char *end;
  for (const char *at = list;; at = end + 1) {
    long first = strtol(at, &end, 10), last = first;
    if (end == at) return 0;
    if (*end == '-') last = strtol(at = end + 1, &end, 10);
    if (end == at || first < 0 || last < first || last >= MAX_CPUS) return 0;
    for (long cpu = first; cpu <= last; cpu++) {
      long core = core_of(root, cpu);
      n += !seen[core];
      seen[core] = 1;
    }
    if (*end != ',') return n;
  }
}

static int allowed_cores(const char *root) {
  static const char key[] = "Cpus_allowed_list:";
  FILE *file = open_below(root, "/proc/thread-self/status");
  char *line = NULL;
  size_t size = 0;
  int n = 0;
  while (file && !n && getline(&line, &size, file) > 0)
    if (!strncmp(line, key, sizeof key - 1)) n = cores_of_list(root, line + sizeof key - 1);
  free(line);
  if (file) fclose(file);
  return n ? n : (int)sysconf(_SC_NPROCESSORS_ONLN);
}

/* ---- quotas of cgroups ---- */

/* Whether a list holds "cpu": "cpu,cpuacct", "rw,cpu". */
static int lists_cpu(const char *list) {
  for (const char *at = list; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL)
    if (!strncmp(at, "cpu", 3) && (at[3] == ',' || at[3] == 0)) return 1;
  return 0;
}

/* The cores that the quota of one folder allows, rounded up; 0: it has none. */
static int quota_of(const char *root, const char *folder, int version) {
  char path[MAX_PATH + 32], line[64];
  long long quota = -1, period = -1;
  snprintf(path, sizeof path, "%s/%s", folder, version == 2 ? "cpu.max" : "cpu.cfs_quota_us");
  if (!first_line(root, path, line, sizeof line)) return 0;
  if (sscanf(line, "%lld %lld", &quota, &period) < (version == 2 ? 2 : 1)) return 0; /* "max 100000" */
  if (version == 1) {
    snprintf(path, sizeof path, "%s/cpu.cfs_period_us", folder);
    if (!first_line(root, path, line, sizeof line) || sscanf(line, "%lld", &period) < 1) return 0;
  }
  if (quota <= 0 || period <= 0) return 0;
  long long cores = quota / period + (quota % period != 0);
  return cores < MAX_CPUS ? (int)cores : MAX_CPUS;
}

/* The least quota from the folder of this process up to the mount point. */
static int least_quota(const char *root, const char *mount, const char *below, int version) {
  char folder[MAX_PATH];
  int least = 0;
  size_t top = strlen(mount);
  if (snprintf(folder, sizeof folder, "%s%s", mount, below) >= (int)sizeof folder) return 0;
  for (;;) {
    int quota = quota_of(root, folder, version);
    if (quota && (!least || quota < least)) least = quota;
    char *slash = strrchr(folder, '/');
    if (!slash || (size_t)(slash - folder) < top) return least;
    *slash = 0;
  }
}

/* Where a hierarchy of cgroups is mounted, and from which of its folders on; version 1: that of processor time. */
static int find_mount(const char *root, int version, char mount[MAX_PATH], char from[MAX_PATH]) {
  FILE *file = open_below(root, "/proc/self/mountinfo");
  char *line = NULL, type[32], options[256];
  size_t size = 0;
  int found = 0;
  while (file && !found && getline(&line, &size, file) > 0) {
    const char *rest = strstr(line, " - "); /* after it: type, source, options */
    if (!rest || sscanf(rest, " - %31s %*s %255s", type, options) != 2) continue;
    if (version == 2 ? strcmp(type, "cgroup2") : strcmp(type, "cgroup") || !lists_cpu(options)) continue;
    found = sscanf(line, "%*s %*s %*s %4095s %4095s", from, mount) == 2;
  }
  free(line);
  if (file) fclose(file);
  return found;
}

/* "path": of this process in the hierarchy. In a container the mount may show only the part from `from` on. */
static int quota_at(const char *root, const char *path, int version) {
  char mount[MAX_PATH], from[MAX_PATH];
  if (!find_mount(root, version, mount, from)) return 0;
  size_t length = strcmp(from, "/") ? strlen(from) : 0;
  int inside = !strncmp(path, from, length) && (path[length] == '/' || path[length] == 0) && !strstr(path, "/..");
  return least_quota(root, mount, inside && strcmp(path, "/") ? path + length : "", version);
}

static int quota(const char *root) {
  FILE *file = open_below(root, "/proc/self/cgroup"); /* lines "4:cpu,cpuacct:/path"; version 2: "0::/path" */
  char *line = NULL;
  size_t size = 0;
  int least = 0;
  while (file && getline(&line, &size, file) > 0) {
    line[strcspn(line, "\n")] = 0;
    char *list = strchr(line, ':'), *path = list ? strchr(list + 1, ':') : NULL;
    if (!path) continue;
    *path++ = 0;
    int version = list[1] == 0 ? 2 : 1;
    if (version == 1 && !lists_cpu(list + 1)) continue;
    int cores = quota_at(root, path, version);
    if (cores && (!least || cores < least)) least = cores;
  }
  free(line);
  if (file) fclose(file);
  return least;
}

int base_cores(const char *root) {
  int cores = allowed_cores(root), most = quota(root);
  if (most && most < cores) cores = most;
  return cores > 1 ? cores : 1;
}
