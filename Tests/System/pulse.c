// pulse.so, preloaded: a machine with a pulse device and a clock that somebody keeps right.
//
//   /dev/pps0   has an edge PULSE_AHEAD_NS nanoseconds after each second of the machine's clock; it is gone while the file
//               PULSE_GONE is there
//   adjtimex    says what a time daemon has said that knows the time to PULSE_ERROR_US microseconds
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/pps.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

static const int64_t second = 1000000000;
static int device = -1;

static int is_gone(void) {
  const char *flag = getenv("PULSE_GONE");
  return flag && access(flag, F_OK) == 0;
}

int open(const char *path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  mode_t mode = flags & O_CREAT ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  int (*real)(const char *, int, ...) = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, "open");
  if (strcmp(path, "/dev/pps0") != 0) return real(path, flags, mode);
  if (is_gone()) {
    errno = ENOENT;
    return -1;
  }
  return device = real("/dev/null", O_RDONLY | O_CLOEXEC);
}

int ioctl(int descriptor, unsigned long request, ...) {
  va_list rest;
  va_start(rest, request);
  void *argument = va_arg(rest, void *);
  va_end(rest);
  int (*real)(int, unsigned long, ...) = (int (*)(int, unsigned long, ...))dlsym(RTLD_NEXT, "ioctl");
  if (device < 0 || descriptor != device || request != PPS_FETCH) return real(descriptor, request, argument);
  if (is_gone()) {
    errno = ENODEV;
    return -1;
  }
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  int64_t ahead = atoll(getenv("PULSE_AHEAD_NS"));
  int64_t count = (now.tv_sec * second + now.tv_nsec - ahead) / second, edge = count * second + ahead;
  struct pps_kinfo *info = &((struct pps_fdata *)argument)->info;
  memset(info, 0, sizeof *info);
  info->assert_sequence = (uint32_t)count;
  info->assert_tu.sec = edge / second;
  info->assert_tu.nsec = (int32_t)(edge % second);
  return 0;
}

int adjtimex(struct timex *state) {
  memset(state, 0, sizeof *state);
  state->maxerror = atol(getenv("PULSE_ERROR_US"));
  state->esterror = 1;
  return TIME_OK;
}
