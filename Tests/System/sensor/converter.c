// converter.so: an ADS1256 where the SPI bus would be, preloaded. It has the registers, the multiplexer and the times of
// the data sheet (SBAS288K), and its data-ready line is a simulated GPIO line, whose file DATA_READY names. What it hears
// is /station/frames.raw, a thousand a second of three 32-bit counts, from a second after it was first set up, which is
// written to the file that BEGAN names; on the pins 0-1, 2-3 and 4-5. Between 34 and 38 s later:
//
//   at 34 s   its supply drops, and it has forgotten its registers: 30,000 conversions a second of input 0 against 1
//   at 37 s   the wire of its data-ready line is off for two seconds
//
// With MUTE set nobody answers. /dev/pps0 has an edge at each second of the UTC that the machine's clock began with, dated by
// that clock as the kernel does it; ten seconds after the beginning somebody sets the machine's clock 0.3 s ahead.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <linux/pps.h>
#include <linux/spi/spidev.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

enum { status_register, multiplexer, control, rate_register, registers = 11, channels = 3, selections = 64, points = 32 };
static const int64_t second = 1000000000, frame_nanoseconds = 1000000, drop_at = 34 * second, cut_at = 37 * second,
                     cut_for = 2 * second, set_at = 10 * second, set_by = 300000000;

static pthread_mutex_t guard = PTHREAD_MUTEX_INITIALIZER;
static int bus = -1, pulse = -1, is_set_up;
static struct pps_kinfo edges;
static uint8_t values[registers];
static int64_t first_end, begin = INT64_MAX, drop_done;
static struct { int64_t time; uint8_t input; } history[selections];
static int history_count;
static int32_t (*frames)[channels];
static int64_t frame_count;

static int64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * second + t.tv_nsec;
}

static void reset(void) {
  static const uint8_t initial[registers] = {0x31, 0x01, 0x20, 0xF0, 0xE0};
  memcpy(values, initial, sizeof values);
}

static int64_t period(void) {
  switch (values[rate_register]) {
    case 0xA1: return 1000000;
    case 0xB0: return 500000;
    case 0x92: return 2000000;
    default: return 33333;
  }
}

static int64_t settling(void) {
  switch (values[rate_register]) {
    case 0xA1: return 1180000;
    case 0xB0: return 680000;
    case 0x92: return 2180000;
    default: return 210000;
  }
}

static uint8_t input_at(int64_t time) {
  for (int i = history_count - 1; i >= 0; i--)
    if (history[i % selections].time <= time) return history[i % selections].input;
  return 0x01;
}

static double signal_at(uint8_t input, int64_t time) {
  static const uint8_t pairs[channels] = {0x01, 0x23, 0x45};
  double place = (double)(time - begin) / frame_nanoseconds;
  if (begin == INT64_MAX || place < 0 || place >= (double)frame_count - 1) return 0;
  int64_t at = (int64_t)place;
  for (int channel = 0; channel < channels; channel++)
    if (pairs[channel] == input)
      return frames[at][channel] + (place - (double)at) * (frames[at + 1][channel] - frames[at][channel]);
  return 0;
}

// What the conversion that ended last has heard, whichever input was selected meanwhile.
static int32_t conversion(void) {
  int64_t t = now(), end = t < first_end ? first_end : first_end + (t - first_end) / period() * period();
  double sum = 0;
  for (int i = 0; i < points; i++) {
    int64_t at = end - settling() + (2 * i + 1) * settling() / (2 * points);
    sum += signal_at(input_at(at), at);
  }
  double value = sum / points * (1 << (values[control] & 7));
  return value > 8388607 ? 8388607 : value < -8388608 ? -8388608 : (int32_t)value;
}

static void read_frames(void) {
  FILE *file = fopen("/station/frames.raw", "r");
  if (file == NULL) return;
  fseek(file, 0, SEEK_END);
  frame_count = ftell(file) / (long)sizeof *frames;
  rewind(file);
  frames = malloc((size_t)frame_count * sizeof *frames);
  if (fread(frames, sizeof *frames, (size_t)frame_count, file) != (size_t)frame_count) frame_count = 0;
  fclose(file);
}

static int64_t realtime(void) {
  struct timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  return t.tv_sec * second + t.tv_nsec;
}

static void *run_pulse(void *unused) {
  prctl(PR_SET_TIMERSLACK, 1);
  int64_t offset = realtime() - now(), next = (realtime() / second + 1) * second;
  int is_set = 0;
  for (;; next += second) {
    struct timespec t = {(next - offset) / second, (next - offset) % second};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
    int64_t stamp = realtime();
    pthread_mutex_lock(&guard);
    edges.assert_sequence++;
    edges.assert_tu.sec = stamp / second;
    edges.assert_tu.nsec = (int32_t)(stamp % second);
    pthread_mutex_unlock(&guard);
    if (is_set || begin == INT64_MAX || now() < begin + set_at) continue;
    // In the middle of a turn of the loop, right after an edge.
    struct timespec ahead = {(stamp + set_by) / second, (stamp + set_by) % second};
    clock_settime(CLOCK_REALTIME, &ahead);
    is_set = 1;
  }
  return unused;
}

static void pull(const char *way) {
  static int line = -1;
  if (line < 0) line = open(getenv("DATA_READY"), O_WRONLY | O_CLOEXEC);
  (void)!pwrite(line, way, strlen(way), 0);
}

// The data-ready line: it falls at the end of each conversion.
static void *run_line(void *unused) {
  prctl(PR_SET_TIMERSLACK, 1);
  for (int64_t last = 0;;) {
    pthread_mutex_lock(&guard);
    if (begin != INT64_MAX && !drop_done && now() >= begin + drop_at) {
      reset();
      drop_done = 1;
      first_end = now() + period();
    }
    // Also of a program that stood still meanwhile the next one is the next that is still to come.
    int64_t since = (last > now() ? last : now()) - first_end;
    int64_t end = since < 0 ? first_end : first_end + (since / period() + 1) * period();
    pthread_mutex_unlock(&guard);
    struct timespec t = {end / second, end % second};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
    last = end;
    int is_cut = begin != INT64_MAX && end >= begin + cut_at && end < begin + cut_at + cut_for;
    if (is_cut) continue;
    pull("pull-down");
    pull("pull-up");
  }
  return unused;
}

static void start_conversions(void) {
  pthread_t thread;
  first_end = now() + 10000000;
  if (is_set_up) return;
  is_set_up = 1;
  read_frames();
  if (getenv("BEGAN") != NULL) {
    struct timespec t;
    begin = now() + second;
    clock_gettime(CLOCK_REALTIME, &t);
    FILE *file = fopen(getenv("BEGAN"), "w");
    fprintf(file, "%lld\n", (long long)(t.tv_sec * second + t.tv_nsec + second));
    fclose(file);
    struct timex state = {.modes = ADJ_STATUS | ADJ_MAXERROR | ADJ_ESTERROR, .maxerror = 100, .esterror = 10};
    adjtimex(&state);
  }
  pthread_create(&thread, NULL, run_line, NULL);
  pthread_create(&thread, NULL, run_pulse, NULL);
}

static void select_input(uint8_t input) {
  values[multiplexer] = input;
  history[history_count % selections].time = now();
  history[history_count % selections].input = input;
  history_count++;
}

// Bytes of one chip select: a command each, and what follows it.
static void talk(struct spi_ioc_transfer *parts, int count) {
  uint8_t answer[16] = {0};
  int answers = 0;
  for (int part = 0; part < count; part++) {
    const uint8_t *out = (const uint8_t *)(uintptr_t)parts[part].tx_buf;
    uint8_t *in = (uint8_t *)(uintptr_t)parts[part].rx_buf;
    memset(in, 0xFF, parts[part].len);
    if (getenv("MUTE") != NULL) continue;
    if (answers > 0) {
      memcpy(in, answer, parts[part].len);
      answers = 0;
      continue;
    }
    if (out[0] >> 4 == 0x5) {
      for (int i = 0; i <= out[1]; i++) {
        int place = (out[0] & 0xF) + i;
        if (place == multiplexer) select_input(out[2 + i]);
        else values[place] = place == status_register ? (uint8_t)(0x30 | (out[2 + i] & 0x0E)) : out[2 + i];
      }
    } else if (out[0] >> 4 == 0x1) {
      answers = out[1] + 1;
      memcpy(answer, values + (out[0] & 0xF), (size_t)answers);
    } else if (out[0] == 0x01) {
      int32_t value = conversion();
      answers = 3;
      for (int i = 0; i < 3; i++) answer[i] = (uint8_t)(value >> (16 - 8 * i));
    } else if (out[0] == 0xFE) {
      reset();
    } else if (out[0] == 0xF0) {
      start_conversions();
    }
  }
}

int open(const char *path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  mode_t mode = flags & O_CREAT ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  int (*real)(const char *, int, ...) = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, "open");
  if (strcmp(path, "/dev/spidev0.0") == 0) return bus = real("/dev/null", O_RDWR | O_CLOEXEC);
  if (strcmp(path, "/dev/pps0") == 0) return pulse = real("/dev/null", O_RDWR | O_CLOEXEC);
  return real(path, flags, mode);
}

int ioctl(int descriptor, unsigned long request, ...) {
  va_list rest;
  va_start(rest, request);
  void *argument = va_arg(rest, void *);
  va_end(rest);
  int (*real)(int, unsigned long, ...) = (int (*)(int, unsigned long, ...))dlsym(RTLD_NEXT, "ioctl");
  if (descriptor == pulse && request == PPS_FETCH) {
    pthread_mutex_lock(&guard);
    ((struct pps_fdata *)argument)->info = edges;
    pthread_mutex_unlock(&guard);
    return 0;
  }
  if (descriptor != bus || _IOC_TYPE(request) != SPI_IOC_MAGIC) return real(descriptor, request, argument);
  if (_IOC_NR(request) != 0) return 0;
  pthread_mutex_lock(&guard);
  talk(argument, (int)(_IOC_SIZE(request) / sizeof(struct spi_ioc_transfer)));
  pthread_mutex_unlock(&guard);
  return 0;
}
