// stall.so, preloaded: a disk that stalls, is read-only or is gone, for one program and one folder.
//
//   STALL_FOLDER   what lies below it is on that disk
//   STALL_WHILE    the disk is ill as long as this file exists
//   STALL          what its calls then do: a number, to take so many seconds; or EROFS or EIO, to fail with it
//
// A stall and EROFS befall what changes the disk, pwrite, fsync, fdatasync, rename and opening for writing, and statvfs,
// which stalls as well; EIO befalls opening for reading and access too. A stalled call ends at once when the disk is
// well again.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { step_microseconds = 10000 };

static int real_access(const char *path) {
  static int (*next)(const char *, int);
  if (!next) next = (int (*)(const char *, int))dlsym(RTLD_NEXT, "access");
  return next(path, F_OK);
}

static int is_ill(const char *path) {
  const char *folder = getenv("STALL_FOLDER"), *condition = getenv("STALL_WHILE");
  return folder && condition && strncmp(path, folder, strlen(folder)) == 0 && real_access(condition) == 0;
}

// 0, or -1 with errno set: what becomes of a call that concerns this path.
static int suffer(const char *path, int changes, int asks) {
  const char *illness = getenv("STALL");
  if (!illness || !is_ill(path)) return 0;
  if (strcmp(illness, "EIO") == 0) return errno = EIO, -1;
  if (strcmp(illness, "EROFS") == 0) return changes ? (errno = EROFS, -1) : 0;
  if (!changes && !asks) return 0;
  for (long left = atol(illness) * 1000000; left > 0 && is_ill(path); left -= step_microseconds)
    usleep(step_microseconds);
  return 0;
}

static int suffer_of_descriptor(int descriptor) {
  char link[64], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return 0;
  path[length] = 0;
  return suffer(path, 1, 0);
}

#define NEXT(result, name, parameters) \
  static result(*next) parameters;     \
  if (!next) next = (result(*) parameters)dlsym(RTLD_NEXT, #name)

#define OPEN(name)                                                 \
  int name(const char *path, int flags, ...) {                     \
    NEXT(int, name, (const char *, int, ...));                     \
    va_list list;                                                  \
    va_start(list, flags);                                         \
    int mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(list, int) : 0; \
    va_end(list);                                                  \
    if (suffer(path, (flags & O_ACCMODE) != O_RDONLY, 0) != 0) return -1; \
    return next(path, flags, mode);                                \
  }
OPEN(open)
OPEN(open64)

int fsync(int descriptor) {
  NEXT(int, fsync, (int));
  return suffer_of_descriptor(descriptor) != 0 ? -1 : next(descriptor);
}

int fdatasync(int descriptor) {
  NEXT(int, fdatasync, (int));
  return suffer_of_descriptor(descriptor) != 0 ? -1 : next(descriptor);
}

ssize_t pwrite(int descriptor, const void *bytes, size_t count, off_t offset) {
  NEXT(ssize_t, pwrite, (int, const void *, size_t, off_t));
  return suffer_of_descriptor(descriptor) != 0 ? -1 : next(descriptor, bytes, count, offset);
}

int rename(const char *from, const char *to) {
  NEXT(int, rename, (const char *, const char *));
  return suffer(to, 1, 0) != 0 ? -1 : next(from, to);
}

int access(const char *path, int mode) {
  NEXT(int, access, (const char *, int));
  return suffer(path, 0, 0) != 0 ? -1 : next(path, mode);
}

int statvfs(const char *path, struct statvfs *volume) {
  NEXT(int, statvfs, (const char *, struct statvfs *));
  return suffer(path, 0, 1) != 0 ? -1 : next(path, volume);
}
