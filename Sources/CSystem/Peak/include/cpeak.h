// What one core can multiply and add at most, to set the kernels' figures beside. For benchmarks alone.
#pragma once
#include <stdint.h>

/// Runs for so many turns and returns the operations done, a multiplication and an addition being two.
typedef int64_t (*cpeak_function)(int64_t turns);

/// For one instruction set; NULL where the program was built for another processor.
typedef struct {
  cpeak_function codes_in_registers;    // nothing but the multiply-accumulate of int8 by codes
  cpeak_function samples_in_registers;  // the same of int16
  cpeak_function codes_in_level1;       // a tile whose weights and input come from the first-level cache
  cpeak_function samples_in_level1;
} cpeak_loops;

cpeak_loops cpeak_avx512vnni(void);
cpeak_loops cpeak_avx2(void);
