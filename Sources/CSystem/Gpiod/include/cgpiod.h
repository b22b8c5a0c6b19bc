// Rising or falling edges of one GPIO line through libgpiod, the same over its v1 API (Debian 12) and its
// v2 API (Debian 13). Only one of the two can be installed, so the preprocessor chooses.
#pragma once
#include <stdint.h>

typedef struct cgpiod_edges cgpiod_edges;

/// Requests `line` of `chip` ("gpiochip0", "/dev/gpiochip0", or the label that its driver gives it) for edges; NULL with errno set.
cgpiod_edges *cgpiod_edges_open(const char *chip, unsigned int line, int falling);
/// Readable when an edge waits.
int cgpiod_edges_descriptor(const cgpiod_edges *edges);
/// Takes one edge: 1 and its CLOCK_MONOTONIC time, 0 when none waits, -1 on error.
int cgpiod_edges_read(cgpiod_edges *edges, int64_t *monotonic_nanoseconds);
void cgpiod_edges_close(cgpiod_edges *edges);
