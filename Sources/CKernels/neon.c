// AArch64 without the dot product (Cortex-A72). A multiplication widens eight products to 16 bits; there the
// products of two lines are added, which fit because codes have seven bits (2 × 127 × 127 = 32258), and only
// then the neighbours to 32 bits. Each output has two sums, which meet when they are stored.

#include "ckernels.h"

#if defined(__aarch64__)
#pragma STDC FP_CONTRACT OFF
#define TARGET
#define INLINE static inline __attribute__((always_inline))
#include "neon.h"

typedef int8x16_t quad;
typedef struct {
  int32x4_t eighth[8];  // two outputs each, two sums an output
} sums;

INLINE quad load_quad(const uint8_t *p) {
  quad q = vreinterpretq_s8_u32(vdupq_n_u32(load_four(p)));
  // Clang would find that both halves are the same, keep one, and then halve the weights for it.
  __asm__("" : "+w"(q));
  return q;
}
INLINE sums add_sums(sums a, sums b) {
  for (int i = 0; i < 8; i++) a.eighth[i] = vaddq_s32(a.eighth[i], b.eighth[i]);
  return a;
}
INLINE words total(sums s) {
  words w;
  for (int i = 0; i < 4; i++) w.quarter[i] = vpaddq_s32(s.eighth[2 * i], s.eighth[2 * i + 1]);
  return w;
}
INLINE sums multiply_codes(sums s, const quad *q, const line *w, int lines) {
  for (int i = 0; i < 4; i++) {
    int16x8_t low = vmull_s8(vget_low_s8(w[0].quarter[i]), vget_low_s8(q[0]));
    int16x8_t high = vmull_high_s8(w[0].quarter[i], q[0]);
    if (lines == 2) {
      low = vmlal_s8(low, vget_low_s8(w[1].quarter[i]), vget_low_s8(q[1]));
      high = vmlal_high_s8(high, w[1].quarter[i], q[1]);
    }
    s.eighth[2 * i] = vpadalq_s16(s.eighth[2 * i], low);
    s.eighth[2 * i + 1] = vpadalq_s16(s.eighth[2 * i + 1], high);
    // Compilers would do all multiplications first, for which there are not enough registers.
    __asm__ volatile("" : "+w"(s.eighth[2 * i]), "+w"(s.eighth[2 * i + 1]));
  }
  return s;
}
INLINE sums multiply_samples(sums s, const quad *q, const line *w, int lines) {
  for (int k = 0; k < lines; k++) {
    int16x8_t values = vreinterpretq_s16_s8(q[k]);
    for (int i = 0; i < 4; i++) {
      int16x8_t weights = vreinterpretq_s16_s8(w[k].quarter[i]);
      s.eighth[2 * i] = vmlal_s16(s.eighth[2 * i], vget_low_s16(weights), vget_low_s16(values));
      s.eighth[2 * i + 1] = vmlal_high_s16(s.eighth[2 * i + 1], weights, values);
    }
  }
  return s;
}

#define LINES 2
#define CHAINS 1
#define ROWS_OF_1 2
#define ROWS_OF_2 0
#include "variant.h"

ckernels_variant ckernels_neon(void) { return VARIANT(1); }
#else
ckernels_variant ckernels_neon(void) { return (ckernels_variant){0}; }
#endif
