#define _GNU_SOURCE
#include "cgpiod.h"
#include <errno.h>
#include <gpiod.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// One line a purpose in a station, so the handles are static: requesting allocates inside libgpiod at start, reading never.
static const char *const consumers[CGPIOD_EDGE_PURPOSES] = {"onset-pps", "onset-data-ready"};

static int descriptor_is_readable(int descriptor) {
  struct pollfd p = {.fd = descriptor, .events = POLLIN};
  return poll(&p, 1, 0) > 0 && (p.revents & POLLIN);
}

#ifdef GPIOD_LINE_BULK_MAX_LINES  // defined by the v1 API alone

struct cgpiod_edges {
  struct gpiod_chip *chip;
  struct gpiod_line *line;
};
static struct cgpiod_edges the_edges[CGPIOD_EDGE_PURPOSES];

cgpiod_edges *cgpiod_edges_open(int purpose, const char *chip, unsigned int line, int falling) {
  struct cgpiod_edges *e = &the_edges[purpose];
  e->chip = gpiod_chip_open_lookup(chip);
  if (!e->chip) return NULL;
  e->line = gpiod_chip_get_line(e->chip, line);
  int failed = !e->line || (falling ? gpiod_line_request_falling_edge_events(e->line, consumers[purpose])
                                    : gpiod_line_request_rising_edge_events(e->line, consumers[purpose])) < 0;
  if (!failed) return e;
  int saved = errno;
  gpiod_chip_close(e->chip);
  errno = saved;
  return NULL;
}

int cgpiod_edges_descriptor(const cgpiod_edges *e) { return gpiod_line_event_get_fd(e->line); }

int cgpiod_edges_read(cgpiod_edges *e, int64_t *monotonic_nanoseconds) {
  struct gpiod_line_event event;
  if (!descriptor_is_readable(cgpiod_edges_descriptor(e))) return 0;
  if (gpiod_line_event_read(e->line, &event) < 0) return -1;
  *monotonic_nanoseconds = (int64_t)event.ts.tv_sec * 1000000000 + event.ts.tv_nsec;
  return 1;
}

void cgpiod_edges_close(cgpiod_edges *e) { gpiod_chip_close(e->chip); }

int cgpiod_line_holder(const char *chip, unsigned int line, char *holder, size_t size) {
  struct gpiod_chip *c = gpiod_chip_open_lookup(chip);
  if (!c) return -1;
  struct gpiod_line *l = gpiod_chip_get_line(c, line);
  int used = l ? gpiod_line_is_used(l) : -1;
  const char *who = l ? gpiod_line_consumer(l) : NULL;
  snprintf(holder, size, "%s", who ? who : "the kernel");
  int saved = errno;
  gpiod_chip_close(c);
  errno = saved;
  return used;
}

static struct {
  struct gpiod_chip *chip;
  struct gpiod_line *line;
} the_lines[CGPIOD_PURPOSES];

int cgpiod_line_open(int purpose, const char *chip, unsigned int line, int active_low, int active) {
  struct gpiod_chip *c = gpiod_chip_open_lookup(chip);
  if (!c) return -1;
  struct gpiod_line *l = gpiod_chip_get_line(c, line);
  int flags = active_low ? GPIOD_LINE_REQUEST_FLAG_ACTIVE_LOW : 0;
  int failed = !l || (purpose == CGPIOD_INHIBIT ? gpiod_line_request_input_flags(l, "onset", flags)
                                                : gpiod_line_request_output_flags(l, "onset", flags, active)) < 0;
  if (failed) {
    int saved = errno;
    gpiod_chip_close(c);
    errno = saved;
    return -1;
  }
  the_lines[purpose].chip = c;
  the_lines[purpose].line = l;
  return 0;
}

int cgpiod_line_set(int purpose, int active) { return gpiod_line_set_value(the_lines[purpose].line, active); }
int cgpiod_line_get(int purpose) { return gpiod_line_get_value(the_lines[purpose].line); }

void cgpiod_line_close(int purpose) {
  if (the_lines[purpose].chip) gpiod_chip_close(the_lines[purpose].chip);
  the_lines[purpose].chip = NULL;
}

#else

struct cgpiod_edges {
  struct gpiod_line_request *request;
  struct gpiod_edge_event_buffer *buffer;
};
static struct cgpiod_edges the_edges[CGPIOD_EDGE_PURPOSES];

// What v1 does by itself: a path, a name under /dev, or the label that the driver gives the chip.
static struct gpiod_chip *open_by_path_name_or_label(const char *wanted) {
  char path[64];
  if (wanted[0] == '/') return gpiod_chip_open(wanted);
  snprintf(path, sizeof path, "/dev/%s", wanted);
  struct gpiod_chip *chip = gpiod_chip_open(path);
  for (int number = 0; !chip && number < 32; number++) {
    snprintf(path, sizeof path, "/dev/gpiochip%d", number);
    chip = gpiod_chip_open(path);
    if (!chip) continue;
    struct gpiod_chip_info *info = gpiod_chip_get_info(chip);
    int matches = info && strcmp(gpiod_chip_info_get_label(info), wanted) == 0;
    if (info) gpiod_chip_info_free(info);
    if (matches) break;
    gpiod_chip_close(chip);
    chip = NULL;
  }
  if (!chip) errno = ENOENT;
  return chip;
}

cgpiod_edges *cgpiod_edges_open(int purpose, const char *chip_name, unsigned int line, int falling) {
  struct cgpiod_edges *e = &the_edges[purpose];
  struct gpiod_chip *chip = open_by_path_name_or_label(chip_name);
  if (!chip) return NULL;
  struct gpiod_line_settings *settings = gpiod_line_settings_new();
  struct gpiod_line_config *lines = gpiod_line_config_new();
  struct gpiod_request_config *config = gpiod_request_config_new();
  e->request = NULL;
  if (settings && lines && config) {
    gpiod_line_settings_set_direction(settings, GPIOD_LINE_DIRECTION_INPUT);
    gpiod_line_settings_set_edge_detection(settings, falling ? GPIOD_LINE_EDGE_FALLING : GPIOD_LINE_EDGE_RISING);
    gpiod_line_settings_set_event_clock(settings, GPIOD_LINE_CLOCK_MONOTONIC);
    gpiod_request_config_set_consumer(config, consumers[purpose]);
    if (gpiod_line_config_add_line_settings(lines, &line, 1, settings) == 0)
      e->request = gpiod_chip_request_lines(chip, config, lines);
  }
  int saved = errno;
  gpiod_request_config_free(config);
  gpiod_line_config_free(lines);
  gpiod_line_settings_free(settings);
  gpiod_chip_close(chip);
  errno = saved;
  if (!e->request) return NULL;
  e->buffer = gpiod_edge_event_buffer_new(1);
  if (e->buffer) return e;
  gpiod_line_request_release(e->request);
  errno = ENOMEM;
  return NULL;
}

int cgpiod_edges_descriptor(const cgpiod_edges *e) { return gpiod_line_request_get_fd(e->request); }

int cgpiod_edges_read(cgpiod_edges *e, int64_t *monotonic_nanoseconds) {
  if (!descriptor_is_readable(cgpiod_edges_descriptor(e))) return 0;
  if (gpiod_line_request_read_edge_events(e->request, e->buffer, 1) != 1) return -1;
  struct gpiod_edge_event *event = gpiod_edge_event_buffer_get_event(e->buffer, 0);
  *monotonic_nanoseconds = (int64_t)gpiod_edge_event_get_timestamp_ns(event);
  return 1;
}

void cgpiod_edges_close(cgpiod_edges *e) {
  gpiod_edge_event_buffer_free(e->buffer);
  gpiod_line_request_release(e->request);
}

int cgpiod_line_holder(const char *chip_name, unsigned int line, char *holder, size_t size) {
  struct gpiod_chip *chip = open_by_path_name_or_label(chip_name);
  if (!chip) return -1;
  struct gpiod_line_info *info = gpiod_chip_get_line_info(chip, line);
  int used = info ? gpiod_line_info_is_used(info) : -1;
  const char *who = info ? gpiod_line_info_get_consumer(info) : NULL;
  snprintf(holder, size, "%s", who ? who : "the kernel");
  int saved = errno;
  gpiod_line_info_free(info);
  gpiod_chip_close(chip);
  errno = saved;
  return used;
}

static struct {
  struct gpiod_line_request *request;
  unsigned int line;
} the_lines[CGPIOD_PURPOSES];

int cgpiod_line_open(int purpose, const char *chip_name, unsigned int line, int active_low, int active) {
  struct gpiod_chip *chip = open_by_path_name_or_label(chip_name);
  if (!chip) return -1;
  struct gpiod_line_settings *settings = gpiod_line_settings_new();
  struct gpiod_line_config *lines = gpiod_line_config_new();
  struct gpiod_request_config *config = gpiod_request_config_new();
  struct gpiod_line_request *request = NULL;
  if (settings && lines && config) {
    int is_input = purpose == CGPIOD_INHIBIT;
    gpiod_line_settings_set_direction(settings, is_input ? GPIOD_LINE_DIRECTION_INPUT : GPIOD_LINE_DIRECTION_OUTPUT);
    gpiod_line_settings_set_active_low(settings, active_low);
    if (!is_input)
      gpiod_line_settings_set_output_value(settings, active ? GPIOD_LINE_VALUE_ACTIVE : GPIOD_LINE_VALUE_INACTIVE);
    gpiod_request_config_set_consumer(config, "onset");
    if (gpiod_line_config_add_line_settings(lines, &line, 1, settings) == 0)
      request = gpiod_chip_request_lines(chip, config, lines);
  }
  int saved = errno;
  gpiod_request_config_free(config);
  gpiod_line_config_free(lines);
  gpiod_line_settings_free(settings);
  gpiod_chip_close(chip);
  errno = saved;
  if (!request) return -1;
  the_lines[purpose].request = request;
  the_lines[purpose].line = line;
  return 0;
}

int cgpiod_line_set(int purpose, int active) {
  return gpiod_line_request_set_value(the_lines[purpose].request, the_lines[purpose].line,
                                      active ? GPIOD_LINE_VALUE_ACTIVE : GPIOD_LINE_VALUE_INACTIVE);
}

int cgpiod_line_get(int purpose) {
  return gpiod_line_request_get_value(the_lines[purpose].request, the_lines[purpose].line);
}

void cgpiod_line_close(int purpose) {
  if (the_lines[purpose].request) gpiod_line_request_release(the_lines[purpose].request);
  the_lines[purpose].request = NULL;
}

#endif
