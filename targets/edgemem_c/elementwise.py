"""C text of what is done element by element, and of the table of the logistic function."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from edgemem.quantize.curves import SIGMOID_TABLE

ROUNDING_SHIFT = """
/* x / 2^bits to the nearest integer, halves away from zero; bits from 0 to 31. */
static int32_t rounding_shift(int32_t x, int32_t bits)
{
    const int32_t mask = (int32_t)((UINT32_C(1) << bits) - 1U);
    const int32_t threshold = (mask >> 1) + (x < 0 ? 1 : 0);

    return (x >> bits) + ((x & mask) > threshold ? 1 : 0);
}
"""

RESCALED = """
/* x multiplier 2^(shift - 31), rounded to the nearest integer twice: halves up, then away from
   zero. That x 2^shift stays within 32 bits was shown when this file was written. */
static int32_t rescaled(int32_t x, int32_t multiplier, int32_t shift)
{
    const int32_t left = shift > 0 ? shift : 0;
    const int64_t product = (int64_t)(x * (int32_t)(UINT32_C(1) << left)) * multiplier;

    return rounding_shift((int32_t)((product + (INT64_C(1) << 30)) >> 31), left - shift);
}
"""

LOWERED = """
/* As above for shift < 0 and |x| below 2^30: half the way to the next step cannot overflow. */
static int32_t lowered(int32_t x, int32_t multiplier, int32_t shift)
{
    const int64_t product = (int64_t)x * multiplier + (INT64_C(1) << 30);
    const int32_t high = (int32_t)(product >> 31);
    const int32_t half = (int32_t)((UINT32_C(1) << -shift) >> 1);

    return (high + half - (high < 0 ? 1 : 0)) >> -shift;
}
"""

CLAMPED = """
/* zero + x, with x within [low, high]. */
static int32_t clamped(int32_t x, int32_t zero, int32_t low, int32_t high)
{
    return zero + (x < low ? low : (x > high ? high : x));
}
"""

INTERPOLATED = """
/* The table's value at magnitude / 2^bits, times 2^bits. */
static int32_t interpolated(int32_t magnitude, int32_t bits, int32_t saturated)
{
    const int32_t place = magnitude >> bits;
    const int32_t entry = place < 254 ? place : 254;
    const int32_t low = (int32_t)sigmoid_table[entry];
    const int32_t high = (int32_t)sigmoid_table[entry + 1];
    const int32_t one = (int32_t)(UINT32_C(1) << bits);

    return place >= 255 ? saturated : low * one + (magnitude & (one - 1)) * (high - low);
}
"""

SUM_T = """
typedef struct {
    int32_t left; /* bits that both operands gain before they are scaled */
    int32_t zero_a;
    int32_t multiplier_a;
    int32_t shift_a;
    int32_t zero_b;
    int32_t multiplier_b;
    int32_t shift_b;
    int32_t multiplier;
    int32_t shift;
    int32_t zero;
    int32_t low;
    int32_t high;
} sum_t;
"""

SUM_SCALED = """
/* y = clamp(zero + scaled(scaled(a) @SIGN@ scaled(b))). */
static void @NAME@(const sum_t *p, const @A@ *a, const @B@ *b, @Y@ *y, int32_t n)
{
    const sum_t c = *p;

    INDEPENDENT
    for (int32_t i = 0; i < n; i++) {
        const int32_t u = ((int32_t)a[i] - c.zero_a) * (int32_t)(UINT32_C(1) << c.left);
        const int32_t v = ((int32_t)b[@I@] - c.zero_b) * (int32_t)(UINT32_C(1) << c.left);
        const int32_t sum = rescaled(u, c.multiplier_a, c.shift_a)
            @SIGN@ rescaled(v, c.multiplier_b, c.shift_b);
        y[i] = (@Y@)clamped(rescaled(sum, c.multiplier, c.shift), c.zero, c.low, c.high);
    }
}
"""

SUM_SHIFTED = """
/* As above where the finer operand needs a shift alone. */
static void @NAME@(const sum_t *p, const @A@ *a, const @B@ *b, @Y@ *y, int32_t n)
{
    const sum_t c = *p;

    INDEPENDENT
    for (int32_t i = 0; i < n; i++) {
        const int32_t sum = rounding_shift((int32_t)a[i] - c.zero_a, c.shift_a)
            @SIGN@ rounding_shift((int32_t)b[@I@] - c.zero_b, c.shift_b);
        y[i] = (@Y@)clamped(sum, c.zero, c.low, c.high);
    }
}
"""

SUM_PLAIN = """
/* y = clamp(zero + a @SIGN@ b): all on one scale. */
static void @NAME@(const sum_t *p, const @A@ *a, const @B@ *b, @Y@ *y, int32_t n)
{
    const sum_t c = *p;

    INDEPENDENT
    for (int32_t i = 0; i < n; i++) {
        const int32_t sum = ((int32_t)a[i] - c.zero_a) @SIGN@ ((int32_t)b[@I@] - c.zero_b);
        y[i] = (@Y@)clamped(sum, c.zero, c.low, c.high);
    }
}
"""

MUL = """
/* y = clamp(zero + scaled(a b)). */
static void @NAME@(const sum_t *p, const @A@ *a, const @B@ *b, @Y@ *y, int32_t n)
{
    const sum_t c = *p;

    INDEPENDENT
    for (int32_t i = 0; i < n; i++) {
        const int32_t product = ((int32_t)a[i] - c.zero_a) * ((int32_t)b[@I@] - c.zero_b);
        y[i] = (@Y@)clamped(rescaled(product, c.multiplier, c.shift), c.zero, c.low, c.high);
    }
}
"""

RESCALE = """
/* y = clamp(zero + scaled(a)). */
static void @NAME@(const sum_t *p, const @A@ *a, @Y@ *y, int32_t n)
{
    const sum_t c = *p;

    INDEPENDENT
    for (int32_t i = 0; i < n; i++) {
        const int32_t scaled = rescaled((int32_t)a[i] - c.zero_a, c.multiplier, c.shift);
        y[i] = (@Y@)clamped(scaled, c.zero, c.low, c.high);
    }
}
"""

NARROW = """
/* y = clamp(zero + a / 2^shift) to the nearest integer, halves towards zero. */
static void @NAME@(const sum_t *p, const @A@ *a, @Y@ *y, int32_t n)
{
    const sum_t c = *p;
    const int32_t half = (int32_t)((UINT32_C(1) << c.shift) >> 1);
    const int32_t down = half > 0 ? half - 1 : 0;

    INDEPENDENT
    for (int32_t i = 0; i < n; i++) {
        const int32_t nearest = ((int32_t)a[i] + (a[i] < 0 ? half : down)) >> c.shift;
        y[i] = (@Y@)clamped(nearest, c.zero, c.low, c.high);
    }
}
"""

WIDEN = """
/* y = a */
static void @NAME@(const @A@ *a, @Y@ *y, int32_t n)
{
    for (int32_t i = 0; i < n; i++) {
        y[i] = a[i];
    }
}
"""

SIGMOID = """
/* y = 2^15 / (1 + exp(-a)) by the table. */
static void @NAME@(const sum_t *p, const @A@ *a, int16_t *y, int32_t n)
{
    const int32_t multiplier = p->multiplier;
    const int32_t shift = p->shift;
    const int32_t half = shift > 0 ? (int32_t)(UINT32_C(1) << (shift - 1)) : 0;

    INDEPENDENT
    for (int32_t i = 0; i < n; i++) {
        const int32_t argument = ((int32_t)a[i] * multiplier + half) >> shift;
        const int32_t magnitude = argument < 0 ? -argument : argument;
        const int32_t value = interpolated(magnitude, 9, 33553408);
        y[i] = (int16_t)((argument < 0 ? 33554432 - value + 511 : value + 512) >> 10);
    }
}
"""

TANH = """
/* y = 2^15 tanh(a): 2 sigmoid(2 a) - 1 by the table. */
static void @NAME@(const sum_t *p, const @A@ *a, int16_t *y, int32_t n)
{
    const int32_t multiplier = p->multiplier;
    const int32_t shift = p->shift;
    const int32_t half = shift > 0 ? (int32_t)(UINT32_C(1) << (shift - 1)) : 0;

    INDEPENDENT
    for (int32_t i = 0; i < n; i++) {
        const int32_t argument = ((int32_t)a[i] * multiplier + half) >> shift;
        const int32_t magnitude = argument < 0 ? -argument : argument;
        const int32_t value = interpolated(magnitude, 8, 16776960) - 8388608;
        y[i] = (int16_t)((argument < 0 ? 127 - value : value + 128) >> 8);
    }
}
"""


def sigmoid_table() -> str:
    """The table of the logistic function, 512 bytes."""
    values = [str(value) for value in SIGMOID_TABLE.tolist()]
    rows = [", ".join(values[i : i + 12]) for i in range(0, len(values), 12)]
    body = ",\n    ".join(rows)
    return (
        "\n/* 65536 / (1 + exp(-k / 24)) */\n"
        "#if LANES > 1\ntypedef int32_t table_t; /* what vector units gather */\n"
        "#else\ntypedef uint16_t table_t;\n#endif\n"
        f"static const table_t sigmoid_table[{len(values)}] = {{\n    {body}\n}};\n"
    )


ELEMENTWISE: Mapping[str, str] = {
    "add": SUM_SCALED,
    "sub": SUM_SCALED,
    "add_shifted": SUM_SHIFTED,
    "sub_shifted": SUM_SHIFTED,
    "add_plain": SUM_PLAIN,
    "sub_plain": SUM_PLAIN,
    "mul": MUL,
    "rescale": RESCALE,
    "narrow": NARROW,
    "widen": WIDEN,
    "sigmoid": SIGMOID,
    "tanh": TANH,
}
"""Templates by what they do; :func:`elementwise_name` names their instances."""


def elementwise_name(what: str, widths: Iterable[int], scalar: bool = False) -> str:
    """Name of an elementwise kernel for operands and result of these widths.

    ``scalar`` says that the second operand is one number.
    """
    return "_".join((what, *(f"{bits}" for bits in widths), *(["by"] if scalar else [])))


_NAMED = re.compile(r"(?P<what>[a-z_]+?)_(?P<widths>\d+(?:_\d+)*)(?P<by>_by)?")


def instance(name: str) -> str | None:
    """The definition that :func:`elementwise_name` named so, or None."""
    found = _NAMED.fullmatch(name)
    if found is None or found["what"] not in ELEMENTWISE:
        return None
    widths = found["widths"].split("_")
    types = {"A": widths[0], "B": widths[1], "Y": widths[-1]}
    text = ELEMENTWISE[found["what"]].replace("@NAME@", name)
    for key, bits in types.items():
        text = text.replace(f"@{key}@", f"int{bits}_t")
    text = text.replace("@SIGN@", "-" if found["what"].startswith("sub") else "+")
    return text.replace("@I@", "0" if found["by"] else "i")


TEXTS = {
    "sum_t": SUM_T,
    "rounding_shift": ROUNDING_SHIFT,
    "rescaled": RESCALED,
    "lowered": LOWERED,
    "clamped": CLAMPED,
    "sigmoid_table": sigmoid_table(),
    "interpolated": INTERPOLATED,
}
"""Definitions by name."""
