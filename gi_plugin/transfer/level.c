/* Which of the compiled forms this processor runs. Asked of the processor itself: not every compiler's library has __builtin_cpu_supports. */
#include "rows.h"

#if defined(__x86_64__)
#include <cpuid.h>

enum { GI_OF_V3 = 1u << 3 | 1u << 5 | 1u << 8 }; /* BMI, AVX2, BMI2: bits of register b of leaf 7 */
#define GI_OF_V4 (1u << 16 | 1u << 17 | 1u << 28 | 1u << 30 | 1u << 31) /* AVX-512 F, DQ, CD, BW, VL */

/* 4 with AVX-512, 3 with AVX2 and FMA, else 1: the processor has the instructions, and the system keeps their registers. */
GI_EXPORT int gi_transfer_level(void) {
    unsigned a, b, c, d, kept, high;
    if (!__get_cpuid(0x80000001, &a, &b, &c, &d) || !(c & 1u << 5)) return 1; /* LZCNT */
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & 1u << 12) || !(c & 1u << 27) || !(c & 1u << 29)) return 1; /* FMA, XGETBV, F16C */
    __asm__("xgetbv" : "=a"(kept), "=d"(high) : "c"(0));
    if ((kept & 0x6) != 0x6 || !__get_cpuid_count(7, 0, &a, &b, &c, &d) || (b & GI_OF_V3) != GI_OF_V3) return 1;
    return (kept & 0xe6) == 0xe6 && (b & GI_OF_V4) == GI_OF_V4 ? 4 : 3;
}
#else
GI_EXPORT int gi_transfer_level(void) { return 1; }
#endif
