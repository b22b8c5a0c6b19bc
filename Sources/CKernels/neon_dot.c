// AArch64 with the dot product (Cortex-A76): one instruction multiplies four codes by the weights of four
// outputs and adds the products to their sums.

#include "ckernels.h"

#if defined(__aarch64__)
#pragma STDC FP_CONTRACT OFF
#include <sys/auxv.h>
#define TARGET __attribute__((target("arch=armv8.2-a+dotprod")))
#define INLINE static inline __attribute__((always_inline)) TARGET
#include "neon.h"

typedef int8x8_t quad;  // in the first four bytes: the instructions repeat them
typedef words sums;

INLINE quad load_quad(const uint8_t *p) { return vcreate_s8(load_four(p)); }
INLINE sums add_sums(sums a, sums b) {
  for (int i = 0; i < 4; i++) a.quarter[i] = vaddq_s32(a.quarter[i], b.quarter[i]);
  return a;
}
INLINE words total(sums s) { return s; }
INLINE sums multiply_codes(sums s, const quad *q, const line *w, int lines) {
  (void)lines;
  for (int i = 0; i < 4; i++) s.quarter[i] = vdotq_lane_s32(s.quarter[i], w->quarter[i], *q, 0);
  return s;
}
INLINE sums multiply_samples(sums s, const quad *q, const line *w, int lines) {
  (void)lines;
  int16x4_t values = vreinterpret_s16_s8(*q);
  for (int i = 0; i < 4; i += 2) {
    int16x8_t a = vreinterpretq_s16_s8(w->quarter[i]), b = vreinterpretq_s16_s8(w->quarter[i + 1]);
    int16x8_t first = vuzp1q_s16(a, b), second = vuzp2q_s16(a, b);  // of each output's two weights
    s.quarter[i] = vmlal_lane_s16(s.quarter[i], vget_low_s16(first), values, 0);
    s.quarter[i] = vmlal_lane_s16(s.quarter[i], vget_low_s16(second), values, 1);
    s.quarter[i + 1] = vmlal_high_lane_s16(s.quarter[i + 1], first, values, 0);
    s.quarter[i + 1] = vmlal_high_lane_s16(s.quarter[i + 1], second, values, 1);
  }
  return s;
}

#define LINES 1
#define CHAINS 2
#define ROWS_OF_1 6
#define ROWS_OF_2 0
#include "variant.h"

ckernels_variant ckernels_neon_dot(void) { return VARIANT(getauxval(AT_HWCAP) & HWCAP_ASIMDDP); }
#else
ckernels_variant ckernels_neon_dot(void) { return (ckernels_variant){0}; }
#endif
