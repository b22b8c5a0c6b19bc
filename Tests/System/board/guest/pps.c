// pps.so, preloaded: /dev/pps0 on line 0 of the board's GPIO chip, because Debian's kernel has pps-gpio for no such board.
// As with pps-gpio the kernel stamps each edge in its interrupt on CLOCK_REALTIME; PPS_FETCH gives the newest.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <linux/gpio.h>
#include <linux/pps.h>
#include <poll.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static int line = -1;
static struct pps_kinfo edges;

int open(const char *path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  mode_t mode = flags & O_CREAT ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  int (*real)(const char *, int, ...) = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, "open");
  if (strcmp(path, "/dev/pps0") != 0) return real(path, flags, mode);
  struct gpio_v2_line_request request;
  memset(&request, 0, sizeof request);
  request.num_lines = 1;
  strcpy(request.consumer, "pps-gpio");
  request.config.flags =
      GPIO_V2_LINE_FLAG_INPUT | GPIO_V2_LINE_FLAG_EDGE_RISING | GPIO_V2_LINE_FLAG_EVENT_CLOCK_REALTIME;
  int chip = real("/dev/gpiochip0", O_RDWR | O_CLOEXEC);
  if (chip < 0) return -1;
  int result = ioctl(chip, GPIO_V2_GET_LINE_IOCTL, &request);
  close(chip);
  return line = result < 0 ? -1 : request.fd;
}

int ioctl(int descriptor, unsigned long order, ...) {
  va_list rest;
  va_start(rest, order);
  void *argument = va_arg(rest, void *);
  va_end(rest);
  int (*real)(int, unsigned long, ...) = (int (*)(int, unsigned long, ...))dlsym(RTLD_NEXT, "ioctl");
  if (line < 0 || descriptor != line || order != PPS_FETCH) return real(descriptor, order, argument);
  struct pollfd wanted = {.fd = line, .events = POLLIN};
  struct gpio_v2_line_event event;
  while (poll(&wanted, 1, 0) == 1 && read(line, &event, sizeof event) == (ssize_t)sizeof event) {
    edges.assert_sequence++;
    edges.assert_tu.sec = (int64_t)(event.timestamp_ns / 1000000000);
    edges.assert_tu.nsec = (int32_t)(event.timestamp_ns % 1000000000);
  }
  ((struct pps_fdata *)argument)->info = edges;
  return 0;
}
