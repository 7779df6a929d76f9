"""Sigma-delta messages: by hand, and against units that hear one message after the other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgemem.cells import Dense
from edgemem.ir import trace
from edgemem.quantize import Scheme, build
from edgemem.quantize.formats import Format
from edgemem.quantize.program import Operation, Program, Tensor
from edgemem_loihi.graded.counting import activities, counts
from edgemem_loihi.graded.emulator import Emulator
from edgemem_loihi.graded.mapping import mapped
from edgemem_loihi.graded.messages import held_after, sent


def products(weight: Any, bits: int = 8, factor: int = 1 << 30) -> Program:
    """``y = W x / 2`` with one rounding, 8-bit x and 16-bit y."""
    weight = np.asarray(weight, np.int8)
    rows = len(weight)
    return Program(
        tensors={
            "x": Tensor((weight.shape[1],), Format(bits, 1.0)),
            "y": Tensor((rows,), Format(16, 2.0)),
        },
        operations=(
            Operation(
                "wide_product",
                "y",
                ("x",),
                {},
                {"weight": "w", "multiplier": "m", "shift": "s"},
            ),
        ),
        arrays={
            "w": weight,
            "m": np.full(rows, factor, np.int32),
            "s": np.zeros(rows, np.int8),
        },
        constants={},
        weights={"w": Format(8, np.ones(rows))},
        states={},
        input="x",
        output="y",
    )


def test_a_sequence_by_hand() -> None:
    # threshold 2: 1 stays unsent (0 is held); 3 is sent; 5 stays (off by 2); 6 is sent; 4 stays
    run = Emulator(mapped(products([[10], [0]])), {"x": 2}).start((1,))
    y = [run.step(np.array([[x]], np.int8))["y"][0].tolist() for x in (1, 3, 5, 6, 4)]
    assert y == [[0, 0], [15, 0], [15, 0], [30, 0], [30, 0]]
    assert run.sent["x"].tolist() == [[2]]
    # the weight of 0 is no synapse
    found = counts(mapped(products([[10], [0]])), run.sent, 5)
    assert (found.messages, found.synaptic_operations, found.barriers) == (2, 2, 5)
    assert (found.active_updates, found.idle_updates) == (10, 0)


def test_values_in_two_parts_by_hand() -> None:
    before, after = np.array([[0, 0, 0, -1, 300]]), np.array([[127, 128, 256, -129, 300]])
    # x = 256 h + l, l from -128: 127 = (0, 127); 128 = (1, -128); 256 = (1, 0); -1 = (0, -1) and
    # -129 = (-1, 127); 300 stays
    assert sent(before, after, 0, 2).tolist() == [[1, 1, 0, 1, 0], [0, 1, 1, 1, 0]]


def test_near_a_threshold_the_high_part_travels_alone() -> None:
    x, held = np.array([300, 300, 100], np.int16), np.zeros(3, np.int16)
    # 300 is 256 and 44: within 50 of what the high part alone brings
    assert held_after(x, held, 50, 2).tolist() == [256, 256, 100]
    assert held_after(x, held, 40, 2).tolist() == [300, 300, 100]
    # one part has no such choice
    assert held_after(x, held, 50, 1).tolist() == [300, 300, 100]


def test_the_high_part_alone_stays_within_16_bits() -> None:
    x, held = np.array([32767, -32768], np.int16), np.array([100, -100], np.int16)
    after = held_after(x, held, 127, 2)
    assert np.all(np.abs(after.astype(int) - x) <= 127)
    assert after.dtype == np.int16


@settings(max_examples=60)
@given(
    x=st.lists(st.integers(-32768, 32767), min_size=1, max_size=20),
    threshold=st.integers(0, 2000),
    parts=st.sampled_from([1, 2]),
)
def test_what_is_held_is_never_further_off_than_the_threshold(
    x: list[int], threshold: int, parts: int
) -> None:
    held = np.zeros(1, np.int16)
    for value in x:
        now = np.array([value], np.int16)
        held = held_after(now, held, threshold, parts)
        assert abs(int(held[0]) - value) <= threshold


@settings(max_examples=25)
@given(
    seed=st.integers(0, 1000),
    threshold=st.integers(0, 40),
    accumulators=st.sampled_from(["split", "single"]),
)
def test_as_units_that_hear_one_message_after_the_other(
    seed: int, threshold: int, accumulators: str
) -> None:
    rng = np.random.default_rng(seed)
    weight = rng.integers(-127, 128, (4, 6)) * (rng.random((4, 6)) < 0.7)
    made = products(weight, bits=16)
    network = mapped(made, (), accumulators)  # type: ignore[arg-type]
    run = Emulator(network, {"x": threshold}, "hardware").start((1,))
    parts = network.channels["x"].parts
    heard, registers, operations = np.zeros((parts, 6), int), np.zeros((parts, 4), int), 0
    held, overflows = np.zeros(6, np.int16), 0
    for _ in range(8):
        x = np.clip(rng.normal(scale=20000, size=6), -32768, 32767).astype(np.int16)
        held = held_after(x, held, threshold, parts)
        values = held.astype(int)
        low = (values + 128) % 256 - 128
        wanted = np.array([values] if parts == 1 else [low, (values - low) // 256])
        for part, i in zip(*np.nonzero(wanted != heard)):
            for j in np.flatnonzero(weight[:, i]):
                moved = weight[j, i] * (wanted[part, i] - heard[part, i])
                registers[part, j] = (registers[part, j] + moved + 2**23) % 2**24 - 2**23
                operations += 1
        heard = wanted
        total = registers[0] if parts == 1 else registers[0] + 256 * registers[1]
        overflows += int(np.sum(total != weight @ values))
        expected = np.clip(np.floor((total + 1) / 2), -32768, 32767)
        np.testing.assert_array_equal(run.step(x[None])["y"][0], expected)
    assert counts(network, run.sent, 8).synaptic_operations == operations
    assert sum(run.overflows.values()) == overflows
    assert accumulators == "single" or overflows == 0


def test_activity_names_the_input_and_the_populations() -> None:
    cell = Dense(3, 4, "relu")
    x = np.random.default_rng(0).normal(size=(4, 20, 3)).astype(np.float32)
    made = build(trace(cell, cell.init(np.random.default_rng(1))), Scheme(), x).program
    network = mapped(made, ("y",))
    run = Emulator(network).start((4,))
    ops = Emulator(network).ops
    for t in range(20):
        run.step(ops.quantize(x[:, t]))
    (only,) = activities(network, run.sent, 80)
    # the last layer is read out and sends nothing
    assert (only.name, only.size, only.chances) == ("x", 3, 80)
    assert 0.9 < only.share <= 1.0


@pytest.mark.parametrize("threshold", [0, 5])
def test_a_constant_input_is_sent_once(threshold: int) -> None:
    run = Emulator(mapped(products([[3, 4]])), {"x": threshold}).start((2,))
    for _ in range(5):
        run.step(np.array([[50, -60], [7, 8]], np.int8))
    assert run.sent["x"].tolist() == [[2, 2]]
