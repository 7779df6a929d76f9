"""Units, synapses and schedules of small networks, counted by hand; what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from edgemem.cells import LEM, LMU, Cell, Dense, Norm, Stack
from edgemem.errors import ChipOverflowError, ToleranceError
from edgemem.ir import trace
from edgemem.quantize import Program, Scheme, build
from edgemem.quantize.formats import Format
from edgemem.quantize.program import Operation, Tensor
from edgemem_loihi.graded.chip import chip_network
from edgemem_loihi.graded.emulator import Emulator
from edgemem_loihi.graded.mapping import mapped
from edgemem_loihi.graded.network import GradedNetwork, Origin
from edgemem_loihi.graded.units import labelled


def network(cell: Cell, activations: str = "int8") -> GradedNetwork:
    graph = trace(cell, cell.init(np.random.default_rng(0)))
    x = np.random.default_rng(1).normal(size=(8, 60, cell.n_in)).astype(np.float32)
    scheme = Scheme(activations=activations)
    return mapped(build(graph, scheme, x).program, labelled(graph))


def test_a_memory_of_order_6_takes_a_unit_for_each_element_and_one_for_its_input() -> None:
    found = network(LMU(1, 2, 6, 40.0, activation="linear"))
    assert {p.name: p.size for p in found.populations} == {"m_new": 6, "u": 1, "h_new": 2}
    # A m + B u in two parts of 16 bits; u and h of 8 bits
    assert {p.name: p.accumulators for p in found.populations} == {"m_new": 2, "u": 1, "h_new": 1}
    # x -> u -> m -> h
    assert found.steps == 3
    assert found.origins["m"] == Origin("m_new", earlier=True)


def test_a_layer_of_lem_is_two_units_an_element() -> None:
    found = network(LEM(3, 5))
    assert {p.name: p.size for p in found.populations} == {"z_new": 5, "y_new": 5}
    # z: gate and candidate, each from x and y; y: gate from x and y, candidate from x and z
    assert [p.accumulators for p in found.populations] == [4, 4]
    # x -> z -> y; y of the frame before comes with x
    assert found.steps == 2
    assert found.active_updates == 2 * 5 + 5  # the gate of y is computed with those of z


def test_a_state_is_sent_once_for_all_who_read_it() -> None:
    found = network(Stack((LEM(3, 5), Dense(5, 2))))
    assert set(found.channels) == {"x", "0.lem.z_new:8", "0.lem.y_new:8"}
    # y goes to three gates of 5 and to the 2 outputs; one of its weights is rounded to zero
    assert found.channels["0.lem.y_new:8"].fanout.tolist() == [17, 17, 17, 17, 16]


def test_values_without_products_arrive_by_synapses_of_weight_one() -> None:
    found = network(Norm(4))
    assert found.n_units == 4 and found.n_synapses == 4 and found.steps == 1


def test_halves_of_16_bit_weights_are_two_synapses_with_exponents_apart() -> None:
    found = network(LMU(1, 2, 48, 400.0, activation="relu"))
    program = found.program
    halves = [p for p in found.projections if p.targets.size == 48]
    assert len(halves) == 2
    shifts = [program.arrays[f"{half.name}.shift"].astype(int) for half in halves]
    used = [program.arrays[f"{half.name}.weight"].any(axis=1) for half in halves]
    apart = (shifts[0] - shifts[1])[used[0] & used[1]]
    # what 8 bits leave of a row is at most half of their last step
    assert apart.min() >= 7
    memory = next(p for p in found.populations if p.size == 48)
    assert memory.accumulators == 4


def test_every_accumulator_is_proved_to_stay_within_24_bits() -> None:
    for activations in ("int8", "int16"):
        found = network(LMU.paper(3, 20, 8, 30.0), activations)
        assert all(p.reach < 2**23 for p in found.projections)


def test_placement_reads_units_and_synapses() -> None:
    found = network(LMU(1, 2, 6, 40.0, activation="linear"))
    chip = chip_network(found)
    assert dict(chip.inputs) == {"x": 1}
    assert {g.name: (g.size, g.compartments) for g in chip.groups} == {
        "m_new": (6, 2),
        "u": (1, 1),
        "h_new": (2, 1),
    }
    joined = {(s.source, s.target): s for s in chip.synapses}
    assert set(joined) == {("x", "u"), ("u", "m_new"), ("m_new", "m_new"), ("m_new", "h_new")}
    weights = 0
    for synapses in chip.synapses:
        assert synapses.connected is not None
        weights += int(np.count_nonzero(synapses.connected)) * synapses.weights_per_connection
    assert weights == found.n_synapses
    assert joined["m_new", "m_new"].weights_per_connection == 2


# bad input


def wide(n: int, shift: int = 0, multiplier: int = 1 << 30) -> Program:
    """``y = sum_j 127 x_j`` over n values of 16 bits, in one sum."""
    return Program(
        tensors={"x": Tensor((n,), Format(16, 1.0)), "y": Tensor((1,), Format(16, 1024.0))},
        operations=(
            Operation(
                "wide_product", "y", ("x",), {}, {"weight": "w", "multiplier": "m", "shift": "s"}
            ),
        ),
        arrays={
            "w": np.full((1, n), 127, np.int8),
            "m": np.array([multiplier], np.int32),
            "s": np.array([shift], np.int8),
        },
        constants={},
        weights={"w": Format(8, np.ones(1))},
        states={},
        input="x",
        output="y",
    )


LOUD = np.full((1, 3), 32767, np.int16)
SUM = 3 * 127 * 32767  # 12,484,227, and 24 bits end at 8,388,607


def test_a_sum_beyond_24_bits_is_exact_in_two_accumulators() -> None:
    found = Emulator(mapped(wide(3, shift=-9))).start((1,)).step(LOUD)
    # m 2^(s - 31) = 2^-10
    assert found["y"].tolist() == [[round(SUM / 1024)]]


def test_one_accumulator_overflows_in_strict_mode() -> None:
    run = Emulator(mapped(wide(3), ("y",), "single")).start((1,))
    run.step(np.zeros((1, 3), np.int16))
    with pytest.raises(
        ChipOverflowError, match=r"population 'y', frame 1: 'y' reaches 12484227, .*split"
    ):
        run.step(LOUD)


def test_one_accumulator_wraps_in_hardware_mode_and_is_counted() -> None:
    network = mapped(wide(3, shift=-9), ("y",), "single")
    run = Emulator(network, overflow="hardware").start((1,))
    y = run.step(LOUD)["y"]
    assert y.tolist() == [[round((SUM - 2**24) / 1024)]]
    assert run.overflows == {"y": 1}


@pytest.mark.parametrize("overflow", ["strict", "hardware"])
def test_a_state_of_24_bits_overflows_as_a_sum_does(overflow: str) -> None:
    counter = Program(  # s' = s + x
        tensors={name: Tensor((1,), Format(32, 1.0)) for name in ("s", "y", "x:32")}
        | {"x": Tensor((1,), Format(16, 1.0))},
        operations=(
            Operation("rescale", "x:32", ("x",), {"multiplier": 1 << 30, "shift": 9}),
            Operation("add", "y", ("s", "x:32"), {"shift_a": 0, "shift_b": 0}),
        ),
        arrays={},
        constants={},
        weights={},
        states={"s": "y"},
        input="x",
        output="y",
    )
    run = Emulator(mapped(counter, ("y",)), overflow=overflow).start()  # type: ignore[arg-type]
    loud = np.array([32767], np.int16)  # 32767 x 256 = 2^23 - 256
    assert run.step(loud)["y"].tolist() == [2**23 - 256]
    assert run.step(np.array([0], np.int16))["y"].tolist() == [2**23 - 256]
    if overflow == "strict":
        with pytest.raises(ChipOverflowError, match="population 'y', frame 2: 'y' reaches 8388608"):
            run.step(np.array([1], np.int16))
    else:
        assert run.step(np.array([1], np.int16))["y"].tolist() == [-(2**23)]
        assert run.overflows == {"y": 1}


def test_refuses_a_sum_that_two_parts_do_not_hold() -> None:
    # 128 x 127 x 517 is just beyond 2^23
    mapped(wide(516))
    with pytest.raises(ToleranceError, match=r"'y': its sum could reach 8.4e\+06 .* 24 bits"):
        mapped(wide(517))


@pytest.mark.parametrize(
    ("program", "words"),
    [
        (wide(3, shift=8), "row 0 need an exponent of 8; units scale by exponents from -31 to 7"),
        (wide(3, multiplier=0), "row 0 need an exponent below -31; .*: set these weights to zero"),
    ],
)
def test_refuses_exponents_out_of_range(program: Program, words: str) -> None:
    with pytest.raises(ToleranceError, match=words):
        mapped(program)


def test_rows_of_zeros_need_no_exponent() -> None:
    program: Any = wide(3, multiplier=0)
    empty = replace(program, arrays={**program.arrays, "w": np.zeros((1, 3), np.int8)})
    assert mapped(empty).n_synapses == 0
