"""C text of the inner products: integer sums of weights times inputs.

The plain loops are in the forms that gcc turns into the widest multiply-add there is:
``vpdpbusd`` wants one unsigned operand, ``pmaddwd`` two of 16 bits. ``smlad`` of Cortex-M4 and M7
is called by its name. Sums of integers are the same in any order, so every form gives the same
bits.
"""

from __future__ import annotations

LANES = 32
"""The most columns that a vector unit takes in one go."""

PROLOGUE = """
/* Vector units sum whole blocks of columns: 8-bit inputs are brought to the type that multiplies
   fastest, with zeros behind them, and rows of weights are read on into what follows them.
   @P@_NO_VECTORS leaves that out. */
#if defined(@P@_NO_VECTORS) || defined(@P@_USE_CMSIS_NN)
#define LANES 1
#define OFFSET 0
typedef int8_t lane8_t;
#elif defined(__AVXVNNI__) || (defined(__AVX512VNNI__) && defined(__AVX512VL__))
#define LANES 32
#define OFFSET 128 /* what the inputs gain to be unsigned; the biases take off what that adds */
typedef uint8_t lane8_t;
#elif defined(__SSE2__)
#define LANES 32
#define OFFSET 0
typedef int16_t lane8_t;
#elif defined(__ARM_NEON)
#define LANES 16
#define OFFSET 0
typedef int8_t lane8_t;
#else
#define LANES 1
#define OFFSET 0
typedef int8_t lane8_t;
#endif

#if defined(@P@_USE_DSP) && defined(__ARM_FEATURE_DSP)
#include <arm_acle.h>
#define DSP 1
#endif

/* CMSIS-NN takes over the products of 8-bit inputs with 8-bit weights: with its usual double
   rounding (no CMSIS_NN_USE_SINGLE_ROUNDING) these are the same integers. */
#if defined(@P@_USE_CMSIS_NN)
#include "arm_nnfunctions.h"
typedef int32_t shift_t;
#else
typedef int8_t shift_t;
#endif

/* The next multiple of a power of two. */
#define UP_TO(n, block) (((n) + (block) - 1) & ~((block) - 1))

/* Values that may be read behind a table: rows of weights in fours, other tables in blocks. */
#define BEHIND_ROWS(columns) (LANES > 1 ? 3 * (columns) + LANES : 0)
#define BEHIND (LANES > 1 ? @BLOCK@ : 0)

/* A bias, with zero points folded in, of a row whose weights add up to `sum`. */
#define BIAS(bias, sum) ((bias) - OFFSET * (sum))
"""

WORD = """
#if defined(DSP)
/* Four bytes or two halfwords in one go, from any address. */
static uint32_t word(const void *from)
{
    uint32_t value;

    memcpy(&value, from, sizeof value);
    return value;
}
#endif
"""

EVEN_BYTES = """
#if defined(DSP)
/* Bytes 0 and 2 as two signed halfwords. */
static int16x2_t even_bytes(uint32_t value)
{
    return __sxtb16((int8x4_t)value);
}
#endif
"""

ODD_BYTES = """
#if defined(DSP)
/* Bytes 1 and 3 as two signed halfwords. */
static int16x2_t odd_bytes(uint32_t value)
{
    return __sxtb16((int8x4_t)((value >> 8) | (value << 24)));
}
#endif
"""

EVEN_HALVES = """
#if defined(DSP)
/* Halfwords 0 and 2 of two words. */
static int16x2_t even_halves(uint32_t first, uint32_t second)
{
    return (int16x2_t)((first & 0xFFFFU) | (second << 16));
}
#endif
"""

ODD_HALVES = """
#if defined(DSP)
/* Halfwords 1 and 3 of two words. */
static int16x2_t odd_halves(uint32_t first, uint32_t second)
{
    return (int16x2_t)((first >> 16) | (second & 0xFFFF0000U));
}
#endif
"""

_LOAD = {
    8: """const uint32_t v = word(&x[j]);
        const int16x2_t even = even_bytes(v);
        const int16x2_t odd = odd_bytes(v);""",
    16: """const uint32_t v = word(&x[j]);
        const uint32_t u = word(&x[j + 2]);
        const int16x2_t even = even_halves(v, u);
        const int16x2_t odd = odd_halves(v, u);""",
}

_ROW = """
#if LANES == 1
/* Sum of one row of weights times inputs of @B@ bits. */
static int32_t sum_x@B@_w8(const @T@ *x, const int8_t *w, int32_t length)
{
    int32_t j = 0;
    int32_t sum = 0;

#if defined(DSP)
    for (; j + 4 <= length; j += 4) {
        @LOAD@
        const uint32_t p = word(&w[j]);
        sum = __smlad(even_bytes(p), even, sum);
        sum = __smlad(odd_bytes(p), odd, sum);
    }
#endif
    for (; j < length; j++) {
        sum += (int32_t)w[j] * (int32_t)x[j];
    }
    return sum;
}
#endif
"""

_ROWS = """
/* Sums of four rows of weights, one behind the other: each input is loaded once for the four. */
static void sums_x@B@_w8(const @T@ *x, const int8_t *w, int32_t columns, int32_t length,
                        int32_t *sums)
{
    const int8_t *w1 = w + columns;
    const int8_t *w2 = w1 + columns;
    const int8_t *w3 = w2 + columns;
    int32_t s0 = 0;
    int32_t s1 = 0;
    int32_t s2 = 0;
    int32_t s3 = 0;
    int32_t j = 0;

#if defined(DSP)
    /* downwards: a register less */
    for (j = (length & ~3) - 4; j >= 0; j -= 4) {
        @LOAD@
        const uint32_t p0 = word(&w[j]);
        const uint32_t p1 = word(&w1[j]);
        const uint32_t p2 = word(&w2[j]);
        const uint32_t p3 = word(&w3[j]);
        s0 = __smlad(even_bytes(p0), even, s0);
        s0 = __smlad(odd_bytes(p0), odd, s0);
        s1 = __smlad(even_bytes(p1), even, s1);
        s1 = __smlad(odd_bytes(p1), odd, s1);
        s2 = __smlad(even_bytes(p2), even, s2);
        s2 = __smlad(odd_bytes(p2), odd, s2);
        s3 = __smlad(even_bytes(p3), even, s3);
        s3 = __smlad(odd_bytes(p3), odd, s3);
    }
    j = length & ~3;
#endif
    for (; j < length; j++) {
        const int32_t v = (int32_t)x[j];
        s0 += (int32_t)w[j] * v;
        s1 += (int32_t)w1[j] * v;
        s2 += (int32_t)w2[j] * v;
        s3 += (int32_t)w3[j] * v;
    }
    sums[0] = s0;
    sums[1] = s1;
    sums[2] = s2;
    sums[3] = s3;
}
"""

# A row of n columns in `parts` parts of `stride` columns: byte k holds columns k, k + stride, ...;
# its fields are the weights plus 8 (or 2), so that no sign has to be spread.
_PACKED4 = """
/* Sum of one row of 4-bit weights, each plus 8: byte k holds columns k and k + stride, the
   second only up to byte `full`. */
static int32_t sum_x@B@_w4(const int@B@_t *x, const int8_t *w, int32_t full, int32_t stride)
{
    int32_t low = 0;
    int32_t high = 0;
    int32_t k = 0;

#if defined(DSP)
    for (; k + 4 <= full; k += 4) {
        const uint32_t p = word(&w[k]);
        const uint32_t l = p & 0x0F0F0F0FU;
        const uint32_t h = (p >> 4) & 0x0F0F0F0FU;
        {
            int32_t j = k;
            @LOAD@
            low = __smlad(even_bytes(l), even, low);
            low = __smlad(odd_bytes(l), odd, low);
        }
        {
            int32_t j = k + stride;
            @LOAD@
            high = __smlad(even_bytes(h), even, high);
            high = __smlad(odd_bytes(h), odd, high);
        }
    }
#endif
    for (; k < full; k++) {
        const uint8_t p = (uint8_t)w[k];
        low += (int32_t)(@U@)(p & 15U) * (int32_t)x[k];
        high += (int32_t)(@U@)(p >> 4) * (int32_t)x[k + stride];
    }
    for (; k < stride; k++) {
        low += (int32_t)((uint8_t)w[k] & 15U) * (int32_t)x[k];
    }
    return low + high;
}
"""

_PACKED2 = """
/* Sum of one row of 2-bit weights, each plus 2: byte k holds columns k, k + stride,
   k + 2 stride and k + 3 stride, all of them up to byte `full`. */
static int32_t sum_x@B@_w2(const int@B@_t *x, const int8_t *w, int32_t full, int32_t stride,
                         int32_t columns)
{
    int32_t s0 = 0;
    int32_t s1 = 0;
    int32_t s2 = 0;
    int32_t s3 = 0;
    int32_t k = 0;

    for (; k < full; k++) {
        const uint8_t p = (uint8_t)w[k];
        s0 += (int32_t)(@U@)(p & 3U) * (int32_t)x[k];
        s1 += (int32_t)(@U@)((p >> 2) & 3U) * (int32_t)x[k + stride];
        s2 += (int32_t)(@U@)((p >> 4) & 3U) * (int32_t)x[k + 2 * stride];
        s3 += (int32_t)(@U@)(p >> 6) * (int32_t)x[k + 3 * stride];
    }
    for (; k < stride; k++) {
        uint32_t p = (uint8_t)w[k];
        for (int32_t j = k; j < columns; j += stride) {
            s0 += (int32_t)(p & 3U) * (int32_t)x[j];
            p >>= 2;
        }
    }
    return s0 + s1 + s2 + s3;
}
"""

_INPUTS = """
/* Sum of inputs: what packed weights, which are kept non-negative, count too much. */
static int32_t sum_x@B@(const int@B@_t *x, int32_t columns)
{
    int32_t sum = 0;

    for (int32_t j = 0; j < columns; j++) {
        sum += (int32_t)x[j];
    }
    return sum;
}
"""


def _for_inputs(text: str, bits: int) -> str:
    filled = text.replace("@LOAD@", _LOAD[bits]).replace("@B@", str(bits))
    filled = filled.replace("@T@", "lane8_t" if bits == 8 else "int16_t")
    return filled.replace("@U@", "uint8_t" if bits == 8 else "int16_t")


TEXTS = {
    "word": WORD,
    "even_bytes": EVEN_BYTES,
    "odd_bytes": ODD_BYTES,
    "even_halves": EVEN_HALVES,
    "odd_halves": ODD_HALVES,
    **{
        f"{name}_x{bits}{suffix}": _for_inputs(text, bits)
        for bits in (8, 16)
        for name, suffix, text in (
            ("sum", "_w8", _ROW),
            ("sums", "_w8", _ROWS),
            ("sum", "_w4", _PACKED4),
            ("sum", "_w2", _PACKED2),
            ("sum", "", _INPUTS),
        )
    },
}
"""Definitions by name."""
