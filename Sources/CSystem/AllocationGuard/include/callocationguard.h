// Counts the heap calls of one thread, by standing in for malloc and its family in the program that links it
// ("Replacing malloc" in the glibc manual). For tests: begin, run the loop, end, expect zeros.
#pragma once
#include <stdint.h>

typedef struct {
  uint64_t allocations;
  uint64_t releases;
  uint64_t bytes;
} allocation_count;

void allocation_guard_begin(void);
allocation_count allocation_guard_end(void);
/// 1 when calls to malloc really pass through here: without it a count of zero means nothing.
int allocation_guard_is_active(void);
