from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgemem.errors import ConfigError
from edgemem.quantize import Format, affine, per_row, symmetric

finite = st.floats(-1e6, 1e6, width=32)


@given(finite, finite, st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_affine_is_within_half_a_step_and_holds_zero(
    a: float, b: float, shares: list[float]
) -> None:
    low, high = min(a, b), max(a, b)
    form = affine(low, high)
    x = low + np.array(shares) * (high - low)
    error = np.abs(form.dequantize(form.quantize(x)) - x)
    # the zero point is rounded too, which may cost the far end half a step more
    assert np.all(error <= form.scale * (1.0 + 1e-5))
    assert form.dequantize(form.quantize(np.zeros(1))) == 0.0


@given(st.floats(1e-6, 1e6), st.sampled_from([8, 16]), st.lists(st.floats(-1, 1), min_size=1))
def test_symmetric_is_within_half_a_step(magnitude: float, bits: int, shares: list[float]) -> None:
    form = symmetric(magnitude, bits)
    x = np.array(shares) * magnitude
    error = np.abs(form.dequantize(form.quantize(x)) - x)
    assert form.zero_point == 0
    assert np.all(error <= form.scale * 0.5 * (1.0 + 1e-3))


@given(st.floats(1e-6, 1e6), st.sampled_from([8, 16]))
def test_power_of_two_covers_the_range_without_waste(magnitude: float, bits: int) -> None:
    scale = float(symmetric(magnitude, bits, power_of_two=True).scale)
    assert np.log2(scale) == np.rint(np.log2(scale))
    assert scale / 2 < magnitude / 2.0 ** (bits - 1) * (1 + 1e-6) and magnitude <= scale * 2.0 ** (
        bits - 1
    ) * (1 + 1e-6)


def test_one_stands_in_the_format_of_tanh() -> None:
    assert symmetric(1.0, 16, power_of_two=True).scale == 2.0**-15


def test_affine_by_hand() -> None:
    form = affine(0.0, 25.5)
    assert (form.scale, form.zero_point) == (pytest.approx(0.1), -128)
    np.testing.assert_array_equal(
        form.quantize(np.array([0.0, 0.1, 25.5, 99.0])), [-128, -127, 127, 127]
    )


def test_per_row_gives_each_row_its_scale() -> None:
    weight = np.array([[127.0, -1.0], [0.0, 0.0], [-1.27, 0.5]])
    form = per_row(weight)
    np.testing.assert_allclose(np.asarray(form.scale)[[0, 2]], [1.0, 0.01], rtol=1e-6)
    np.testing.assert_array_equal(form.quantize(weight), [[127, -1], [0, 0], [-127, 50]])


def test_rounds_half_to_even_and_saturates() -> None:
    np.testing.assert_array_equal(
        Format(8, 1.0).quantize(np.array([0.5, 1.5, -0.5, 1e9, -1e9])), [0, 2, 0, 127, -128]
    )


def test_wide_integers_do_not_wrap() -> None:
    assert Format(64, 1e-30).quantize(np.array([1.0]))[0] > 0
    assert Format(64, 1e-30).quantize(np.array([-1.0]))[0] < 0


@pytest.mark.parametrize("scale", [0.0, -1.0, np.nan, np.inf])
def test_refuses_a_scale_that_is_none(scale: float) -> None:
    with pytest.raises(ConfigError, match="greater than 0"):
        Format(8, scale)
