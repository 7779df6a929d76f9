"""The integer semantics against exact arithmetic and against the functions they stand for."""

from __future__ import annotations

import json
from fractions import Fraction
from math import floor
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgemem.errors import GraphError
from edgemem.quantize import Format, IntegerOps, Operation, Program, Tensor, multipliers
from edgemem.quantize.curves import SIGMOID_TABLE, argument_multiplier
from edgemem.quantize.formats import shift_between, shifted
from edgemem.quantize.integer import doubling_high_mul, rescaled, rounding_shift
from edgemem.quantize.stored import program_of

int32 = st.integers(-(2**31) + 1, 2**31 - 1)


def half_away(x: Fraction) -> int:
    return floor(x + Fraction(1, 2)) if x >= 0 else -floor(-x + Fraction(1, 2))


@given(int32, st.integers(0, 31))
def test_a_shift_rounds_to_the_nearest_and_halves_away_from_zero(x: int, bits: int) -> None:
    assert rounding_shift(np.array([x]), bits)[0] == half_away(Fraction(x, 2**bits))


@given(int32, st.integers(0, 2**31 - 1))
def test_the_high_half_rounds_to_the_nearest_and_halves_up(x: int, multiplier: int) -> None:
    exact = Fraction(x * multiplier, 2**31)
    assert doubling_high_mul(np.array([x]), multiplier)[0] == floor(exact + Fraction(1, 2))


@given(st.integers(-(2**30), 2**30), st.floats(1e-8, 0.9))
def test_a_factor_is_within_a_step_of_the_exact_product(x: int, factor: float) -> None:
    multiplier, shift = multipliers.quantize_multiplier(factor)
    exact = Fraction(x) * Fraction(multiplier) * Fraction(2) ** (shift - 31)
    got = int(rescaled(np.array([x]), multiplier, shift)[0])
    # the first rounding can carry a value just below a half over it
    assert abs(got - exact) <= Fraction(1, 2) + Fraction(1, 2) ** max(1, 1 - shift)


@given(st.floats(2.0**-30, 2.0**10))
def test_a_multiplier_holds_31_bits_of_a_factor(factor: float) -> None:
    multiplier, shift = multipliers.quantize_multiplier(factor)
    assert 2**30 <= multiplier < 2**31
    assert multiplier * 2.0 ** (shift - 31) == pytest.approx(factor, rel=2.0**-31)


@pytest.mark.parametrize(
    ("factor", "expected"),
    [(0.0, (0, 0)), (0.5, (2**30, 0)), (0.25, (2**30, -1)), (1.0, (2**30, 1)), (2.0**-40, (0, 0))],
)
def test_multipliers_by_hand(factor: float, expected: tuple[int, int]) -> None:
    assert multipliers.quantize_multiplier(factor) == expected


def test_a_mantissa_that_rounds_up_to_one_becomes_a_half() -> None:
    assert multipliers.quantize_multiplier(float(np.nextafter(1.0, 0.0))) == (2**30, 1)


def run(kind: str, *inputs: tuple[Format, Any], form: Format, **given: Any) -> np.ndarray:
    """One operation over vectors."""
    arrays = given.pop("arrays", {})
    shape = given.pop("shape", np.shape(inputs[0][1]))
    tensors = {f"in{i}": Tensor(np.shape(v), f) for i, (f, v) in enumerate(inputs)}
    constants = {f"in{i}": np.asarray(v, f.dtype) for i, (f, v) in enumerate(inputs) if i}
    op = Operation(kind, "y", tuple(tensors), given, {name: name for name in arrays})
    weights = {"weight": Format(8, 1.0)} if arrays else {}
    program = Program(
        {**tensors, "y": Tensor(shape, form)}, (op,), arrays, constants, weights, {}, "in0", "y"
    )
    values = IntegerOps(program).step({}, np.asarray(inputs[0][1], inputs[0][0].dtype))[1]
    assert values["y"].dtype == form.dtype
    return values["y"]


def test_a_product_by_hand() -> None:
    # (2 + 3 - 4) - ... : rows [1, 2] and [-3, 4] of x - zp = [3, -1], biases 5 and -7
    arrays = {
        "weight": np.array([[1, 2], [-3, 4]], np.int8),
        "bias": np.array([5, -7], np.int32),
        "multiplier": np.array([2**30, 2**30], np.int32),
        "shift": np.array([1, -1], np.int8),
    }
    y = run(
        "product",
        (Format(8, 1.0, 7), [10, 6]),
        form=Format(8, 1.0, -2),
        shape=(2,),
        arrays=arrays,
        relu=0,
    )
    # 3 - 2 + 5 = 6, times 1; -9 - 4 - 7 = -20, times 1/4; minus 2
    assert y.tolist() == [4, -7]


def test_a_relu_stops_at_the_zero_point() -> None:
    arrays = {
        "weight": np.array([[-3], [100]], np.int8),
        "multiplier": np.array([2**30, 2**30], np.int32),
        "shift": np.array([1, 1], np.int8),
    }
    y = run(
        "product",
        (Format(8, 1.0), [9]),
        form=Format(8, 1.0, -100),
        shape=(2,),
        arrays=arrays,
        relu=1,
    )
    assert y.tolist() == [-100, 127]


def test_sums_in_shifts_saturate() -> None:
    coarse, fine = Format(16, 2.0**-10), Format(16, 2.0**-14)
    attrs = multipliers.of_sum(coarse, fine, coarse)
    assert attrs == {"shift_a": 0, "shift_b": 4}
    a, b = [32767, -32768, 100, 0, 0], [160, -1600, 16000, 8, -8]
    y = run("add", (coarse, a), (fine, b), form=coarse, **attrs)
    assert y.tolist() == [32767, -32768, 1100, 1, -1]
    y = run("sub", (coarse, a), (fine, b), form=coarse, **attrs)
    assert y.tolist() == [32757, -32668, -900, -1, 1]


@pytest.mark.parametrize("bits", [8, 16])
@given(data=st.data())
def test_sums_and_products_of_values_are_within_two_steps(bits: int, data: st.DataObject) -> None:
    scale = st.floats(2.0**-10, 1.0, width=32)
    zero = st.integers(-100, 100) if bits == 8 else st.just(0)
    forms = [Format(bits, data.draw(scale), data.draw(zero)) for _ in range(3)]
    a_form, b_form, y_form = forms
    whole = st.integers(a_form.lowest, a_form.highest)
    a, b = (np.array(data.draw(st.lists(whole, min_size=4, max_size=4))) for _ in range(2))
    reals = a_form.dequantize(a), b_form.dequantize(b)
    for kind, exact in (("add", reals[0] + reals[1]), ("sub", reals[0] - reals[1])):
        attrs = multipliers.of_sum(a_form, b_form, y_form)
        y = run(kind, (a_form, a), (b_form, b), form=y_form, **attrs)
        wanted = np.clip(exact / y_form.scale + y_form.zero_point, y_form.lowest, y_form.highest)
        assert np.abs(y - wanted).max() <= 2.0
    factor = float(a_form.scale) * float(b_form.scale) / float(y_form.scale)
    if factor < 1.0:
        y = run(
            "mul",
            (a_form, a),
            (b_form, b),
            form=y_form,
            **multipliers.of_mul(a_form, b_form, y_form),
        )
        exact = reals[0] * reals[1] / y_form.scale + y_form.zero_point
        assert np.abs(y - np.clip(exact, y_form.lowest, y_form.highest)).max() <= 2.0


def test_the_table_is_the_logistic_function() -> None:
    exact = 65536.0 / (1.0 + np.exp(-np.arange(256) / 24.0))
    assert np.abs(SIGMOID_TABLE - exact).max() < 1.2
    assert (np.diff(SIGMOID_TABLE) >= 0).all()


@pytest.mark.parametrize("scale", [2.0**-12 * 1.001, 3e-4, 7e-5, 2e-3])
@pytest.mark.parametrize("kind", ["sigmoid", "tanh"])
def test_curves_follow_their_functions(kind: str, scale: float) -> None:
    form = Format(16, scale)
    x = np.arange(-32768, 32768)
    multiplier, shift = argument_multiplier(float(form.scale))
    out = Format(16, 2.0**-15)
    y = run(kind, (form, x), form=out, multiplier=multiplier, shift=shift)
    real = form.dequantize(x)
    exact = np.tanh(real) if kind == "tanh" else 1.0 / (1.0 + np.exp(-real))
    # 24 entries a unit, linear between them, and a multiplier of 15 bits
    assert np.abs(out.dequantize(y) - exact).max() < 2.0**-12
    assert (np.diff(y.astype(int)) >= 0).all()


def half_to_zero(x: Fraction) -> int:
    return -floor(Fraction(1, 2) - x) if x >= 0 else floor(Fraction(1, 2) + x)


@given(st.lists(st.integers(-32768, 32767), min_size=1), st.integers(0, 12), st.integers(-9, 9))
def test_narrowing_is_a_shift_with_halves_towards_zero(
    values: list[int], shift: int, zero: int
) -> None:
    wide, narrow = Format(16, 2.0**-12), Format(8, 2.0 ** (shift - 12), zero)
    y = run("narrow", (wide, values), form=narrow, shift=shift)
    exact = [half_to_zero(Fraction(v, 2**shift)) + zero for v in values]
    assert y.tolist() == [min(max(v, -128), 127) for v in exact]


@pytest.mark.parametrize("shift", range(13))
@pytest.mark.parametrize("by_inverse", [False, True])
def test_every_rule_for_halves_gives_the_shift(shift: int, by_inverse: bool) -> None:
    # kernels divide or multiply by the inverse, and round halves away from zero or to even
    wide = Format(16, 2.0**-12)
    narrow = shifted(-126.9 * 2.0 ** (shift - 12), 126.9 * 2.0 ** (shift - 12))
    assert shift_between(wide, narrow) == shift
    x = np.arange(-32768, 32768)
    real = (x * wide.scale).astype(np.float32)
    scale = np.float32(narrow.scale)
    ratio = real * (np.float32(1.0) / scale) if by_inverse else real / scale
    even = np.rint(ratio)
    away = np.trunc(ratio) + np.sign(ratio) * (np.abs(ratio - np.trunc(ratio)) >= 0.5)
    wanted = run("narrow", (wide, x), form=narrow, shift=shift)
    for rounded in (even, away):
        np.testing.assert_array_equal(np.clip(rounded + narrow.zero_point, -128, 127), wanted)


@given(st.lists(st.floats(-300, 300, width=32), min_size=1), st.integers(-128, 127))
def test_the_input_is_rounded_in_32_bit_floats(values: list[float], zero: int) -> None:
    form = Format(8, 0.75, zero)
    program = Program({"x": Tensor((len(values),), form)}, (), {}, {}, {}, {}, "x", "x")
    got = IntegerOps(program).quantize(np.array(values, np.float32))
    ratios = [Fraction(float(np.float32(v) / np.float32(0.75))) for v in values]
    assert got.tolist() == [min(max(half_away(r) + zero, -128), 127) for r in ratios]


def test_batches_are_rows_of_their_own() -> None:
    rng = np.random.default_rng(0)
    tensors = {
        "x": Tensor((6,), Format(8, 1.0)),
        "s": Tensor((2, 3), Format(16, 1.0)),
        "w": Tensor((6,), Format(16, 1.0)),
        "r": Tensor((2, 3), Format(16, 1.0)),
        "t": Tensor((2, 3), Format(16, 1.0)),
        "y": Tensor((6,), Format(16, 1.0)),
    }
    operations = (
        Operation("widen", "w", ("x",)),
        Operation("reshape", "r", ("w",)),
        Operation("add", "t", ("s", "r"), {"shift_a": 0, "shift_b": 0}),
        Operation("reshape", "y", ("t",)),
    )
    ops = IntegerOps(Program(tensors, operations, {}, {}, {}, {"s": "t"}, "x", "y"))
    x = rng.integers(-128, 128, (5, 4, 6)).astype(np.int8)
    states = {"s": np.zeros((4, 2, 3), np.int16)}
    for step in x:
        states, values = ops.step(states, step)
    np.testing.assert_array_equal(values["y"], x.astype(int).sum(axis=0))


def test_a_program_comes_back_from_its_description() -> None:
    arrays = {
        "w": np.ones((2, 2), np.int8),
        "m": np.full(2, 2**30, np.int32),
        "s": np.full(2, -3, np.int8),
    }
    named = {"weight": "w", "multiplier": "m", "shift": "s"}
    program = Program(
        {"x": Tensor((2,), Format(8, 0.5, 3)), "y": Tensor((2,), Format(8, 0.25))},
        (Operation("product", "y", ("x",), {"relu": 1}, named),),
        arrays,
        {},
        {"w": Format(4, np.array([0.5, 0.25]))},
        {},
        "x",
        "y",
    )
    found = program_of(json.loads(json.dumps(program.to_dict())), program.to_arrays())
    assert found.to_dict() == program.to_dict()
    assert found.weights["w"].bits == 4 and found.macs() == 4
    np.testing.assert_array_equal(np.asarray(found.weights["w"].scale), [0.5, 0.25])


@pytest.mark.parametrize(
    ("operation", "message"),
    [
        (Operation("fly", "y", ("x",)), "unknown kind 'fly'"),
        (Operation("widen", "y", ("z",)), "reads 'z', which comes later or never"),
        (Operation("widen", "x", ("x",)), "'x' is assigned twice"),
        (Operation("widen", "q", ("x",)), "'q' is named, and never described or computed"),
    ],
)
def test_a_program_that_is_not_well_formed(operation: Operation, message: str) -> None:
    tensors = {name: Tensor((2,), Format(16, 1.0)) for name in ("x", "y")}
    with pytest.raises(GraphError, match=message):
        Program(tensors, (operation,), {}, {}, {}, {}, "x", "x")
