"""C text of the products: matrices of 8, 4 or 2 bits times vectors of 8 or 16."""

from __future__ import annotations

from collections.abc import Mapping

BLOCK = 16
"""So many rows are summed before they are scaled together, which vectorises."""

LOW = "_low"
"""Ending of the kernels for factors below 1/2 and sums below 2^30: less work for each row."""

SUFFIXES = ("", LOW)

_STRUCT = """
typedef struct {
    const int8_t *weight;
    const int32_t *bias; /* zero points are folded in */
    const int32_t *multiplier;
    const shift_t *shift;
    int32_t rows;
    int32_t columns;
    int32_t zero;
    int32_t low; /* limits of the result, less its zero point */
    int32_t high;
} product_t;
"""

_FINISH = """
/* Scales the sums of `n` rows, from row `first` on, with their biases to results of @B@ bits. */
static void finish@B@@S@(const product_t *p, int32_t first, int32_t n, const int32_t *sums,
                      int@B@_t *y)
{
    const product_t c = *p;

    for (int32_t k = 0; k < n; k++) {
        const int32_t row = first + k;
        const int32_t scaled = @RESCALED@(sums[k] + c.bias[row], c.multiplier[row], c.shift[row]);
        y[k] = (int@B@_t)clamped(scaled, c.zero, c.low, c.high);
    }
}
"""

_PRODUCT = """
/* y = clamp(zero + scaled(bias + W x)) of each vector x: inputs of @B@ bits, weights of 8. */
static void product@B@_w8@S@(const product_t *p, int32_t vectors, const int@B@_t *x, int@B@_t *y)
{
    const int32_t columns = p->columns;
#if LANES > 1
    /* everything in whole blocks: all inputs, then all sums, then all results */
    const int32_t length = UP_TO(columns, LANES);
    const int32_t padded = UP_TO(p->rows, @BLOCK@);
    @T@ lanes[MOST_INPUTS@B@];
    int32_t sums[MOST_SUMS@B@];
    int@B@_t all[MOST_SUMS@B@];

    (void)memset(lanes, 0, (size_t)(vectors * length) * sizeof lanes[0]);
    (void)memset(sums, 0, (size_t)(vectors * padded) * sizeof sums[0]);
    (void)memset(all, 0, (size_t)(vectors * padded) * sizeof all[0]);
    for (int32_t v = 0; v < vectors; v++) {
        for (int32_t j = 0; j < columns; j++) {
            lanes[v * length + j] = @LANE@;
        }
    }
    for (int32_t v = 0; v < vectors; v++) {
        for (int32_t i = 0; i < p->rows; i += 4) {
            sums_x@B@_w8(&lanes[v * length], &p->weight[i * columns], columns, length,
                         &sums[v * padded + i]);
        }
    }
    for (int32_t v = 0; v < vectors; v++) {
        finish@B@@S@(p, 0, padded, &sums[v * padded], &all[v * p->rows]);
    }
    (void)memcpy(y, all, (size_t)(vectors * p->rows) * sizeof y[0]);
@CMSIS@#else
    for (int32_t v = 0; v < vectors; v++) {
        const int@B@_t *xv = &x[v * columns];

        for (int32_t i = 0; i < p->rows; i += @BLOCK@) {
            const int32_t n = p->rows - i < @BLOCK@ ? p->rows - i : @BLOCK@;
            const int8_t *w = &p->weight[i * columns];
            int32_t sums[@BLOCK@];
            int32_t k = 0;

            for (; k + 4 <= n; k += 4) {
                sums_x@B@_w8(xv, &w[k * columns], columns, columns, &sums[k]);
            }
            for (; k < n; k++) {
                sums[k] = sum_x@B@_w8(xv, &w[k * columns], columns);
            }
            finish@B@@S@(p, i, n, sums, &y[v * p->rows + i]);
        }
    }
#endif
}
"""

_CMSIS = """#elif defined(@P@_USE_CMSIS_NN)
    /* zero points are in the biases, so that these are what is to be added to each row's sum */
    const cmsis_nn_context context = {(void *)(uintptr_t)p->bias, 0};
    const cmsis_nn_fc_params params = {0, 0, p->zero, {p->zero + p->low, p->zero + p->high}};
    const cmsis_nn_per_channel_quant_params scales = {
        (int32_t *)(uintptr_t)p->multiplier, (int32_t *)(uintptr_t)p->shift};
    const cmsis_nn_dims input = {vectors, 1, 1, columns};
    const cmsis_nn_dims filter = {columns, 1, 1, p->rows};
    const cmsis_nn_dims biases = {1, 1, 1, p->rows};
    const cmsis_nn_dims output = {vectors, 1, 1, p->rows};

    (void)arm_fully_connected_per_channel_s8(&context, &params, &scales, &input, x, &filter,
                                             p->weight, &biases, p->bias, &output, y);
"""

_PACKED = """
/* As above with weights of @W@ bits, @PARTS@ to a byte. */
static void product@B@_w@W@@S@(const product_t *p, int32_t vectors, const int@B@_t *x, int@B@_t *y)
{
    const int32_t columns = p->columns;
    const int32_t stride = (columns + @LAST@) / @PARTS@;
#if LANES > 1
    const int32_t length = UP_TO(stride, LANES);
    const int32_t padded = UP_TO(p->rows, @BLOCK@);
    int@B@_t lanes[MOST_INPUTS@B@];
    int32_t sums[MOST_SUMS@B@];
    int@B@_t all[MOST_SUMS@B@];

    (void)memset(sums, 0, (size_t)padded * sizeof sums[0]);
    (void)memset(all, 0, (size_t)padded * sizeof all[0]);
    for (int32_t v = 0; v < vectors; v++) {
        const int32_t surplus = @HALF@ * sum_x@B@(&x[v * columns], columns);

        /* each part with zeros behind it */
        (void)memset(lanes, 0, (size_t)(@PARTS@ * length) * sizeof lanes[0]);
        for (int32_t part = 0; part * stride < columns; part++) {
            const int32_t left = columns - part * stride;
            const int32_t n = left < stride ? left : stride;
            (void)memcpy(&lanes[part * length], &x[v * columns + part * stride],
                         (size_t)n * sizeof lanes[0]);
        }
        for (int32_t i = 0; i < p->rows; i++) {
            sums[i] = sum_x@B@_w@W@(lanes, &p->weight[i * stride], length, length@MORE@) - surplus;
        }
        finish@B@@S@(p, 0, padded, sums, all);
        (void)memcpy(&y[v * p->rows], all, (size_t)p->rows * sizeof y[0]);
    }
#else
    for (int32_t v = 0; v < vectors; v++) {
        const int@B@_t *xv = &x[v * columns];
        const int32_t surplus = @HALF@ * sum_x@B@(xv, columns);

        for (int32_t i = 0; i < p->rows; i += @BLOCK@) {
            const int32_t n = p->rows - i < @BLOCK@ ? p->rows - i : @BLOCK@;
            int32_t sums[@BLOCK@];

            for (int32_t k = 0; k < n; k++) {
                const int8_t *w = &p->weight[(i + k) * stride];
                sums[k] = sum_x@B@_w@W@(xv, w, columns - @LAST@ * stride, stride@COLUMNS@)
                    - surplus;
            }
            finish@B@@S@(p, i, n, sums, &y[v * p->rows + i]);
        }
    }
#endif
}
"""


def _plain(bits: int, suffix: str) -> str:
    values: dict[int, dict[str, object]] = {
        8: {
            "T": "lane8_t",
            "CMSIS": _CMSIS,
            "LANE": "(lane8_t)(OFFSET > 0 ? (uint8_t)X ^ OFFSET : X)".replace(
                "X", "x[v * columns + j]"
            ),
        },
        16: {"T": "int16_t", "CMSIS": "", "LANE": "x[v * columns + j]"},
    }
    return _filled(_PRODUCT, {"B": bits, "S": suffix, **values[bits]})


def _packed(bits: int, weight_bits: int, suffix: str) -> str:
    parts = 8 // weight_bits
    values: dict[str, object] = {
        "B": bits,
        "W": weight_bits,
        "PARTS": parts,
        "LAST": parts - 1,
        "S": suffix,
    }
    values["HALF"] = (1 << weight_bits) // 2
    # with four parts the last ones may hold nothing at all
    values["MORE"], values["COLUMNS"] = (", 0", ", columns") if weight_bits == 2 else ("", "")
    return _filled(_PACKED, values)


def _filled(text: str, values: Mapping[str, object]) -> str:
    for name, value in {"BLOCK": BLOCK, **values}.items():
        text = text.replace(f"@{name}@", str(value))
    return text


def _finish(bits: int, suffix: str) -> str:
    rescaled = "lowered" if suffix else "rescaled"
    return _filled(_FINISH, {"B": bits, "S": suffix, "RESCALED": rescaled})


TEXTS = {
    "product_t": _STRUCT,
    **{f"finish{b}{s}": _finish(b, s) for b in (8, 16) for s in SUFFIXES},
    **{f"product{b}_w8{s}": _plain(b, s) for b in (8, 16) for s in SUFFIXES},
    **{f"product{b}_w{w}{s}": _packed(b, w, s) for b in (8, 16) for w in (4, 2) for s in SUFFIXES},
}
"""Definitions by name."""
