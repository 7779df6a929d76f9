from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgemem.cells import LMU, Dense, Stack
from edgemem.errors import ConfigError
from edgemem.ir import trace
from edgemem.quantize import Format, Operation, Program, Scheme, Tensor, build
from edgemem.quantize.size import packed_bytes, parameter_bytes, parse_bytes


@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from([8, 4, 2]))
def test_each_row_is_filled_bit_by_bit_from_a_new_byte(rows: int, columns: int, bits: int) -> None:
    taken = 0
    for _ in range(rows):
        free = 0
        for _ in range(columns):
            if free < bits:
                taken, free = taken + 1, 8
            free -= bits
    assert packed_bytes((rows, columns), bits) == taken


def program(bits: int, shared: bool = False) -> Program:
    """``y = W x + b`` of 3 rows and 5 columns, twice; the second over the first's arrays."""
    x, y = Format(8, 0.1), Format(8, 0.2)
    names = {role: f"y.{role}" for role in ("weight", "bias", "multiplier", "shift")}
    arrays = {
        "y.weight": np.zeros((3, 5), np.int8),
        "y.bias": np.zeros(3, np.int32),
        "y.multiplier": np.zeros(3, np.int32),
        "y.shift": np.zeros(3, np.int8),
    }
    operations = [Operation("product", "y", ("x",), {"relu": 0}, names)]
    tensors = {"x": Tensor((5,), x), "y": Tensor((3,), y), "half:8": Tensor((3,), y)}
    if shared:
        operations.append(Operation("product", "z", ("x",), {"relu": 0}, names))
        tensors["z"] = Tensor((3,), y)
    return Program(
        tensors=tensors,
        operations=tuple(operations),
        arrays=arrays,
        constants={"half:8": np.zeros(3, np.int8)},
        weights={"y.weight": Format(bits, np.full(3, 0.01))},
        states={},
        input="x",
        output="y",
    )


# rows of 5 weights take 5, 3 and 2 bytes; 3 rows with a bias and a multiplier of 4 bytes and a
# shift of 1; a constant of 3 bytes
@pytest.mark.parametrize(("bits", "weights"), [(8, 15), (4, 9), (2, 6)])
@pytest.mark.parametrize("shared", [False, True])
def test_bytes_by_hand(bits: int, weights: int, shared: bool) -> None:
    assert parameter_bytes(program(bits, shared)) == weights + 3 * (4 + 4 + 1) + 3


def test_a_network_s_bytes_by_hand() -> None:
    stack = Stack((LMU(3, 5, 4, 8.0, 2, activation="relu"), Dense(5, 2)))
    params = {**stack.init(np.random.default_rng(0))}
    x = np.random.default_rng(1).normal(size=(4, 30, 3)).astype(np.float32)
    made = build(trace(stack, params), Scheme(weights=4), x).program
    # e_x 2 x 3, W_m 5 x 8 and W 2 x 5 at 4 bits; the memory 4 x (4 + 1) at 8 bits, without bias
    weights = 2 * 2 + 5 * 4 + 2 * 3 + 4 * 5
    biases = 4 * (2 + 5 + 2)
    rows = 2 + 5 + 2 + 4
    assert set(made.weights) == {op.arrays["weight"] for op in made.operations if op.arrays}
    held = {name for op in made.operations for name in op.arrays.values()}
    widths = {name: made.arrays[name].itemsize for name in held}
    assert {widths[n] for n in held if n.endswith("shift")} == {1}
    assert parameter_bytes(made) == weights + biases + rows * (4 + 1)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("45kB", 45_000),
        ("45 kB", 45_000),
        ("45KiB", 46_080),
        ("45kib", 46_080),
        ("45000", 45_000),
        ("45,000", 45_000),
        ("45000B", 45_000),
        ("0.5kB", 500),
        ("1.5KiB", 1536),
        ("2MB", 2_000_000),
        ("1MiB", 1_048_576),
        ("1", 1),
    ],
)
def test_bytes_in_words(text: str, size: int) -> None:
    assert parse_bytes(text) == size


@pytest.mark.parametrize(
    "text", ["", "kB", "-45kB", "45 bits", "45k", "45e3", "nan", "inf", "4 5", ".5kB", "1kBB"]
)
def test_no_bytes(text: str) -> None:
    with pytest.raises(ConfigError, match="is no number of bytes; expected such as 45kB"):
        parse_bytes(text)


@pytest.mark.parametrize("text", ["0", "0kB", "0.9", "0.0001kB"])
def test_less_than_a_byte(text: str) -> None:
    with pytest.raises(ConfigError, match="less than 1 byte"):
        parse_bytes(text)
