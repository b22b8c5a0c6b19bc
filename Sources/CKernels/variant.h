// What the variants share: the loops, and the steps from a sum to a code. A variant's file defines what its
// instruction set does best and then includes this header:
//   TARGET     the attribute of every function, which allows the instruction set in it alone
//   INLINE     linkage of an inlined function, with TARGET
//   quad       four bytes of input, repeated over a vector; load_quad
//   line       64 bytes of weights; load_line
//   sums       of one block, that is of 16 outputs of one row; add_sums, total, which makes words of them
//   multiply_codes, multiply_samples   add one or two quads times their lines to sums
//   LINES      how many of them these take at once, 1 or 2
//   CHAINS     how many sums of a block in parallel keep the multipliers busy
//   ROWS_OF_1, ROWS_OF_2  the most rows, up to 8, whose sums of one and of two blocks the registers hold; of
//              two 0, when one is as good
//   floats, words   16 of them, words of 32 bits; load_words, store_words, scaled, at_least, plus_residual
//   load_codes, load_samples, store_codes, store_samples   residual and output, 16 values each
//
// A tile is some rows of one or two blocks. Its sums stay in registers while its inputs and weights pass by
// once; then they go to the stack, from where the finish function reads them. Blocks are the outer loop, so
// that their weights stay in the first-level cache while all rows pass. One row alone has a way of its own.

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

INLINE extent extent_of(const ckernels_convolution *c, ptrdiff_t row_bytes) {
  extent e = {c->taps, row_bytes / 4, c->taps * row_bytes * 16};
  if (c->tap_step == row_bytes) {  // neighbouring taps are one long row
    e.lines *= e.taps;
    e.taps = 1;
  }
  return e;
}

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
      store_words(stored + (r * blocks + b) * 16, total(sum[r][b][0]));
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
  const extent e = extent_of(c, row_bytes);
  ptrdiff_t block = 0, blocks = c->channels_out / 16;
  if (ROWS_OF_2 > 0)
    for (; block + 2 <= blocks; block += 2) all_rows(c, e, multiply, finish, block, 2, ROWS_OF_2);
  for (; block < blocks; block++) all_rows(c, e, multiply, finish, block, 1, ROWS_OF_1);
}

/// What the steps after the sum need, in registers: what they store might alias the call itself.
typedef struct {
  const int32_t *bias;
  const float *scale;
  uint8_t *output;
  const uint8_t *residual;
  ptrdiff_t output_step, residual_step;
  float residual_scale, lowest;
  int32_t residual_blank, output_blank, output_floor;
} ending;

INLINE ending ending_of(const ckernels_convolution *c) {
  const float lowest = c->inner_relu ? 0 : -0x1p31f;  // below every value
  return (ending){c->bias,           c->scale, c->output,          c->residual,     c->output_step, c->residual_step,
                  c->residual_scale, lowest,   c->residual_blank, c->output_blank, c->output_floor};
}

/// From the sums of 16 channels of a row to their values.
INLINE void finish_block(ending e, words sum, ptrdiff_t row, ptrdiff_t channel, const int is_code) {
  const ptrdiff_t place = is_code ? channel : 2 * channel;
  floats x = at_least(scaled(sum, e.bias + channel, e.scale + channel), e.lowest);
  if (e.residual) {
    const uint8_t *residual = e.residual + row * e.residual_step + place;
    words value = is_code ? load_codes(residual) : load_samples(residual);
    x = plus_residual(x, value, e.residual_blank, e.residual_scale);
  }
  uint8_t *output = e.output + row * e.output_step + place;
  if (is_code)
    store_codes(output, x, e.output_blank, e.output_floor);
  else
    store_samples(output, x, e.output_blank, e.output_floor);
}

INLINE void finish(const ckernels_convolution *c, const int32_t *sum, ptrdiff_t first_row, ptrdiff_t rows,
                   ptrdiff_t first_channel, ptrdiff_t blocks, const int is_code) {
  const ending e = ending_of(c);
  for (ptrdiff_t row = first_row; row < first_row + rows; row++)
    for (ptrdiff_t channel = first_channel; channel < first_channel + 16 * blocks; channel += 16, sum += 16)
      finish_block(e, load_words(sum), row, channel, is_code);
}

/// One or two blocks of a row alone. Returns the weights behind theirs.
INLINE const uint8_t *blocks_of_one_row(const ckernels_convolution *c, extent x, ending e,
                                        multiply_function *multiply, const uint8_t *weights, ptrdiff_t channel,
                                        const int blocks, const int chains, const int is_code) {
  sums sum[1][2][4];
  UNROLLED for (int b = 0; b < blocks; b++)
    UNROLLED for (int i = 0; i < chains; i++) sum[0][b][i] = (sums){0};
  const uint8_t *tap = c->input;
  const int stride = LINES * chains;
  for (ptrdiff_t t = 0; t < x.taps; t++, tap += c->tap_step) {
    const uint8_t *input = tap;
    ptrdiff_t left = x.lines;
    for (; left >= stride; left -= stride, input += 4 * stride, weights += 64 * stride)
      UNROLLED for (int i = 0; i < chains; i++)
        add_lines(sum, i, multiply, input + 4 * LINES * i, 0, weights + 64 * LINES * i, x.block_bytes, 1, blocks,
                  LINES);
    if (stride > 1)
      for (; left > 0; left--, input += 4, weights += 64)
        add_lines(sum, 0, multiply, input, 0, weights, x.block_bytes, 1, blocks, 1);
  }
  UNROLLED for (int b = 0; b < blocks; b++) {
    UNROLLED for (int i = 1; i < chains; i++) sum[0][b][0] = add_sums(sum[0][b][0], sum[0][b][i]);
    finish_block(e, total(sum[0][b][0]), 0, channel + 16 * b, is_code);
  }
  return weights + (blocks - 1) * x.block_bytes;
}

/// One row, as a short push brings it: so little to multiply that what stands around it would cost as much. The
/// sums stay in registers.
INLINE void one_row(const ckernels_convolution *c, ptrdiff_t row_bytes, multiply_function *multiply,
                    const int is_code) {
  const extent x = extent_of(c, row_bytes);
  const ending e = ending_of(c);
  const uint8_t *weights = c->weights;
  const ptrdiff_t channels = c->channels_out;
  ptrdiff_t channel = 0;
  if (ROWS_OF_2 > 0)
    for (; channel + 32 <= channels; channel += 32)
      weights = blocks_of_one_row(c, x, e, multiply, weights, channel, 2, CHAINS / 2, is_code);
  for (; channel < channels; channel += 16)
    weights = blocks_of_one_row(c, x, e, multiply, weights, channel, 1, CHAINS, is_code);
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

#define FUNCTION(name, row_bytes, convolve, multiply, finish, is_code) \
  static TARGET void name(const ckernels_convolution *c) {             \
    if (c->steps == 1)                                                 \
      one_row(c, row_bytes, multiply, is_code);                        \
    else                                                               \
      convolve(c, finish);                                             \
  }
FUNCTION(codes_to_codes, c->channels_in, convolve_codes, multiply_codes, finish_codes, 1)
FUNCTION(codes_to_samples, c->channels_in, convolve_codes, multiply_codes, finish_samples, 0)
FUNCTION(samples_to_codes, 2 * (ptrdiff_t)c->channels_in, convolve_samples, multiply_samples, finish_codes, 1)
FUNCTION(samples_to_samples, 2 * (ptrdiff_t)c->channels_in, convolve_samples, multiply_samples, finish_samples, 0)

#define VARIANT(is_supported) \
  ((ckernels_variant){(is_supported) != 0, codes_to_codes, samples_to_codes, codes_to_samples, samples_to_samples})
