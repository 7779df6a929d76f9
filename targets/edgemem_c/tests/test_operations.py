"""Every operation in C against the integer semantics, on every board, bit for bit.

One program holds all cases: each reads states of its own, which the tests fill as they like, and
leaves its result in another state.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgemem.quantize import Format, IntegerOps, Operation, Program, Tensor, multipliers
from edgemem_c.compiler import load_library
from edgemem_c.emulation import BOARDS, Board, build, run
from edgemem_c.network import Network, network_c
from edgemem_c.packing import pack, unpack
from edgemem_c.parts import rows

pytestmark = pytest.mark.slow

Integers = npt.NDArray[Any]
Shape = tuple[int, ...]

VECTORS = 6
SANITISERS = ("-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")


@dataclass
class Cases:
    """Single operations that become one program."""

    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(5))
    tensors: dict[str, Tensor] = field(default_factory=dict)
    operations: list[Operation] = field(default_factory=list)
    arrays: dict[str, Integers] = field(default_factory=dict)
    constants: dict[str, Integers] = field(default_factory=dict)
    weights: dict[str, Format] = field(default_factory=dict)
    states: dict[str, str] = field(default_factory=dict)

    def given(self, shape: Shape, form: Format) -> str:
        """A state that keeps its value: the tests choose it."""
        name = f"in {len(self.tensors)}"
        self.tensors[name] = Tensor(shape, form)
        self.states[name] = name
        return name

    def constant(self, shape: Shape, form: Format) -> str:
        name = f"fixed {len(self.tensors)}"
        self.tensors[name] = Tensor(shape, form)
        drawn = self.rng.integers(form.lowest, form.highest + 1, shape)
        self.constants[name] = drawn.astype(form.dtype)
        return name

    def emit(
        self,
        kind: str,
        inputs: tuple[str, ...],
        shape: Shape,
        form: Format,
        attrs: Mapping[str, int] | None = None,
        arrays: Mapping[str, Integers] | None = None,
        keep: bool = True,
    ) -> str:
        """An operation; its result is kept for the tests to see."""
        name = f"{kind} {len(self.operations)}"
        self.tensors[name] = Tensor(shape, form)
        named = {role: f"{name}.{role}" for role in arrays or {}}
        self.arrays.update({named[role]: array for role, array in (arrays or {}).items()})
        self.operations.append(Operation(kind, name, inputs, attrs or {}, named))
        if keep:
            self.tensors[f"{name} kept"] = Tensor(shape, form)
            self.states[f"{name} kept"] = name
        return name

    def product(
        self,
        rows: int,
        columns: int,
        bits: int = 8,
        weight_bits: int = 8,
        zeros: tuple[int, int] = (0, 0),
        vectors: int = 1,
        bias: bool = True,
        full: bool = False,
        relu: bool = False,
    ) -> None:
        highest = (1 << (weight_bits - 1)) - 1
        weight = self.rng.integers(-highest - (weight_bits < 8), highest + 1, (rows, columns))
        if full:  # the largest sums that there are
            weight = np.where(self.rng.integers(0, 2, (rows, columns)), highest, -highest)
        norm = max(1, int(np.abs(weight).sum(axis=1).max()))
        reach = norm * (255 if bits == 8 else 1 << 15)
        room = max(1, min((1 << 31) - 1 - reach, 1 << 24))
        typical = norm * (1 << (bits - 1)) / np.sqrt(columns)
        # factors around what brings sums to the range of the result, and a few odd ones
        factors = (1 << (bits - 1)) / typical * np.exp2(self.rng.uniform(-2, 2, rows))
        pairs = [multipliers.quantize_multiplier(float(factor)) for factor in factors]
        if rows > 2:
            pairs[1], pairs[2] = (0, 0), ((1 << 31) - 1, -31)
        arrays: dict[str, Integers] = {
            "weight": weight.astype(np.int8),
            "multiplier": np.array([m for m, _ in pairs], np.int32),
            "shift": np.array([s for _, s in pairs], np.int8),
        }
        if bias:
            arrays["bias"] = self.rng.integers(-room, room, rows).astype(np.int32)
        before, after = Format(bits, 0.5, zeros[0]), Format(bits, 0.25, zeros[1])
        shape = (columns,) if vectors == 1 else (vectors, columns)
        out = (*shape[:-1], rows)
        x = self.given(shape, before)
        kind = "product" if bits == 8 else "wide_product"
        name = self.emit(kind, (x,), out, after, {"relu": int(relu)}, arrays)
        self.weights[f"{name}.weight"] = Format(weight_bits, np.ones(rows))

    def binary(
        self,
        kind: str,
        forms: tuple[Format, Format, Format],
        shapes: tuple[Shape, Shape],
        relu: bool = False,
        fixed: int = -1,
    ) -> None:
        derive = multipliers.of_mul if kind == "mul" else multipliers.of_sum
        attrs = {**derive(*forms), "relu": int(relu)}
        names = tuple(
            self.constant(shape, form) if i == fixed else self.given(shape, form)
            for i, (shape, form) in enumerate(zip(shapes, forms))
        )
        self.emit(kind, names, np.broadcast_shapes(*shapes), forms[2], attrs)

    def program(self) -> Program:
        x = Tensor((3,), Format(8, 1.0))
        return Program(
            tensors={"x": x, **self.tensors},
            operations=tuple(self.operations),
            arrays=self.arrays,
            constants=self.constants,
            weights=self.weights,
            states=self.states,
            input="x",
            output="x",
        )


def all_cases() -> Program:
    cases = Cases()
    _products(cases)
    _sums(cases)
    _others(cases)
    _states(cases)
    return cases.program()


def _products(cases: Cases) -> None:
    sizes: tuple[tuple[int, int], ...]
    sizes = ((1, 1), (3, 2), (5, 7), (16, 32), (17, 33), (4, 97), (33, 64))
    for weight_bits in (8, 4, 2):
        for size in sizes:
            cases.product(*size, weight_bits=weight_bits, zeros=(-128, 3))
            cases.product(*size, bits=16, weight_bits=weight_bits, bias=size[0] != 5)
        cases.product(7, 5, weight_bits=weight_bits, zeros=(127, -128), relu=True, vectors=3)
        cases.product(6, 7, bits=16, weight_bits=weight_bits, vectors=14, bias=False)
        cases.product(20, 19, bits=16, weight_bits=weight_bits, vectors=5, relu=True)
    cases.product(3, 300, zeros=(-128, 0), full=True)
    cases.product(3, 500, bits=16, full=True, bias=False)
    cases.product(3, 300, bits=16, weight_bits=4, full=True)


def _sums(cases: Cases) -> None:
    n, grid = (37,), (3, 5)
    power = [Format(16, 2.0**-k) for k in range(16)]
    for kind in ("add", "sub"):
        for a, b in ((0, 0), (3, 0), (0, 7), (0, 15)):
            cases.binary(kind, (power[a], power[b], power[min(a, b)]), (n, n), relu=b == 7)
        cases.binary(kind, (power[4], power[2], power[4]), (grid, grid))
        for zeros, relu in (((0, 0, 0), False), ((-128, 5, 127), False), ((100, -100, -128), True)):
            first, second, result = (Format(8, s, z) for s, z in zip((0.3, 0.07, 0.21), zeros))
            cases.binary(kind, (first, second, result), (n, n), relu=relu)
        wide = (Format(16, 0.3), Format(16, 0.011), Format(16, 0.17))
        cases.binary(kind, wide, (n, n))
        cases.binary(kind, wide, (grid, (5,)), fixed=1)
        cases.binary(kind, wide, (n, (1,)), fixed=1)
    cases.binary("add", (Format(16, 0.3), Format(16, 0.011), Format(16, 0.2)), ((1,), n), fixed=0)
    for forms in (
        (Format(8, 0.1, -5), Format(8, 0.02, 9), Format(8, 0.3, -128)),
        (Format(16, 2.0**-15), Format(16, 2.0**-12), Format(16, 2.0**-12)),
        (Format(16, 0.001), Format(16, 0.002), Format(16, 0.05)),
    ):
        for shapes, fixed in (((n, n), -1), ((n, (1,)), 1), (((1,), n), 0), ((grid, (5,)), 1)):
            cases.binary("mul", forms, shapes, relu=fixed == 0, fixed=fixed)
        cases.binary("mul", forms, (n, n), fixed=1)


def _others(cases: Cases) -> None:
    n = (301,)
    fine = Format(16, 2.0**-15)
    for kind in ("sigmoid", "tanh"):
        for multiplier, shift in (
            (32767, 0),
            (16384, 5),
            (20000, 9),
            (17001, 14),
            (1, 31),
            (32767, 31),
        ):
            x = cases.given(n, Format(16, 0.001))
            cases.emit(kind, (x,), n, fine, {"multiplier": multiplier, "shift": shift})
        # an argument of 8 bits, read through a view
        x = cases.given(n, Format(8, 0.05))
        wide = cases.emit("widen", (x,), n, Format(16, 0.05), keep=False)
        cases.emit(kind, (wide,), n, fine, {"multiplier": 19000, "shift": 3})
    for before, after in (
        (Format(16, 0.01), Format(16, 0.03)),
        (Format(16, 0.01), Format(8, 0.9, -7)),
        (Format(8, 0.1, 12), Format(8, 0.033, -9)),
        (Format(8, 0.1, -128), Format(16, 0.0007)),
    ):
        for kind in ("rescale", "relu"):
            x = cases.given((37,), before)
            cases.emit(kind, (x,), (37,), after, multipliers.of_rescale(before, after))
    for shift, zero in ((0, 0), (1, 0), (5, -128), (8, 127), (15, 3)):
        x = cases.given(n, Format(16, 1.0))
        cases.emit("narrow", (x,), n, Format(8, 2.0**shift, zero), {"shift": shift})
    x = cases.given((5, 3), Format(8, 0.5))
    cases.emit("widen", (x,), (5, 3), Format(16, 0.5))
    for form in (Format(8, 0.5, 3), Format(16, 0.5)):
        a, b = cases.given((5, 3), form), cases.given((5, 2), form)
        joined = cases.emit("concat", (a, b), (5, 5), form)
        cases.emit("slice", (joined,), (5, 2), form, {"start": 1, "stop": 3})
        flat = cases.emit("reshape", (joined,), (25,), form)
        cut = cases.emit("slice", (flat,), (7,), form, {"start": 3, "stop": 10})
        tail = cases.emit("slice", (flat,), (4,), form, {"start": 21, "stop": 25}, keep=False)
        cases.emit("concat", (cut, tail), (11,), form)


def _states(cases: Cases) -> None:
    """Updates of states: in place, through a detour, exchanged, shifted along."""
    form = Format(16, 2.0**-10)
    shifts = {"shift_a": 0, "shift_b": 0}
    m, drive = cases.given((40,), form), cases.given((40,), form)
    after = cases.emit("add", (m, drive), (40,), form, shifts, keep=False)
    cases.states[m] = after
    # the old value is read once more after the new one is there
    z, drive = cases.given((9,), form), cases.given((9,), form)
    after = cases.emit("sub", (z, drive), (9,), form, shifts, keep=False)
    cases.emit("add", (z, after), (9,), form, shifts)
    cases.states[z] = after
    a, b, c = (cases.given((6,), form) for _ in range(3))
    cases.states.update({a: b, b: c, c: a})
    one, other = (cases.given((4,), form) for _ in range(2))
    moved = cases.emit("add", (one, other), (4,), form, shifts, keep=False)
    cases.states.update({one: moved, other: one})


PROGRAM = all_cases()


def drawn(program: Program, seed: int) -> dict[str, Integers]:
    """Values for all states: any, or only the ends of their formats and what lies around 0."""
    rng = np.random.default_rng(seed)
    found = {}
    for name in program.states:
        tensor = program.tensors[name]
        low, high = tensor.form.lowest, tensor.form.highest
        values = rng.integers(low, high + 1, tensor.shape)
        if seed % 3 == 1:
            values = rng.choice([low, low + 1, -1, 0, 1, high - 1, high], tensor.shape)
        elif seed % 3 == 2:
            values = np.full(tensor.shape, low if seed % 2 else high)
        found[name] = values.astype(tensor.form.dtype)
    return found


def expected(program: Program, states: dict[str, Integers]) -> dict[str, Integers]:
    x = np.zeros(3, np.int8)
    return IntegerOps(program).step(states, x)[0]


def members(network: Network) -> dict[str, str]:
    """Member of the struct by the state that it holds."""
    return {state: member for member, state in network.step.states.items()}


MAIN = """
#include "board.h"
#include "ops.h"
#include "vectors.h"
#include <string.h>

int main(void)
{
    static ops_state state;
    ops_logit logits[OPS_N_OUT];
    const ops_input input[OPS_N_IN] = {0};

    for (int v = 0; v < VECTORS; v++) {
        ops_init(&state);
        FILL
        ops_step(&state, input, logits);
        DUMP
    }
    return 0;
}
"""


def board_program(program: Program, network: Network) -> dict[str, str]:
    """Sources that step once from each of some states and write what is there then."""
    fill, dump, tables = [], [], [f"#define VECTORS {VECTORS}\n"]
    every = [drawn(program, seed) for seed in range(VECTORS)]
    for state, member in members(network).items():
        tensor = program.tensors[state]
        values = np.stack([states[state] for states in every])
        tables.append(
            f"static const int{tensor.form.bits}_t of_{member}[VECTORS][{values[0].size}] = {{"
            + ", ".join(f"{{{rows(row.reshape(-1).tolist())}}}" for row in values)
            + "};\n"
        )
        fill.append(f"(void)memcpy(state.{member}, of_{member}[v], sizeof of_{member}[v]);")
        dump.append(f"board_write(state.{member}, sizeof state.{member});")
    main = MAIN.replace("FILL", "\n        ".join(fill)).replace("DUMP", "\n        ".join(dump))
    return {
        "ops.h": network.header,
        "ops.c": network.source,
        "ops_weights.h": network.weights,
        "vectors.h": "".join(tables),
        "main.c": main,
    }


def check_output(program: Program, network: Network, output: bytes) -> None:
    place = 0
    for seed in range(VECTORS):
        wanted = expected(program, drawn(program, seed))
        for state in members(network):
            tensor = program.tensors[state]
            values = np.frombuffer(output, tensor.form.dtype, wanted[state].size, place)
            place += values.nbytes
            source = program.states[state]
            np.testing.assert_array_equal(
                values.reshape(tensor.shape), wanted[state], f"{source}, vector {seed}"
            )
    assert place == len(output)


@pytest.fixture(scope="module")
def network() -> Network:
    return network_c(PROGRAM, "operations", ["a", "b", "c"], "ops")


VARIANTS: dict[str, tuple[Board, tuple[str, ...]]] = {
    "host": (BOARDS["host"], ("-O2",)),
    "host vectors": (BOARDS["host"], ("-O3", "-march=native")),
    "host without vectors": (BOARDS["host"], ("-O1", "-DOPS_NO_VECTORS")),
    "host sanitised": (BOARDS["host"], SANITISERS),
    "host sanitised vectors": (BOARDS["host"], (*SANITISERS, "-march=native")),
    "arm64": (BOARDS["arm64"], ("-O3",)),
    "armv7": (BOARDS["armv7"], ("-O2",)),
    "armv7 neon": (BOARDS["armv7"], ("-O3", "-mfpu=neon")),
    "cortex-m4": (BOARDS["cortex-m4"], ("-O2",)),
    "cortex-m4 dsp": (BOARDS["cortex-m4"], ("-O2", "-DOPS_USE_DSP")),
    "cortex-m7": (BOARDS["cortex-m7"], ("-O2",)),
    "cortex-m7 dsp": (BOARDS["cortex-m7"], ("-Os", "-DOPS_USE_DSP")),
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_operation_on_every_board(variant: str, network: Network, tmp_path: Path) -> None:
    board, flags = VARIANTS[variant]
    if board.missing():
        pytest.skip(f"not installed: {', '.join(board.missing())}")
    sources = board_program(PROGRAM, network)
    made = build(board, tmp_path, sources, flags, ram=1 << 20, flash=1 << 22)
    check_output(PROGRAM, network, run(board, made))


@pytest.fixture(scope="module")
def library(network: Network) -> ctypes.CDLL:
    sources = {
        "ops.h": network.header,
        "ops.c": network.source,
        "ops_weights.h": network.weights,
        "offsets.c": '#include "ops.h"\n#include <stddef.h>\n'
        "const size_t state_size = sizeof(ops_state);\n"
        "const size_t offsets[] = {"
        + ", ".join(f"offsetof(ops_state, {member})" for member in network.step.states)
        + "};\n",
    }
    return load_library(sources, (), "operations")


@settings(max_examples=60)
@given(data=st.data())
def test_any_values_of_one_operation(
    data: st.DataObject, network: Network, library: ctypes.CDLL
) -> None:
    op = data.draw(st.sampled_from(PROGRAM.operations))
    states = {
        name: np.zeros(PROGRAM.tensors[name].shape, PROGRAM.tensors[name].form.dtype)
        for name in PROGRAM.states
    }
    for name in op.inputs:
        if name in states:
            form = PROGRAM.tensors[name].form
            ends = st.sampled_from([form.lowest, form.highest, 0])
            value = st.one_of(st.integers(form.lowest, form.highest), ends)
            some = data.draw(st.lists(value, min_size=1, max_size=24))
            states[name] = np.resize(some, states[name].shape).astype(form.dtype)
    wanted = expected(PROGRAM, states)
    size = ctypes.c_size_t.in_dll(library, "state_size").value
    offsets = (ctypes.c_size_t * len(network.step.states)).in_dll(library, "offsets")
    held = np.zeros(size // 8 + 1, np.int64)
    bytes_ = held.view(np.uint8)
    for offset, state in zip(offsets, network.step.states.values()):
        raw = states[state].reshape(-1).view(np.uint8)
        bytes_[offset : offset + len(raw)] = raw
    logits, x = (ctypes.c_char * 16)(), (ctypes.c_char * 16)()
    library.ops_step(ctypes.c_void_p(held.ctypes.data), x, logits)
    for offset, state in zip(offsets, network.step.states.values()):
        raw = wanted[state].reshape(-1).view(np.uint8)
        np.testing.assert_array_equal(bytes_[offset : offset + len(raw)], raw, str(op))


@settings(max_examples=50)
@given(
    bits=st.sampled_from([2, 4]),
    shape=st.tuples(st.integers(1, 5), st.integers(1, 21)),
    seed=st.integers(0, 9),
)
def test_packing_loses_nothing(bits: int, shape: tuple[int, int], seed: int) -> None:
    low = -(1 << (bits - 1))
    weight = np.random.default_rng(seed).integers(low, -low, shape).astype(np.int8)
    packed = pack(weight, bits)
    assert packed.shape == (shape[0], -(-shape[1] * bits // 8))
    np.testing.assert_array_equal(unpack(packed, bits, shape[1]), weight)


def test_packed_bits_lie_where_the_text_says() -> None:
    weight = np.array([[-8, 7, 1, 0, 3]], np.int8)
    # three columns to a part, the last padded: (-8, 0), (7, 3), (1, none)
    assert pack(weight, 4).view(np.uint8).tolist() == [[0x80, 0xBF, 0x09]]
    assert pack(np.array([[-2, -1, 0, 1]], np.int8), 2).view(np.uint8).tolist() == [[0b11100100]]
