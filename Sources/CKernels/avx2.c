// AVX2: half a line of weights fills one register. vpmaddubsw adds two products of a code and a weight in 16
// bits, which hold them because codes have seven bits (2 × 127 × 127 = 32258); vpmaddwd by ones widens.

#include "ckernels.h"

#if defined(__x86_64__)
#pragma STDC FP_CONTRACT OFF
#include <immintrin.h>
#include <string.h>

#include "processor.h"

#define TARGET __attribute__((target("avx2")))
#define INLINE static inline __attribute__((always_inline)) TARGET

typedef __m256i quad;
typedef struct {
  __m256i half[2];
} line, sums, words;
typedef struct {
  __m256 half[2];
} floats;

INLINE quad load_quad(const uint8_t *p) {
  int32_t four;
  memcpy(&four, p, 4);
  return _mm256_set1_epi32(four);
}
INLINE __m256i load(const void *p) { return _mm256_load_si256(p); }
INLINE line load_line(const uint8_t *p) { return (line){{load(p), load(p + 32)}}; }
INLINE sums add_sums(sums a, sums b) {
  return (sums){{_mm256_add_epi32(a.half[0], b.half[0]), _mm256_add_epi32(a.half[1], b.half[1])}};
}
INLINE words total(sums s) { return s; }
INLINE words load_words(const int32_t *p) { return (words){{load(p), load(p + 8)}}; }
INLINE void store_words(int32_t *p, words w) {
  _mm256_store_si256((void *)p, w.half[0]);
  _mm256_store_si256((void *)(p + 8), w.half[1]);
}
INLINE sums multiply_codes(sums s, const quad *q, const line *w, int lines) {
  (void)lines;
  const __m256i ones = _mm256_set1_epi16(1);
  for (int i = 0; i < 2; i++) {
    __m256i pairs = _mm256_maddubs_epi16(*q, w->half[i]);
    s.half[i] = _mm256_add_epi32(s.half[i], _mm256_madd_epi16(pairs, ones));
  }
  return s;
}
INLINE sums multiply_samples(sums s, const quad *q, const line *w, int lines) {
  (void)lines;
  for (int i = 0; i < 2; i++) s.half[i] = _mm256_add_epi32(s.half[i], _mm256_madd_epi16(*q, w->half[i]));
  return s;
}

INLINE floats scaled(words sum, const int32_t *bias, const float *scale) {
  floats x;
  for (int i = 0; i < 2; i++) {
    __m256i with_bias = _mm256_add_epi32(sum.half[i], load(bias + 8 * i));
    x.half[i] = _mm256_mul_ps(_mm256_cvtepi32_ps(with_bias), _mm256_load_ps(scale + 8 * i));
  }
  return x;
}
INLINE floats at_least(floats x, float lowest) {
  for (int i = 0; i < 2; i++) x.half[i] = _mm256_max_ps(x.half[i], _mm256_set1_ps(lowest));
  return x;
}
INLINE words load_codes(const uint8_t *p) {
  return (words){{_mm256_cvtepu8_epi32(_mm_loadl_epi64((const void *)p)),
                  _mm256_cvtepu8_epi32(_mm_loadl_epi64((const void *)(p + 8)))}};
}
INLINE words load_samples(const uint8_t *p) {
  return (words){{_mm256_cvtepi16_epi32(_mm_loadu_si128((const void *)p)),
                  _mm256_cvtepi16_epi32(_mm_loadu_si128((const void *)(p + 16)))}};
}
INLINE floats plus_residual(floats x, words value, int32_t blank, float scale) {
  for (int i = 0; i < 2; i++) {
    __m256 shift = _mm256_cvtepi32_ps(_mm256_sub_epi32(value.half[i], _mm256_set1_epi32(blank)));
    x.half[i] = _mm256_add_ps(x.half[i], _mm256_mul_ps(shift, _mm256_set1_ps(scale)));
  }
  return x;
}
INLINE __m256i whole(__m256 x, int32_t blank) {
  return _mm256_add_epi32(_mm256_cvtps_epi32(x), _mm256_set1_epi32(blank));
}
/// To 16 bits, saturated. Packing works on 128-bit lanes: the permutation puts the quarters in order.
INLINE __m256i narrowed(floats x, int32_t blank) {
  __m256i packed = _mm256_packs_epi32(whole(x.half[0], blank), whole(x.half[1], blank));
  return _mm256_permute4x64_epi64(packed, _MM_SHUFFLE(3, 1, 2, 0));
}
// Packing saturates at 127 and at 32767, where codes and samples end.
INLINE void store_codes(uint8_t *p, floats x, int32_t blank, int32_t floor) {
  __m256i wide = narrowed(x, blank);
  __m128i code = _mm_packs_epi16(_mm256_castsi256_si128(wide), _mm256_extracti128_si256(wide, 1));
  _mm_storeu_si128((void *)p, _mm_max_epi8(code, _mm_set1_epi8((char)floor)));
}
INLINE void store_samples(uint8_t *p, floats x, int32_t blank, int32_t floor) {
  _mm256_storeu_si256((void *)p, _mm256_max_epi16(narrowed(x, blank), _mm256_set1_epi16((short)floor)));
}

#define LINES 1
#define CHAINS 4
#define ROWS_OF_1 4
#define ROWS_OF_2 2
#include "variant.h"

ckernels_variant ckernels_avx2(void) {
  return VARIANT(processor_has(AVX2, 0, SAVES_YMM));
}
#else
ckernels_variant ckernels_avx2(void) { return (ckernels_variant){0}; }
#endif
