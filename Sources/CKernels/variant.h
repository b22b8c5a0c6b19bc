// What the variants share: the loops, and the steps from a sum to a code. A variant's file defines what its
// instruction set does best and then includes this header:
//   TARGET     the attribute of every function, which allows the instruction set in it alone
//   INLINE     linkage of an inlined function, with TARGET
//   quad       four bytes of input, repeated over a vector; load_quad
//   line       64 bytes of weights; load_line
//   sums       of one block, that is of 16 outputs of one row; add_sums, store_sums
//   multiply_codes, multiply_samples   add one or two quads times their lines to sums
//   LINES      how many of them these take at once, 1 or 2
//   CHAINS     how many sums of a block in parallel keep the multipliers busy
//   ROWS_OF_1, ROWS_OF_2  the most rows, up to 8, whose sums of one and of two blocks the registers hold
//   floats, words   16 of them, words of 32 bits; scaled, at_least, plus_residual
//   load_codes, load_samples, store_codes, store_samples   residual and output, 16 values each
//
// A tile is some rows of one or two blocks. Its sums stay in registers while its inputs and weights pass by
// once; then they go to the stack, from where the finish function reads them. Blocks are the outer loop, so
// that their weights stay in the first-level cache while all rows pass.

#include <stddef.h>
#include <stdint.h>

#ifdef __clang__
#define UNROLLED _Pragma("clang loop unroll(full)")
#else
#define UNROLLED _Pragma("GCC unroll 16")
#endif

/// What is the same for all tiles of a call.
typedef struct {
  ptrdiff_t taps;
  ptrdiff_t lines;        // of weights that one tap of one block has
  ptrdiff_t block_bytes;  // of weights that one block has
} extent;

typedef sums multiply_function(sums, const quad *, const line *, int lines);

/// Turns the sums of a tile, [rows][blocks][16], into values and stores them.
typedef void finish_function(const ckernels_convolution *, const int32_t *sums, ptrdiff_t first_row, ptrdiff_t rows,
                             ptrdiff_t first_channel, ptrdiff_t blocks);

/// Adds the next one or two lines of each block, times the inputs of all rows, to the sums of a chain.
INLINE void add_lines(sums sum[][2][4], int chain, multiply_function *multiply, const uint8_t *input,
                      ptrdiff_t input_step, const uint8_t *weights, ptrdiff_t block_bytes, const int rows,
                      const int blocks, const int lines) {
  line weight[2][2];
  UNROLLED for (int b = 0; b < blocks; b++)
    UNROLLED for (int i = 0; i < lines; i++) weight[b][i] = load_line(weights + b * block_bytes + 64 * i);
  UNROLLED for (int r = 0; r < rows; r++) {
    quad values[2];
    UNROLLED for (int i = 0; i < lines; i++) values[i] = load_quad(input + r * input_step + 4 * i);
    UNROLLED for (int b = 0; b < blocks; b++)
      sum[r][b][chain] = multiply(sum[r][b][chain], values, weight[b], lines);
  }
}

/// `chains`: each output has 1, 2 or 4 sums, which take the lines in turn. A tile of few sums would otherwise
/// wait for each multiplication before it can begin the next.
INLINE void tile(const ckernels_convolution *c, extent e, multiply_function *multiply, finish_function *finish,
                 ptrdiff_t row, ptrdiff_t block, const int rows, const int blocks, const int chains) {
  sums sum[8][2][4];
  UNROLLED for (int r = 0; r < rows; r++)
    UNROLLED for (int b = 0; b < blocks; b++)
      UNROLLED for (int i = 0; i < chains; i++) sum[r][b][i] = (sums){0};

  const uint8_t *weights = (const uint8_t *)c->weights + block * e.block_bytes;
  const uint8_t *tap = (const uint8_t *)c->input + row * c->input_step;
  const ptrdiff_t step = c->input_step;
  const int stride = LINES * chains;
  for (ptrdiff_t t = 0; t < e.taps; t++, tap += c->tap_step) {
    const uint8_t *input = tap;
    ptrdiff_t left = e.lines;
    for (; left >= stride; left -= stride, input += 4 * stride, weights += 64 * stride)
      UNROLLED for (int i = 0; i < chains; i++)
        add_lines(sum, i, multiply, input + 4 * LINES * i, step, weights + 64 * LINES * i, e.block_bytes, rows, blocks,
                  LINES);
    if (stride > 1)
      for (; left > 0; left--, input += 4, weights += 64)
        add_lines(sum, 0, multiply, input, step, weights, e.block_bytes, rows, blocks, 1);
  }

  int32_t stored[8 * 2 * 16] __attribute__((aligned(64)));
  UNROLLED for (int r = 0; r < rows; r++)
    UNROLLED for (int b = 0; b < blocks; b++) {
      UNROLLED for (int i = 1; i < chains; i++) sum[r][b][0] = add_sums(sum[r][b][0], sum[r][b][i]);
      store_sums(stored + (r * blocks + b) * 16, sum[r][b][0]);
    }
  finish(c, stored, row, rows, 16 * block, blocks);
}

/// All rows of one or two blocks. The last rows are shared by two tiles of nearly the same size: 9 in tiles of
/// at most 8 are 5 and 4, because a tile of one row costs almost as much as one of four.
INLINE void all_rows(const ckernels_convolution *c, extent e, multiply_function *multiply, finish_function *finish,
                     ptrdiff_t block, const int blocks, const int most) {
  ptrdiff_t rows;
  for (ptrdiff_t row = 0, left = c->steps; left > 0; row += rows, left -= rows) {
    rows = left >= 2 * most ? most : left > most ? (left + 1) / 2 : left;
    switch (rows) {
#define CASE(n, chains) \
  case n: if (n <= most) tile(c, e, multiply, finish, row, block, n, blocks, (chains) ? (chains) : 1); break;
      CASE(1, CHAINS / blocks)
      CASE(2, CHAINS / 2 / blocks)
      CASE(3, 1)
      CASE(4, 1)
      CASE(5, 1)
      CASE(6, 1)
      CASE(7, 1)
      CASE(8, 1)
#undef CASE
    }
  }
}

INLINE void convolve(const ckernels_convolution *c, ptrdiff_t row_bytes, multiply_function *multiply,
                     finish_function *finish) {
  extent e = {c->taps, row_bytes / 4, c->taps * row_bytes * 16};
  if (c->tap_step == row_bytes) {  // neighbouring taps are one long row
    e.lines *= e.taps;
    e.taps = 1;
  }
  ptrdiff_t block = 0, blocks = c->channels_out / 16;
  for (; block + 2 <= blocks; block += 2) all_rows(c, e, multiply, finish, block, 2, ROWS_OF_2);
  if (block < blocks) all_rows(c, e, multiply, finish, block, 1, ROWS_OF_1);
}

INLINE void finish(const ckernels_convolution *pointer, const int32_t *sum, ptrdiff_t first_row, ptrdiff_t rows,
                   ptrdiff_t first_channel, ptrdiff_t blocks, const int is_code) {
  const ckernels_convolution c = *pointer;  // a copy, because the output might alias the original
  const ptrdiff_t value_bytes = is_code ? 1 : 2;
  const float lowest = c.inner_relu ? 0 : -0x1p31f;  // below every value
  for (ptrdiff_t row = first_row; row < first_row + rows; row++)
    for (ptrdiff_t channel = first_channel; channel < first_channel + 16 * blocks; channel += 16, sum += 16) {
      floats x = at_least(scaled(sum, c.bias + channel, c.scale + channel), lowest);
      if (c.residual) {
        const uint8_t *residual = (const uint8_t *)c.residual + row * c.residual_step + value_bytes * channel;
        words value = is_code ? load_codes(residual) : load_samples(residual);
        x = plus_residual(x, value, c.residual_blank, c.residual_scale);
      }
      uint8_t *output = (uint8_t *)c.output + row * c.output_step + value_bytes * channel;
      if (is_code)
        store_codes(output, x, c.output_blank, c.output_floor);
      else
        store_samples(output, x, c.output_blank, c.output_floor);
    }
}

static TARGET void finish_codes(const ckernels_convolution *c, const int32_t *sum, ptrdiff_t first_row, ptrdiff_t rows,
                                ptrdiff_t first_channel, ptrdiff_t blocks) {
  finish(c, sum, first_row, rows, first_channel, blocks, 1);
}
static TARGET void finish_samples(const ckernels_convolution *c, const int32_t *sum, ptrdiff_t first_row,
                                  ptrdiff_t rows, ptrdiff_t first_channel, ptrdiff_t blocks) {
  finish(c, sum, first_row, rows, first_channel, blocks, 0);
}

// One copy of all tiles for both kinds of output.
static TARGET __attribute__((noinline)) void convolve_codes(const ckernels_convolution *c, finish_function *finish) {
  convolve(c, c->channels_in, multiply_codes, finish);
}
static TARGET __attribute__((noinline)) void convolve_samples(const ckernels_convolution *c, finish_function *finish) {
  convolve(c, 2 * (ptrdiff_t)c->channels_in, multiply_samples, finish);
}

static TARGET void codes_to_codes(const ckernels_convolution *c) { convolve_codes(c, finish_codes); }
static TARGET void codes_to_samples(const ckernels_convolution *c) { convolve_codes(c, finish_samples); }
static TARGET void samples_to_codes(const ckernels_convolution *c) { convolve_samples(c, finish_codes); }
static TARGET void samples_to_samples(const ckernels_convolution *c) { convolve_samples(c, finish_samples); }

#define VARIANT(is_supported) \
  ((ckernels_variant){(is_supported) != 0, codes_to_codes, samples_to_codes, codes_to_samples, samples_to_samples})
