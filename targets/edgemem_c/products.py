"""C text of the products: matrices of 8, 4 or 2 bits times vectors of 8 or 16."""

from __future__ import annotations

BLOCK = 16
"""So many rows are summed before they are scaled together, which vectorises."""

_STRUCT = """
typedef struct {
    const int8_t *weight;
    const int32_t *bias; /* zero points are folded in; NULL: none */
    const int32_t *multiplier;
    const int8_t *shift;
    int32_t rows;
    int32_t columns;
    int32_t zero;
    int32_t low; /* limits of the result, less its zero point */
    int32_t high;
} product_t;
"""

_FINISH = """
/* Sums of @BLOCK@ rows or fewer, from row `first` on, to results of @B@ bits. */
static void finish@B@(const product_t *p, int32_t first, int32_t n, const int32_t *sums,
                      int@B@_t *y)
{
    const int32_t *multiplier = &p->multiplier[first];
    const int8_t *shift = &p->shift[first];

    for (int32_t k = 0; k < n; k++) {
        y[k] = (int@B@_t)clamped(rescaled(sums[k], multiplier[k], shift[k]), p->zero, p->low,
                                 p->high);
    }
}
"""

_ADD_BIAS = """
/* Sums with the biases of their rows. */
static void add_bias(const product_t *p, int32_t first, int32_t n, int32_t *sums)
{
    if (p->bias != NULL) {
        for (int32_t k = 0; k < n; k++) {
            sums[k] += p->bias[first + k];
        }
    }
}
"""

_PRODUCT = """
/* y = clamp(zero + scaled(bias + W x)): inputs of @B@ bits, weights of 8, @BLOCK@ rows at a
   time. */
static void product@B@_w8(const product_t *p, const int@B@_t *x, int@B@_t *y)
{
    const int32_t columns = p->columns;
    int32_t sums[@BLOCK@];
@WIDENED@
    for (int32_t i = 0; i < p->rows; i += @BLOCK@) {
        const int32_t n = p->rows - i < @BLOCK@ ? p->rows - i : @BLOCK@;
        const int8_t *w = &p->weight[i * columns];
        int32_t k = 0;

        for (; k + 4 <= n; k += 4) {
            @SUMS@(@X@, &w[k * columns], columns, &sums[k]);
        }
        for (; k < n; k++) {
            sums[k] = @SUM@(@X@, &w[k * columns], columns);
        }
        add_bias(p, i, n, sums);
        finish@B@(p, i, n, sums, &y[i]);
    }
}
"""

_WIDENED = """#if defined(WIDEN_INPUT)
    int16_t wide[LONGEST_ROW];

    for (int32_t j = 0; j < columns; j++) {
        wide[j] = x[j];
    }
#else
    const int8_t *wide = x;
#endif
"""

_CHOICE = """
#if defined(WIDEN_INPUT)
#define SUM_W8 sum_x16_w8
#define SUMS_W8 sums_x16_w8
#else
#define SUM_W8 sum_x8_w8
#define SUMS_W8 sums_x8_w8
#endif
"""

_PACKED = """
/* As product@B@_w8 with weights of @W@ bits, @PARTS@ to a byte. */
static void product@B@_w@W@(const product_t *p, const int@B@_t *x, int@B@_t *y)
{
    const int32_t columns = p->columns;
    const int32_t stride = (columns + @LAST@) / @PARTS@;
    const int32_t surplus = @HALF@ * sum_x@B@(x, columns);
    int32_t sums[@BLOCK@];

    for (int32_t i = 0; i < p->rows; i += @BLOCK@) {
        const int32_t n = p->rows - i < @BLOCK@ ? p->rows - i : @BLOCK@;

        for (int32_t k = 0; k < n; k++) {
            sums[k] = sum_x@B@_w@W@(x, &p->weight[(i + k) * stride], stride, columns) - surplus;
        }
        add_bias(p, i, n, sums);
        finish@B@(p, i, n, sums, &y[i]);
    }
}
"""


def _plain(bits: int) -> str:
    names = {
        8: {"X": "wide", "SUM": "SUM_W8", "SUMS": "SUMS_W8", "WIDENED": _WIDENED.rstrip("\n")},
        16: {"X": "x", "SUM": "sum_x16_w8", "SUMS": "sums_x16_w8", "WIDENED": ""},
    }
    return _filled(_PRODUCT, {"B": bits, **names[bits]})


def _packed(bits: int, weight_bits: int) -> str:
    parts = 8 // weight_bits
    values = {"B": bits, "W": weight_bits, "PARTS": parts, "LAST": parts - 1}
    return _filled(_PACKED, {**values, "HALF": (1 << weight_bits) // 2})


def _filled(text: str, values: dict[str, object]) -> str:
    for name, value in {"BLOCK": BLOCK, **values}.items():
        text = text.replace(f"@{name}@", str(value))
    return text


TEXTS = {
    "product_t": _STRUCT,
    "add_bias": _ADD_BIAS,
    "finish8": _filled(_FINISH, {"B": 8}),
    "finish16": _filled(_FINISH, {"B": 16}),
    "SUM_W8": _CHOICE,
    "product8_w8": _plain(8),
    "product16_w8": _plain(16),
    **{f"product{b}_w{w}": _packed(b, w) for b in (8, 16) for w in (4, 2)},
}
"""Definitions by name."""
