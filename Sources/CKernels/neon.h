// What the two AArch64 variants have in common: lines of weights, and the steps from sums to codes. Needs
// TARGET and INLINE.

#include <arm_neon.h>
#include <string.h>

typedef struct {
  int8x16_t quarter[4];
} line;
typedef struct {
  int32x4_t quarter[4];
} words;
typedef struct {
  float32x4_t quarter[4];
} floats;

INLINE uint32_t load_four(const uint8_t *p) {
  uint32_t four;
  memcpy(&four, p, 4);
  return four;
}
INLINE line load_line(const uint8_t *p) {
  const int8_t *w = (const int8_t *)p;
  return (line){{vld1q_s8(w), vld1q_s8(w + 16), vld1q_s8(w + 32), vld1q_s8(w + 48)}};
}

INLINE words load_words(const int32_t *p) {
  return (words){{vld1q_s32(p), vld1q_s32(p + 4), vld1q_s32(p + 8), vld1q_s32(p + 12)}};
}
INLINE void store_words(int32_t *p, words w) {
  for (int i = 0; i < 4; i++) vst1q_s32(p + 4 * i, w.quarter[i]);
}
INLINE floats scaled(words sum, const int32_t *bias, const float *scale) {
  floats x;
  for (int i = 0; i < 4; i++) {
    int32x4_t with_bias = vaddq_s32(sum.quarter[i], vld1q_s32(bias + 4 * i));
    x.quarter[i] = vmulq_f32(vcvtq_f32_s32(with_bias), vld1q_f32(scale + 4 * i));
  }
  return x;
}
INLINE floats at_least(floats x, float lowest) {
  for (int i = 0; i < 4; i++) x.quarter[i] = vmaxq_f32(x.quarter[i], vdupq_n_f32(lowest));
  return x;
}
INLINE words widened(int16x8_t low, int16x8_t high) {
  return (words){{vmovl_s16(vget_low_s16(low)), vmovl_high_s16(low),  //
                  vmovl_s16(vget_low_s16(high)), vmovl_high_s16(high)}};
}
INLINE words load_codes(const uint8_t *p) {  // below 128: their sign is no matter
  int8x16_t codes = vreinterpretq_s8_u8(vld1q_u8(p));
  return widened(vmovl_s8(vget_low_s8(codes)), vmovl_high_s8(codes));
}
INLINE words load_samples(const uint8_t *p) {  // as bytes, which need no alignment
  return widened(vreinterpretq_s16_u8(vld1q_u8(p)), vreinterpretq_s16_u8(vld1q_u8(p + 16)));
}
INLINE floats plus_residual(floats x, words value, int32_t blank, float scale) {
  for (int i = 0; i < 4; i++) {
    float32x4_t shift = vcvtq_f32_s32(vsubq_s32(value.quarter[i], vdupq_n_s32(blank)));
    x.quarter[i] = vaddq_f32(x.quarter[i], vmulq_f32(shift, vdupq_n_f32(scale)));
  }
  return x;
}
INLINE int32x4_t whole(float32x4_t x, int32_t blank) { return vaddq_s32(vcvtnq_s32_f32(x), vdupq_n_s32(blank)); }
// Narrowing saturates, at 32767 and at 127, where samples and codes end.
INLINE int16x8_t narrowed(float32x4_t low, float32x4_t high, int32_t blank) {
  return vcombine_s16(vqmovn_s32(whole(low, blank)), vqmovn_s32(whole(high, blank)));
}
INLINE void store_codes(uint8_t *p, floats x, int32_t blank, int32_t floor) {
  int8x8_t low = vqmovn_s16(narrowed(x.quarter[0], x.quarter[1], blank));
  int8x8_t high = vqmovn_s16(narrowed(x.quarter[2], x.quarter[3], blank));
  vst1q_s8((int8_t *)p, vmaxq_s8(vcombine_s8(low, high), vdupq_n_s8((int8_t)floor)));
}
INLINE void store_samples(uint8_t *p, floats x, int32_t blank, int32_t floor) {
  for (int i = 0; i < 2; i++) {
    int16x8_t sample = narrowed(x.quarter[2 * i], x.quarter[2 * i + 1], blank);
    vst1q_u8(p + 16 * i, vreinterpretq_u8_s16(vmaxq_s16(sample, vdupq_n_s16((int16_t)floor))));
  }
}
