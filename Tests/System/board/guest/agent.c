// agent PORT: carries out what the tests ask for through a virtual serial port, one line a request.
//
//   time                  the answer is CLOCK_MONOTONIC and CLOCK_REALTIME now, in nanoseconds
//   clock OFFSET ERROR    what a time daemon does: CLOCK_REALTIME is CLOCK_MONOTONIC plus OFFSET nanoseconds from now
//                         on, and right within ERROR microseconds; with a negative ERROR it is only set, with 0 it is
//                         what systemd-timesyncd leaves, which states no error and uses the kernel's phase-locked loop
//   anything else         a line for the shell; the answer is its exit status, the number of bytes that it printed,
//                         and on the next line these bytes
//
// The clock is read here rather than by a command, because the tests ask how long the way is from how long the answer
// takes, and a program's start takes longer than the way.
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/timex.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char *const printed = "/run/agent.printed";

static long long now(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void set_clock(long long offset, long error_microseconds) {
  struct timex state = {.modes = ADJ_STATUS | ADJ_MAXERROR | ADJ_ESTERROR, .maxerror = error_microseconds,
                        .status = error_microseconds == 0 ? STA_PLL : 0};
  long long realtime = now(CLOCK_MONOTONIC) + offset;
  struct timespec t = {.tv_sec = realtime / 1000000000, .tv_nsec = realtime % 1000000000};
  clock_settime(CLOCK_REALTIME, &t);
  if (error_microseconds < 0) return;  // the kernel calls a clock that was set unsynchronised
  adjtimex(&state);
}

// Into a file, not a pipe: a program that the command leaves running would keep a pipe open.
static int run(const char *command) {
  pid_t child = fork();
  if (child == 0) {
    int output = open(printed, O_RDWR | O_CREAT | O_TRUNC, 0600);
    struct sched_param ordinary = {.sched_priority = 0};
    sched_setscheduler(0, SCHED_OTHER, &ordinary);
    dup2(open("/dev/null", O_RDONLY), 0);
    dup2(output, 1);
    dup2(output, 2);
    execl("/bin/sh", "sh", "-c", command, (char *)NULL);
    _exit(127);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void answer_command(FILE *port, const char *command) {
  int status = run(command);
  struct stat file = {0};
  int output = open(printed, O_RDONLY);
  fstat(output, &file);
  fprintf(port, "%d %lld\n", status, (long long)file.st_size);
  char buffer[4096];
  ssize_t count;
  long long left = file.st_size;
  while (left > 0 && (count = read(output, buffer, sizeof buffer)) > 0) {
    if (count > left) count = left;
    fwrite(buffer, 1, (size_t)count, port);
    left -= count;
  }
  close(output);
}

int main(int count, char **arguments) {
  if (count != 2) return 2;
  int descriptor = open(arguments[1], O_RDWR | O_CLOEXEC);
  FILE *requests = descriptor < 0 ? NULL : fdopen(descriptor, "r");
  FILE *port = descriptor < 0 ? NULL : fdopen(dup(descriptor), "w");
  if (!requests || !port) {
    perror(arguments[1]);
    return 1;
  }
  fcntl(fileno(port), F_SETFD, FD_CLOEXEC);
  struct sched_param urgent = {.sched_priority = 60};
  sched_setscheduler(0, SCHED_FIFO, &urgent);
  static char line[8192];
  long long offset;
  long error_microseconds;
  fprintf(port, "ready\n");
  fflush(port);
  while (fgets(line, sizeof line, requests)) {
    while (waitpid(-1, NULL, WNOHANG) > 0) {}  // this is the first process's only child, and inherits orphans
    line[strcspn(line, "\n")] = 0;
    if (strcmp(line, "time") == 0) {
      fprintf(port, "%lld %lld\n", now(CLOCK_MONOTONIC), now(CLOCK_REALTIME));
    } else if (sscanf(line, "clock %lld %ld", &offset, &error_microseconds) == 2) {
      set_clock(offset, error_microseconds);
      fprintf(port, "set\n");
    } else {
      answer_command(port, line);
    }
    fflush(port);
  }
  return 0;
}
