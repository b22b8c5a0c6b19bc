// What the two AArch64 variants have in common: lines of weights, and the steps from sums to codes. Needs
// TARGET and INLINE.

#include <arm_neon.h>
#include <string.h>

typedef struct {
  int8x16_t quarter[4];
} line;
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

INLINE floats scaled(const int32_t *sum, const int32_t *bias, const float *scale) {
  floats x;
  for (int i = 0; i < 4; i++) {
    int32x4_t whole = vaddq_s32(vld1q_s32(sum + 4 * i), vld1q_s32(bias + 4 * i));
    x.quarter[i] = vmulq_f32(vcvtq_f32_s32(whole), vld1q_f32(scale + 4 * i));
  }
  return x;
}
INLINE floats at_least(floats x, float lowest) {
  for (int i = 0; i < 4; i++) x.quarter[i] = vmaxq_f32(x.quarter[i], vdupq_n_f32(lowest));
  return x;
}
INLINE float32x4_t plus_quarter(float32x4_t x, uint16x4_t code, int32_t blank, float scale) {
  int32x4_t value = vsubq_s32(vreinterpretq_s32_u32(vmovl_u16(code)), vdupq_n_s32(blank));
  return vaddq_f32(x, vmulq_f32(vcvtq_f32_s32(value), vdupq_n_f32(scale)));
}
INLINE floats plus_residual(floats x, const uint8_t *codes, int32_t blank, float scale) {
  uint8x16_t all = vld1q_u8(codes);
  uint16x8_t low = vmovl_u8(vget_low_u8(all)), high = vmovl_u8(vget_high_u8(all));
  x.quarter[0] = plus_quarter(x.quarter[0], vget_low_u16(low), blank, scale);
  x.quarter[1] = plus_quarter(x.quarter[1], vget_high_u16(low), blank, scale);
  x.quarter[2] = plus_quarter(x.quarter[2], vget_low_u16(high), blank, scale);
  x.quarter[3] = plus_quarter(x.quarter[3], vget_high_u16(high), blank, scale);
  return x;
}
/// To 16 bits with saturation.
INLINE int16x8_t narrowed(float32x4_t low, float32x4_t high) {
  return vcombine_s16(vqmovn_s32(vcvtnq_s32_f32(low)), vqmovn_s32(vcvtnq_s32_f32(high)));
}
// The conversion to a signed byte saturates at 127, where codes end, and at −128; what is below that is below
// the floor after the addition of the blank too.
INLINE void store_codes(uint8_t *p, floats x, int32_t blank, int32_t floor) {
  int8x8_t low = vqmovn_s16(narrowed(x.quarter[0], x.quarter[1]));
  int8x8_t high = vqmovn_s16(narrowed(x.quarter[2], x.quarter[3]));
  int8x16_t code = vqaddq_s8(vcombine_s8(low, high), vdupq_n_s8((int8_t)blank));
  vst1q_s8((int8_t *)p, vmaxq_s8(code, vdupq_n_s8((int8_t)floor)));
}
INLINE void store_logits(uint8_t *p, floats x) {
  vst1q_u8(p, vreinterpretq_u8_s16(narrowed(x.quarter[0], x.quarter[1])));
  vst1q_u8(p + 16, vreinterpretq_u8_s16(narrowed(x.quarter[2], x.quarter[3])));
}
