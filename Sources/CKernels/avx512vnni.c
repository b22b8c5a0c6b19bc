// AVX-512 with VNNI: a line of weights fills one register, and one instruction multiplies it by four codes
// (vpdpbusd) or two samples (vpdpwssd) an output and adds the products to the sums.

#include "ckernels.h"

#if defined(__x86_64__)
#pragma STDC FP_CONTRACT OFF
#include <immintrin.h>
#include <string.h>

#include "processor.h"

#define TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512vnni")))
#define INLINE static inline __attribute__((always_inline)) TARGET

typedef __m512i quad, line, sums, words;
typedef __m512 floats;

INLINE quad load_quad(const uint8_t *p) {
  int32_t four;
  memcpy(&four, p, 4);
  return _mm512_set1_epi32(four);
}
INLINE line load_line(const uint8_t *p) { return _mm512_load_si512(p); }
INLINE sums add_sums(sums a, sums b) { return _mm512_add_epi32(a, b); }
INLINE words total(sums s) { return s; }
INLINE words load_words(const int32_t *p) { return _mm512_load_si512(p); }
INLINE void store_words(int32_t *p, words w) { _mm512_store_si512(p, w); }
INLINE sums multiply_codes(sums s, const quad *q, const line *w, int lines) {
  (void)lines;
  return _mm512_dpbusd_epi32(s, *q, *w);
}
INLINE sums multiply_samples(sums s, const quad *q, const line *w, int lines) {
  (void)lines;
  return _mm512_dpwssd_epi32(s, *q, *w);
}

INLINE floats scaled(words sum, const int32_t *bias, const float *scale) {
  __m512i with_bias = _mm512_add_epi32(sum, _mm512_load_si512(bias));
  return _mm512_mul_ps(_mm512_cvtepi32_ps(with_bias), _mm512_load_ps(scale));
}
INLINE floats at_least(floats x, float lowest) { return _mm512_max_ps(x, _mm512_set1_ps(lowest)); }
INLINE words load_codes(const uint8_t *p) { return _mm512_cvtepu8_epi32(_mm_loadu_si128((const void *)p)); }
INLINE words load_samples(const uint8_t *p) { return _mm512_cvtepi16_epi32(_mm256_loadu_si256((const void *)p)); }
INLINE floats plus_residual(floats x, words value, int32_t blank, float scale) {
  __m512 shift = _mm512_cvtepi32_ps(_mm512_sub_epi32(value, _mm512_set1_epi32(blank)));
  return _mm512_add_ps(x, _mm512_mul_ps(shift, _mm512_set1_ps(scale)));
}
INLINE words whole(floats x, int32_t blank) {
  return _mm512_add_epi32(_mm512_cvtps_epi32(x), _mm512_set1_epi32(blank));
}
// The conversions saturate, at 127 and at 32767, where codes and samples end.
INLINE void store_codes(uint8_t *p, floats x, int32_t blank, int32_t floor) {
  __m128i code = _mm512_cvtsepi32_epi8(whole(x, blank));
  _mm_storeu_si128((void *)p, _mm_max_epi8(code, _mm_set1_epi8((char)floor)));
}
INLINE void store_samples(uint8_t *p, floats x, int32_t blank, int32_t floor) {
  __m256i sample = _mm512_cvtsepi32_epi16(whole(x, blank));
  _mm256_storeu_si256((void *)p, _mm256_max_epi16(sample, _mm256_set1_epi16((short)floor)));
}

#define LINES 1
#define CHAINS 4  // the latency of vpdpbusd, of which one begins every cycle
#define ROWS_OF_1 8
#define ROWS_OF_2 4
#include "variant.h"

ckernels_variant ckernels_avx512vnni(void) {
  return VARIANT(processor_has(AVX2 | AVX512F | AVX512BW | AVX512VL, AVX512_VNNI, SAVES_ZMM));
}
#else
ckernels_variant ckernels_avx512vnni(void) { return (ckernels_variant){0}; }
#endif
