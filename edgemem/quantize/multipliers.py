"""Real factors between formats as integers: ``factor = multiplier 2^(shift - 31)``.

In the floating-point precision in which TFLite's kernels derive them from the scales in a file, so
that the integers are the same.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edgemem.quantize.formats import Format

HIGHEST = 1 << 31


def quantize_multiplier(factor: float) -> tuple[int, int]:
    """Multiplier in [2^30, 2^31), rounded half up, and shift; zeros for a factor below 2^-32.

    TFLite's ``QuantizeMultiplier``.
    """
    if factor == 0.0:
        return 0, 0
    mantissa, shift = math.frexp(factor)
    multiplier = math.floor(mantissa * HIGHEST + 0.5)
    if multiplier == HIGHEST:
        multiplier, shift = multiplier // 2, shift + 1
    return (0, 0) if shift < -31 else (multiplier, shift)


def of_product(x: Format, weight: Format, y: Format) -> tuple[NDArray[np.int32], NDArray[np.int8]]:
    """Multiplier and shift of each row: ``s_x s_w / s_y`` in 64-bit floats."""
    factors = float(x.scale) * np.atleast_1d(np.asarray(weight.scale)) / float(y.scale)
    pairs = [quantize_multiplier(float(factor)) for factor in factors]
    multipliers, shifts = zip(*pairs)
    return np.array(multipliers, np.int32), np.array(shifts, np.int8)


def of_rescale(x: Format, y: Format) -> dict[str, int]:
    """``s_x / s_y`` in 64-bit floats."""
    multiplier, shift = quantize_multiplier(float(x.scale) / float(y.scale))
    return {"multiplier": multiplier, "shift": shift}


def of_mul(a: Format, b: Format, y: Format) -> dict[str, int]:
    """``s_a s_b / s_y`` in 32-bit floats."""
    factor = np.float32(a.scale) * np.float32(b.scale) / np.float32(y.scale)
    multiplier, shift = quantize_multiplier(float(factor))
    return {"multiplier": multiplier, "shift": shift}


def of_sum(a: Format, b: Format, y: Format) -> dict[str, int]:
    """Shifts where every scale is a power of two and the coarser operand has the result's.

    Otherwise both operands are brought to half of the larger scale with ``left`` more bits, and
    their sum to the result's.
    """
    if only_shifts((a, b), y):
        return {"shift_a": _log2(y) - _log2(a), "shift_b": _log2(y) - _log2(b)}
    left = 15 if y.bits == 16 else 20
    larger = float(2 * max(np.float32(a.scale), np.float32(b.scale)))
    attrs = {"left": left}
    for name, form in (("a", a), ("b", b)):
        attrs[f"multiplier_{name}"], attrs[f"shift_{name}"] = quantize_multiplier(
            float(form.scale) / larger
        )
    attrs["multiplier"], attrs["shift"] = quantize_multiplier(
        larger / float(np.float32(1 << left) * np.float32(y.scale))
    )
    return attrs


def only_shifts(operands: Sequence[Format], y: Format) -> bool:
    """Whether TFLite's shifting form of 16-bit addition applies."""
    if any(form.bits != 16 or not is_power_of_two(form) for form in (*operands, y)):
        return False
    scales = [float(form.scale) for form in operands]
    # a shift by more than an operand has bits would be undefined
    return max(scales) == float(y.scale) and min(scales) >= float(y.scale) * 2.0**-15


def is_power_of_two(form: Format) -> bool:
    """Whether the format has one scale, a power of two."""
    return np.ndim(form.scale) == 0 and math.frexp(float(form.scale))[0] == 0.5


def _log2(form: Format) -> int:
    return math.frexp(float(form.scale))[1] - 1
