// GPIO lines through libgpiod: edges of one, levels of others, the same over its v1 API (Debian 12) and its
// v2 API (Debian 13). Only one of the two can be installed, so the preprocessor chooses.
#pragma once
#include <stddef.h>
#include <stdint.h>

typedef struct cgpiod_edges cgpiod_edges;

/// What edges are for: a pulse a second, and a converter's data-ready.
enum cgpiod_edge_purpose { CGPIOD_PULSE, CGPIOD_DATA_READY, CGPIOD_EDGE_PURPOSES };

/// Requests `line` of `chip` ("gpiochip0", "/dev/gpiochip0", or the label that its driver gives it) for edges; NULL with errno set.
cgpiod_edges *cgpiod_edges_open(int purpose, const char *chip, unsigned int line, int falling);
/// Readable when an edge waits.
int cgpiod_edges_descriptor(const cgpiod_edges *edges);
/// Takes one edge: 1 and its CLOCK_MONOTONIC time, 0 when none waits, -1 on error.
int cgpiod_edges_read(cgpiod_edges *edges, int64_t *monotonic_nanoseconds);
void cgpiod_edges_close(cgpiod_edges *edges);

/// Whether somebody has `line` of `chip`: 1 and who as `holder`, 0 when it is free, -1 with errno set.
int cgpiod_line_holder(const char *chip, unsigned int line, char *holder, size_t size);

/// What a line is for: the relay, two lamps, and the switch that inhibits the relay.
enum cgpiod_purpose { CGPIOD_RELAY, CGPIOD_WATCH, CGPIOD_HEARTBEAT, CGPIOD_INHIBIT, CGPIOD_PURPOSES };

/// Requests a line for a purpose: an output that begins at `active`, or the input of CGPIOD_INHIBIT. `active_low`: what the pin
/// shows is the opposite. 0, or -1 with errno set.
int cgpiod_line_open(int purpose, const char *chip, unsigned int line, int active_low, int active);
/// 0, or -1 on error.
int cgpiod_line_set(int purpose, int active);
/// 1 active, 0 not, -1 on error.
int cgpiod_line_get(int purpose);
/// Gives the line back; does nothing for one that is not open.
void cgpiod_line_close(int purpose);
