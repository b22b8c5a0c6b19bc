// Convolution over time in int8, written by hand for each instruction set. The contract (shapes, layout,
// rounding) stands above the scalar reference, Sources/Kernels/ScalarConvolution.swift; every variant gives
// the same bytes.
#pragma once
#include <stdint.h>
#include <stddef.h>

/// One call: `steps` consecutive outputs of one layer. Row t of the output is made of the input rows at
/// input + t * input_step + i * tap_step, i = 0 … taps - 1.
typedef struct {
  const void *input;        // the first tap of the first output; uint8_t or int16_t, no alignment asked
  ptrdiff_t input_step;     // bytes from one output's first tap to the next one's (stride × row)
  ptrdiff_t tap_step;       // bytes from tap to tap (dilation × row)
  const void *weights;      // [channels_out/16][taps][channels_in/4][16][4] int8_t, or for samples
                            // [channels_out/16][taps][channels_in/2][16][2] int16_t; 64-byte aligned
  const int32_t *bias;      // channels_out, 64-byte aligned
  const float *scale;       // channels_out, 64-byte aligned
  void *output;             // uint8_t or int16_t, channels_out contiguous values a row, no alignment asked
  ptrdiff_t output_step;    // bytes from row to row
  const void *residual;     // NULL for none; channels_out contiguous values a row, of the output's type
  ptrdiff_t residual_step;  // bytes from row to row
  float residual_scale;
  int32_t residual_blank;   // the code that stands for zero in the residual
  int32_t inner_relu;       // 1: negative values become zero before the residual is added
  int32_t output_blank;     // the code that stands for zero in the output; 0 for samples
  int32_t output_floor;     // smallest code: output_blank for a ReLU at the end, else 0; samples: 0 or -32768
  int32_t taps;
  int32_t channels_in;      // a multiple of 4
  int32_t channels_out;     // a multiple of 16
  int32_t steps;
} ckernels_convolution;

typedef void (*ckernels_function)(const ckernels_convolution *);

/// An instruction set: NULL functions where the program was built for another processor.
typedef struct {
  int is_supported;                     // by the processor that this runs on
  ckernels_function codes_to_codes;     // uint8_t 0…127 in and out
  ckernels_function samples_to_codes;   // int16_t in, uint8_t 0…127 out
  ckernels_function codes_to_samples;   // uint8_t 0…127 in, int16_t out
  ckernels_function samples_to_samples; // int16_t in and out
} ckernels_variant;

ckernels_variant ckernels_avx512vnni(void);
ckernels_variant ckernels_avx2(void);
ckernels_variant ckernels_neon_dot(void);
ckernels_variant ckernels_neon(void);
