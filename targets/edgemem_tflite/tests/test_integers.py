"""TFLite's reference kernels against the integer semantics, one operation at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgemem.quantize import Format, IntegerOps, Operation, Program, Tensor, multipliers
from edgemem.quantize.curves import argument_multiplier
from edgemem.quantize.formats import shifted
from edgemem_tflite.flatbuffer import serialize
from edgemem_tflite.interpreter import open_interpreter, signature
from edgemem_tflite.lower import lower

SEEDS = range(6)
ROWS = 37


def check(program: Program, rng: np.random.Generator, kernels: bool = True) -> None:
    """Every bit of the output, for inputs and states that reach the ends of their formats."""
    interpreter = open_interpreter(serialize(lower(program), {}), "test", kernels)
    inputs, outputs = signature(interpreter, "test")
    ops = IntegerOps(program)
    form = program.tensors[program.input].form
    for _ in range(20):
        integers = rng.integers(form.lowest - 9, form.highest + 10, program.n_in)
        x = form.dequantize(integers).astype(np.float32)
        states = {
            name: values(rng, program.tensors[name].shape, program.tensors[name].form)
            for name in program.states
        }
        after, computed = ops.step(states, ops.quantize(x))
        interpreter.set_tensor(inputs["x"], x[None])
        for name, state in states.items():
            shape = interpreter.get_tensor(inputs[name]).shape
            interpreter.set_tensor(inputs[name], state.reshape(shape))
        interpreter.invoke()
        y = interpreter.get_tensor(outputs["y"]).reshape(-1)
        np.testing.assert_array_equal(y, ops.dequantize(computed[program.output]))
        for name in program.states:
            got = interpreter.get_tensor(outputs[f"{name}.next"])
            np.testing.assert_array_equal(got.reshape(after[name].shape), after[name])


def values(rng: np.random.Generator, shape: tuple[int, ...], form: Format) -> Any:
    drawn = rng.integers(form.lowest, form.highest + 1, shape)
    ends = rng.choice([form.lowest, form.highest, 0], shape)
    return np.where(rng.random(shape) < 0.1, ends, drawn).astype(form.dtype)


def one(
    op: Operation,
    x: Format,
    y: Format,
    n_in: int,
    n_out: int,
    arrays: dict[str, Any] | None = None,
    weight: Format | None = None,
) -> Program:
    """A program of one operation on the input."""
    tensors = {"x": Tensor((n_in,), x), "y": Tensor((n_out,), y)}
    weights = {} if weight is None else {"weight": weight}
    return Program(tensors, (op,), arrays or {}, {}, weights, {}, "x", "y")


def form(rng: np.random.Generator, bits: int) -> Format:
    zero = int(rng.integers(-128, 128)) if bits == 8 else 0
    return Format(bits, float(rng.uniform(0.01, 1.0)) * 2.0 ** -(bits - 8), zero)


@pytest.mark.parametrize("relu", [0, 1])
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("seed", SEEDS)
def test_products(seed: int, bits: int, relu: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = form(rng, bits), form(rng, bits)
    w = Format(8, rng.uniform(0.001, 0.02, ROWS))
    arrays: dict[str, Any] = {"weight": rng.integers(-127, 128, (ROWS, 11)).astype(np.int8)}
    arrays["multiplier"], arrays["shift"] = multipliers.of_product(x, w, y)
    if bits == 8 or seed % 2:
        arrays["bias"] = rng.integers(-(2**20), 2**20, ROWS).astype(np.int32)
    kind = "product" if bits == 8 else "wide_product"
    op = Operation(kind, "y", ("x",), {"relu": relu}, {name: name for name in arrays})
    check(one(op, x, y, 11, ROWS, arrays, w), rng)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("rows", [1, ROWS])
def test_a_product_is_rounded_twice(rows: int, bits: int) -> None:
    """Scales that lose one bit in the second rounding: rounded once, one value in eight differs."""
    rng = np.random.default_rng(rows)
    x = y = Format(bits, 1.0)
    w = Format(8, np.linspace(0.27, 0.48, rows))
    arrays: dict[str, Any] = {"weight": np.tile(np.array([1, -1], np.int8), (rows, 1))}
    arrays["multiplier"], arrays["shift"] = multipliers.of_product(x, w, y)
    assert set(arrays["shift"]) == {-1}
    if bits == 8:
        arrays["bias"] = np.zeros(rows, np.int32)
    kind = "product" if bits == 8 else "wide_product"
    op = Operation(kind, "y", ("x",), {"relu": 0}, {name: name for name in arrays})
    program = one(op, x, y, 2, rows, arrays, w)
    check(program, rng)
    a, b = rng.integers(-50, 50, (2, 1000))
    _, found = IntegerOps(program).step(program.zero_state((1000,)), np.stack((a, b), -1))
    once = np.floor((a - b)[:, None] * np.asarray(w.scale, float) + 0.5)
    assert 0.05 < np.mean(found["y"] != once) < 0.3


@pytest.mark.parametrize("seed", SEEDS)
def test_a_product_of_many_rows(seed: int) -> None:
    """As the memories of an LMU have them: the same matrix for each of their rows."""
    rng = np.random.default_rng(seed)
    x, y = Format(16, 2.0**-9), Format(16, float(rng.uniform(0.5, 2.0)) * 2.0**-9)
    w = Format(8, rng.uniform(0.001, 0.02, 6))
    arrays: dict[str, Any] = {"weight": rng.integers(-127, 128, (6, 8)).astype(np.int8)}
    arrays["multiplier"], arrays["shift"] = multipliers.of_product(x, w, y)
    tensors = {"x": Tensor((ROWS * 8,), x), "m": Tensor((ROWS, 8), x), "n": Tensor((ROWS, 6), y)}
    operations = (
        Operation("reshape", "m", ("x",)),
        Operation("wide_product", "n", ("m",), {"relu": 0}, {name: name for name in arrays}),
        Operation("reshape", "y", ("n",)),
    )
    tensors["y"] = Tensor((ROWS * 6,), y)
    weights = {"weight": w}
    check(Program(tensors, operations, arrays, {}, weights, {}, "x", "y"), rng)


@pytest.mark.parametrize("kind", ["add", "sub", "mul"])
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("seed", SEEDS)
def test_elementwise(seed: int, bits: int, kind: str) -> None:
    rng = np.random.default_rng(seed)
    a, b, y = (form(rng, bits) for _ in range(3))
    if bits == 16 and seed % 2:  # powers of two, which take the shifting form of a sum
        a, b = Format(16, 2.0**-9), Format(16, 2.0 ** -int(rng.integers(9, 16)))
        y = a
    if kind == "mul":
        y = Format(bits, float(a.scale) * float(b.scale) * float(rng.uniform(50, 9000)), 0)
    derive = multipliers.of_mul if kind == "mul" else multipliers.of_sum
    held = values(rng, (ROWS,), b)
    attrs = {**derive(a, b, y), "relu": seed % 3 == 0}
    tensors = {"x": Tensor((ROWS,), a), "c": Tensor((ROWS,), b), "y": Tensor((ROWS,), y)}
    op = Operation(kind, "y", ("x", "c"), {name: int(v) for name, v in attrs.items()})
    check(Program(tensors, (op,), {}, {"c": held}, {}, {}, "x", "y"), rng)


@pytest.mark.parametrize("kernels", [True, False])
@pytest.mark.parametrize("kind", ["sigmoid", "tanh"])
@pytest.mark.parametrize("seed", SEEDS)
def test_curves_with_either_kernels(seed: int, kind: str, kernels: bool) -> None:
    # one table for every processor: the reason why curves have 16 bits and no power-of-two scale
    rng = np.random.default_rng(seed)
    x = Format(16, float(rng.uniform(5e-5, 1e-3)))
    multiplier, shift = argument_multiplier(float(x.scale))
    op = Operation(kind, "y", ("x",), {"multiplier": multiplier, "shift": shift})
    check(one(op, x, Format(16, 2.0**-15), 999, 999), rng, kernels)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("seed", SEEDS)
def test_relu(seed: int, bits: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = form(rng, bits), form(rng, bits)
    check(one(Operation("relu", "y", ("x",), multipliers.of_rescale(x, y)), x, y, 50, 50), rng)


@pytest.mark.parametrize("kernels", [True, False])
@pytest.mark.parametrize("shift", range(13))
def test_narrowing_with_either_kernels(shift: int, kernels: bool) -> None:
    rng = np.random.default_rng(shift)
    x, y = Format(16, 2.0**-13), shifted(-100 * 2.0 ** (shift - 13), 120 * 2.0 ** (shift - 13))
    program = one(Operation("narrow", "y", ("x",), {"shift": shift}), x, y, 2000, 2000)
    check(program, rng, kernels)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("seed", SEEDS)
def test_rescaling(seed: int, bits: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = form(rng, 16), form(rng, bits)
    op = Operation("rescale", "y", ("x",), multipliers.of_rescale(x, y))
    check(one(op, x, y, 200, 200), rng)


def test_shapes_and_states() -> None:
    rng = np.random.default_rng(0)
    wide, held = Format(16, 0.25), Format(16, 0.25)
    tensors = {
        "x": Tensor((8,), Format(8, 0.25)),
        "s": Tensor((2, 4), held),
        "w": Tensor((8,), wide),
        "m": Tensor((2, 4), wide),
        "t": Tensor((2, 4), held),
        "j": Tensor((2, 8), held),
        "flat": Tensor((16,), held),
        "y": Tensor((5,), held),
    }
    operations = (
        Operation("widen", "w", ("x",)),
        Operation("reshape", "m", ("w",)),
        Operation("add", "t", ("s", "m"), {"shift_a": 0, "shift_b": 0}),
        Operation("concat", "j", ("t", "m")),
        Operation("reshape", "flat", ("j",)),
        Operation("slice", "y", ("flat",), {"start": 3, "stop": 8}),
    )
    check(Program(tensors, operations, {}, {}, {}, {"s": "t"}, "x", "y"), rng)
