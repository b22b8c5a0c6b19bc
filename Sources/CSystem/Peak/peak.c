// Loops of nothing but multiplications and additions, in registers and in the tile of the kernels.
#include "cpeak.h"

#include <stddef.h>

#if defined(__x86_64__)
#include <immintrin.h>

// Empty instructions that might read and change a vector or a pointer: what these hold cannot be foreseen.
#define OPAQUE(vector) __asm__ volatile("" : "+v"(vector))
#define OPAQUE_POINTER(pointer) __asm__ volatile("" : "+r"(pointer)::"memory")

static int8_t weights[128 * 128] __attribute__((aligned(64)));
static int32_t input[4 * 128];

// Eight sums hide the latency of four cycles.
#define IN_REGISTERS(name, isa, vector, zero, macs, multiply_add)         \
  __attribute__((target(isa))) static int64_t name(int64_t turns) {        \
    vector a = zero, b = zero, s[8];                                       \
    for (int i = 0; i < 8; i++) s[i] = zero;                               \
    for (int64_t turn = 0; turn < turns * 128; turn++) {                   \
      OPAQUE(a);                                                           \
      OPAQUE(b);                                                           \
      for (int i = 0; i < 8; i++) s[i] = multiply_add(s[i], a, b);         \
    }                                                                      \
    for (int i = 0; i < 8; i++) OPAQUE(s[i]);                              \
    return turns * 128 * 8 * macs * 2;                                     \
  }

// `rows` rows of two blocks over 128 lines each, the input broadcast; the tile of the kernels themselves.
#define IN_LEVEL1(name, isa, vector, zero, macs, rows, vectors, broadcast, multiply_add)                     \
  __attribute__((target(isa))) static int64_t name(int64_t turns) {                                          \
    for (int64_t turn = 0; turn < turns; turn++) {                                                           \
      const vector *w = (const void *)weights;                                                               \
      const int32_t *values = input;                                                                         \
      vector s[rows][vectors];                                                                               \
      OPAQUE_POINTER(w);                                                                                     \
      OPAQUE_POINTER(values);                                                                                \
      for (int r = 0; r < rows; r++)                                                                         \
        for (int v = 0; v < vectors; v++) s[r][v] = zero;                                                    \
      for (ptrdiff_t k = 0; k < 128; k++)                                                                    \
        for (int r = 0; r < rows; r++) {                                                                     \
          vector a = broadcast(values[128 * r + k]);                                                         \
          for (int v = 0; v < vectors; v++) s[r][v] = multiply_add(s[r][v], a, w[vectors * k + v]);          \
        }                                                                                                    \
      for (int r = 0; r < rows; r++)                                                                         \
        for (int v = 0; v < vectors; v++) OPAQUE(s[r][v]);                                                   \
    }                                                                                                        \
    return turns * 128 * rows * vectors * macs * 2;                                                          \
  }

#define VNNI "avx512f,avx512bw,avx512vl,avx512vnni"
#define CODES_256(s, a, b) \
  _mm256_add_epi32(s, _mm256_madd_epi16(_mm256_maddubs_epi16(a, b), _mm256_set1_epi16(1)))
#define SAMPLES_256(s, a, b) _mm256_add_epi32(s, _mm256_madd_epi16(a, b))

IN_REGISTERS(codes_512, VNNI, __m512i, _mm512_setzero_si512(), 64, _mm512_dpbusd_epi32)
IN_REGISTERS(samples_512, VNNI, __m512i, _mm512_setzero_si512(), 32, _mm512_dpwssd_epi32)
IN_LEVEL1(codes_512_level1, VNNI, __m512i, _mm512_setzero_si512(), 64, 4, 2, _mm512_set1_epi32, _mm512_dpbusd_epi32)
IN_LEVEL1(samples_512_level1, VNNI, __m512i, _mm512_setzero_si512(), 32, 4, 2, _mm512_set1_epi32, _mm512_dpwssd_epi32)
IN_LEVEL1(codes_256_level1, "avx2", __m256i, _mm256_setzero_si256(), 32, 2, 4, _mm256_set1_epi32, CODES_256)
IN_LEVEL1(samples_256_level1, "avx2", __m256i, _mm256_setzero_si256(), 16, 2, 4, _mm256_set1_epi32, SAMPLES_256)

// As instructions, since a compiler would take the product, the same for all sums, out of the loop.
#define AVX2_IN_REGISTERS(name, macs, instructions)                                                         \
  __attribute__((target("avx2"))) static int64_t name(int64_t turns) {                                       \
    __m256i a = _mm256_setzero_si256(), ones = _mm256_set1_epi16(1), s[8];                                   \
    for (int i = 0; i < 8; i++) s[i] = a;                                                                    \
    for (int64_t turn = 0; turn < turns * 128; turn++)                                                       \
      for (int i = 0; i < 8; i++) {                                                                          \
        __m256i products;                                                                                    \
        __asm__ volatile(instructions : "+x"(s[i]), "=&x"(products) : "x"(a), "x"(ones));                   \
      }                                                                                                      \
    return turns * 128 * 8 * macs * 2;                                                                       \
  }

AVX2_IN_REGISTERS(codes_256, 32, "vpmaddubsw %2, %2, %1\n vpmaddwd %3, %1, %1\n vpaddd %1, %0, %0")
AVX2_IN_REGISTERS(samples_256, 16, "vpmaddwd %2, %2, %1\n vpaddd %1, %0, %0")

cpeak_loops cpeak_avx512vnni(void) {
  return (cpeak_loops){codes_512, samples_512, codes_512_level1, samples_512_level1};
}
cpeak_loops cpeak_avx2(void) { return (cpeak_loops){codes_256, samples_256, codes_256_level1, samples_256_level1}; }
#else
cpeak_loops cpeak_avx512vnni(void) { return (cpeak_loops){0}; }
cpeak_loops cpeak_avx2(void) { return (cpeak_loops){0}; }
#endif
