// power.so, preloaded: tells what one program does to the directory entries of one folder, so that a power cut can take
// back what was not flushed.
//
//   POWER_FOLDER    what lies right in it is told
//   POWER_SAVED     a folder on the same file system, for what is replaced or removed
//   POWER_JOURNAL   where a line goes for each: made NAME, moved FROM TO SAVED, removed NAME SAVED, flushed (the folder),
//                   synced NAME (a file); SAVED is - where nothing was there
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char *name_in_folder(const char *path) {
  const char *folder = getenv("POWER_FOLDER");
  size_t length = folder ? strlen(folder) : 0;
  return length && strncmp(path, folder, length) == 0 && path[length] == '/' ? path + length + 1 : NULL;
}

__attribute__((format(printf, 1, 2))) static void tell(const char *format, ...) {
  int error = errno;
  char line[512];
  va_list list;
  va_start(list, format);
  int length = vsnprintf(line, sizeof line, format, list);
  va_end(list);
  int journal = (int)syscall(SYS_openat, AT_FDCWD, getenv("POWER_JOURNAL"), O_WRONLY | O_CLOEXEC);
  if (journal >= 0) {
    if (write(journal, line, (size_t)length) != length) abort();
    close(journal);
  }
  errno = error;
}

// A second name for what is there, under which it outlives its first.
static void save(const char *path, char *saved, size_t room) {
  static int count;
  char place[4096];
  snprintf(saved, room, "%d-%d", getpid(), __atomic_add_fetch(&count, 1, __ATOMIC_RELAXED));
  snprintf(place, sizeof place, "%s/%s", getenv("POWER_SAVED"), saved);
  if (link(path, place) != 0) snprintf(saved, room, "-");
}

#define NEXT(result, name, parameters) \
  static result(*next) parameters;     \
  if (!next) next = (result(*) parameters)dlsym(RTLD_NEXT, #name)

#define OPEN(function)                                                     \
  int function(const char *path, int flags, ...) {                         \
    NEXT(int, function, (const char *, int, ...));                         \
    va_list list;                                                          \
    va_start(list, flags);                                                 \
    int mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(list, int) : 0;      \
    va_end(list);                                                          \
    const char *name = flags & O_CREAT ? name_in_folder(path) : NULL;      \
    int is_new = name && access(path, F_OK) != 0;                          \
    int descriptor = next(path, flags, mode);                              \
    if (is_new && descriptor >= 0) tell("made %s\n", name);                \
    return descriptor;                                                     \
  }
OPEN(open)
OPEN(open64)

int rename(const char *from, const char *to) {
  NEXT(int, rename, (const char *, const char *));
  const char *old = name_in_folder(from), *new = name_in_folder(to);
  char saved[32];
  if (old && new) save(to, saved, sizeof saved);
  int result = next(from, to);
  if (old && new && result == 0) tell("moved %s %s %s\n", old, new, saved);
  return result;
}

int unlink(const char *path) {
  NEXT(int, unlink, (const char *));
  const char *name = name_in_folder(path);
  char saved[32];
  if (name) save(path, saved, sizeof saved);
  int result = next(path);
  if (name && result == 0) tell("removed %s %s\n", name, saved);
  return result;
}

static void tell_sync(int descriptor) {
  char link[64], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return;
  path[length] = 0;
  const char *folder = getenv("POWER_FOLDER"), *name = name_in_folder(path);
  if (folder && strcmp(path, folder) == 0) tell("flushed\n");
  if (name) tell("synced %s\n", name);
}

#define SYNC(function)                     \
  int function(int descriptor) {           \
    NEXT(int, function, (int));            \
    int result = next(descriptor);         \
    if (result == 0) tell_sync(descriptor); \
    return result;                         \
  }
SYNC(fsync)
SYNC(fdatasync)
