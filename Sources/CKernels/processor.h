// What an x86-64 processor and its operating system offer (Intel SDM volume 1, 14.3 and 15.2 to 15.4). The
// compiler's own __builtin_cpu_supports brings a table of every processor with it, 5 kB that a station does not need.

#include <cpuid.h>
#include <stdint.h>

/// Bits of leaf 7, subleaf 0.
enum { AVX2 = 1u << 5, AVX512F = 1u << 16, AVX512BW = 1u << 30 };
static const uint32_t AVX512VL = 1u << 31;
enum { AVX512_VNNI = 1u << 11 };
/// Registers in XCR0: the upper halves of YMM beside XMM; masks, upper halves of ZMM, and the upper sixteen.
enum { SAVES_YMM = 0x06, SAVES_ZMM = 0xE6 };

/// All bits of EBX and ECX are there, and the operating system saves these registers.
static int processor_has(uint32_t ebx, uint32_t ecx, uint32_t saved) {
  uint32_t a, b, c, d, low, high;
  if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE)) return 0;
  __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (low & saved) == saved && __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & ebx) == ebx && (c & ecx) == ecx;
}
