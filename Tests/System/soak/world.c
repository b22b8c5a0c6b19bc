// world CHIP SECONDS: the world of the soak, inside its virtual time.
//
//   crystal   20 ppm fast at the mean and 2 ppm more or less over a day, by adjtimex, as a board's is in a shelter
//   UTC       the clock that no adjtimex touches, CLOCK_MONOTONIC_RAW, on from the time at the start
//   pulse     at each full second of UTC, on line 0 of the simulated GPIO chip; none in one hour of every eight
//   daemon    every minute sets the system's clock right and says so to the kernel; once, after three quarters of an
//             hour, it is 50 ms off, and says that it may be
//   leap      half an hour after the start a second is inserted: UTC, and the system's clock, go back by one; the
//             daemon has the kernel announce it for two minutes more
//   relay     its changes, line 4, are printed with their UTC nanoseconds; and what UTC is more than RAW, from which RAW on
//
// After so many seconds it ends, and with it the soak.
#define _GNU_SOURCE
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

enum { pps = 0, relay = 4, daemon_seconds = 60, leap_seconds = 1800, announced_seconds = 120, step_seconds = 2700,
       tick_nanoseconds = 100000000 };
static const long long second = 1000000000;
static const long usual_error = 20000;  // microseconds

static long long now(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return t.tv_sec * second + t.tv_nsec;
}

static int open_line(const char *chip, int line, const char *what, int flags) {
  char path[200];
  snprintf(path, sizeof path, "%s/sim_gpio%d/%s", chip, line, what);
  int descriptor = open(path, flags);
  if (descriptor < 0) perror(path), exit(1);
  return descriptor;
}

// Until UTC, which is RAW plus `offset`. The first sleep ends early by what the crystal may be off; the second is so
// short that it does not matter.
static void sleep_until(long long utc, long long offset) {
  for (int part = 0; part < 2; part++) {
    long long left = utc - (now(CLOCK_MONOTONIC_RAW) + offset);
    if (part == 0) left -= left / 10000;
    if (left <= 0) continue;
    struct timespec t = {left / second, left % second};
    clock_nanosleep(CLOCK_MONOTONIC, 0, &t, NULL);
  }
}

static void temper_crystal(long long seconds) {
  double ppm = 20 + 2 * sin(2 * M_PI * (double)seconds / 86400);
  struct timex state = {.modes = ADJ_FREQUENCY, .freq = (long)(ppm * 65536)};
  adjtimex(&state);
}

static void set_clock(long long utc, long error_microseconds, int status) {
  struct timespec t = {utc / second, utc % second};
  clock_settime(CLOCK_REALTIME, &t);
  struct timex state = {.modes = ADJ_STATUS | ADJ_MAXERROR | ADJ_ESTERROR, .maxerror = error_microseconds,
                        .status = status};
  adjtimex(&state);
}

int main(int count, char **arguments) {
  if (count != 3) return 2;
  prctl(PR_SET_TIMERSLACK, 1);  // nanosecond; the pulse would be late by the 50 µs of the default
  int pulse = open_line(arguments[1], pps, "pull", O_WRONLY);
  int watched = open_line(arguments[1], relay, "value", O_RDONLY);
  long long offset = now(CLOCK_REALTIME) - now(CLOCK_MONOTONIC_RAW), seconds = atoll(arguments[2]);
  const long long start = (now(CLOCK_REALTIME) / second + 1) * second, end = start + seconds * second;
  printf("offset %lld 0\n", offset);
  char level = '0', seen = '0';
  int has_leapt = 0;
  for (long long utc = start; utc < end; utc += tick_nanoseconds) {
    long long elapsed = (utc - start) / second;
    sleep_until(utc, offset);
    if (!has_leapt && utc == start + leap_seconds * second) {
      has_leapt = 1;
      offset -= second;
      utc -= second;
      printf("offset %lld %lld\n", offset, now(CLOCK_MONOTONIC_RAW));
      set_clock(now(CLOCK_MONOTONIC_RAW) + offset, usual_error, STA_INS);
    }
    int tenth = (int)(utc / tick_nanoseconds % 10), has_pulse = elapsed / 3600 % 8 != 7;
    if (tenth == 0 && has_pulse && pwrite(pulse, "pull-up", 7, 0) < 0) return 1;
    if (tenth == 1 && pwrite(pulse, "pull-down", 9, 0) < 0) return 1;
    if (tenth == 5 && elapsed % daemon_seconds == 0) {
      temper_crystal(elapsed);
      int is_off = elapsed == step_seconds;
      int is_announced = has_leapt && elapsed < leap_seconds + announced_seconds;
      set_clock(now(CLOCK_MONOTONIC_RAW) + offset + is_off * second / 20, is_off ? 100000 : usual_error,
                is_announced ? STA_INS : 0);
    }
    if (pread(watched, &seen, 1, 0) == 1 && seen != level) {
      level = seen;
      printf("relay %c %lld\n", level, now(CLOCK_MONOTONIC_RAW) + offset);
      fflush(stdout);
    }
  }
  return 0;
}
