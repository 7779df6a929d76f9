"""Integer features as the input of a program: against exact fractions."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgemem.errors import ConfigError
from edgemem.quantize import Format, IntegerOps, Operation, Program, Tensor, affine
from edgemem.quantize.features import FEATURES, fed_by_features


def program_of(form: Format, name: str = "x") -> Program:
    """A network that hands its three inputs through."""
    return Program(
        tensors={name: Tensor((3,), form), "y": Tensor((3,), form)},
        operations=(Operation("slice", "y", (name,), {"start": 0, "stop": 3}),),
        arrays={},
        constants={},
        weights={},
        states={},
        input=name,
        output="y",
    )


def run(program: Program, features: np.ndarray) -> np.ndarray:
    _, values = IntegerOps(program).step({}, features)
    return np.asarray(values[program.output])


@given(
    features=st.lists(st.integers(-(2**15), 2**15 - 1), min_size=3, max_size=3),
    fraction_bits=st.integers(-4, 15),
    bits=st.sampled_from([8, 16]),
    low=st.floats(-300.0, 0.0),
    high=st.floats(1.0, 300.0),
)
def test_features_become_the_integers_next_to_their_reals(
    features: list[int], fraction_bits: int, bits: int, low: float, high: float
) -> None:
    form = affine(low, high, bits)
    scale = 2.0**-fraction_bits
    try:
        fed = fed_by_features(program_of(form), scale)
    except ConfigError:
        assert scale / float(form.scale) >= 2**15
        return
    got = run(fed, np.array(features, np.int16))
    # rounded twice: a half, and before it the half of a value that is finer by the right shift
    right = max(0, -fed.operations[0].attrs["shift"])
    allowed = Fraction(1, 2) + Fraction(1, 2**20) + (Fraction(1, 2 ** (right + 1)) if right else 0)
    assert got.dtype == np.dtype(form.dtype)
    for feature, integer in zip(features, got.tolist()):
        exact = Fraction(feature) * Fraction(scale) / Fraction(float(form.scale)) + form.zero_point
        bounded = min(max(exact, Fraction(form.lowest)), Fraction(form.highest))
        assert abs(integer - bounded) <= allowed


@pytest.mark.parametrize(
    ("scale", "features", "integers"),
    [(0.5, [1, -1, 3], [1, 0, 2]), (0.25, [2, -2, -6], [1, -1, -2])],
)
def test_halves_go_where_the_kernels_round_them(
    scale: float, features: list[int], integers: list[int]
) -> None:
    # a factor of 1/2 is one rounding, halves up; 1/4 is a second one, halves away from zero
    fed = fed_by_features(program_of(Format(8, 1.0)), scale)
    assert run(fed, np.array(features, np.int16)).tolist() == integers


def test_the_name_of_the_features_is_a_free_one() -> None:
    fed = fed_by_features(program_of(Format(8, 1.0), name=FEATURES), 0.5)
    assert fed.input not in ("y", FEATURES)
    assert fed.tensors[fed.input].form.bits == 16
    assert fed.n_in == 3


def test_steps_that_32_bits_do_not_hold_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"features have a step of 65536.0, .* calibrate"):
        fed_by_features(program_of(Format(16, 1.0)), 65536.0)
