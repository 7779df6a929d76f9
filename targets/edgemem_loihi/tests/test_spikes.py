"""Networks on binary spikes, against float equations, hand-made cases and the chip's emulator."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgemem import artefact
from edgemem.artefact import Artefact, Golden
from edgemem.cells import GRU, LEM, LMU, Cell, Dense, Stack
from edgemem.cells.lmu import legendre_delay
from edgemem.energy import Simulated
from edgemem.errors import (
    ArtefactError,
    ChipOverflowError,
    ConfigError,
    PlacementError,
    ShapeError,
    UnknownNameError,
    UnsupportedOpError,
)
from edgemem.ir import Graph, trace
from edgemem.ops import Array
from edgemem.verification import distance
from edgemem_loihi import TARGET, spikes
from edgemem_loihi.cuba import Emulator
from edgemem_loihi.spikes import code
from edgemem_loihi.spikes.assemble import KEPT, START, assemble
from edgemem_loihi.spikes.dither import dither
from edgemem_loihi.spikes.encoder import Encoder
from edgemem_loihi.spikes.lower import lower
from edgemem_loihi.spikes.lowered import WRITTEN
from edgemem_loihi.spikes.memory import in_window, memory
from edgemem_loihi.spikes.rounding import rounded
from edgemem_loihi.spikes.runner import SpikesRunner
from edgemem_loihi.spikes.units import UnitEmulator

N_IN = 3
SMALL = LMU(N_IN, 6, 4, 12.0, 2, input_to_hidden=True, activation="relu")


@dataclass(frozen=True)
class Options:
    levels: int = 8
    window: int = 8
    overflow: str = "strict"


@dataclass(frozen=True)
class Net:
    cell: Cell
    name: str = "net"
    scheme: None = None

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(f"label{i}" for i in range(self.cell.n_out))

    def graph(self) -> Graph:
        params = self.cell.init(np.random.default_rng(3))
        for name, array in params.items():
            if array.ndim == 1:
                params[name] = array + 0.2
        return trace(self.cell, params)

    def reference(self) -> Graph:
        return self.graph()


def sequences(seed: int, n: int, t: int) -> NDArray[np.float32]:
    x = np.random.default_rng(seed).normal(size=(n, t, N_IN))
    for i in range(1, t):
        x[:, i] = 0.8 * x[:, i - 1] + 0.6 * x[:, i]
    return x.astype(np.float32)


def converted(cell: Cell, options: Options) -> Artefact:
    made = spikes.convert(Net(cell), options, sequences(0, 8, 60))
    golden = Golden(np.zeros((1, 1, N_IN), np.float32), np.zeros((1, 1, 1), np.float32))
    fields = {"target": "loihi", **made.facts}
    built = artefact.build(made.payload, fields, Net(cell).labels, golden, made.parts)
    return artefact.from_bytes(artefact.to_bytes(built), "test")


@pytest.fixture(scope="module")
def file() -> Artefact:
    return converted(SMALL, Options())


# dither and codes


@pytest.mark.parametrize("period", [1, 2, 8, 64])
def test_a_dither_runs_evenly_through_a_level(period: int) -> None:
    expected = (np.arange(period) + 0.5) / period - 0.5
    np.testing.assert_array_equal(np.sort(dither(period)), expected)


def test_halves_of_a_dither_are_even_too() -> None:
    # van der Corput of 8: 0 4 2 6 1 5 3 7
    np.testing.assert_array_equal(dither(8) * 16 + 7, 2 * np.array([0, 4, 2, 6, 1, 5, 3, 7]))


@pytest.mark.parametrize("period", [0, 3, 128])
def test_refuses_a_dither_of_another_period(period: int) -> None:
    with pytest.raises(ConfigError, match="power of two from 1 to 64"):
        dither(period)


def mean_of(coded: code.Code, argument: float, period: int) -> float:
    """The value that a code says, over one period of the dither, in float64."""
    passed = argument + np.outer(dither(period), coded.spacing)
    fired = coded.sign * passed > coded.sign * coded.level
    return float((coded.offset + fired.mean(axis=0) @ coded.decoder().T)[0])


@given(st.floats(-1.0, 1.0), st.integers(1, 6), st.sampled_from([8, 16, 64]))
def test_the_mean_over_a_dither_is_the_value(x: float, levels: int, period: int) -> None:
    coded = code.uniform(np.ones(1), np.full(1, levels))
    assert abs(mean_of(coded, x, period) - x) <= 0.5001 / (levels * period)


@given(st.floats(-1.0, 1.0))
def test_one_side_is_a_rectifier(x: float) -> None:
    coded = code.uniform(np.ones(1), np.full(1, 4), both_sides=False)
    assert abs(mean_of(coded, x, 64) - max(x, 0.0)) <= 0.5001 / (4 * 64)


@given(st.floats(-3.0, 3.0))
def test_a_curve_is_its_function_between_levels(x: float) -> None:
    tanh = code.curve(np.arctanh, 1, 8, 0.0, 1.0)
    logistic = code.curve(lambda f: 2.0 * np.arctanh(f), 1, 8, 0.5, 0.5)
    assert abs(mean_of(tanh, x, 64) - np.tanh(x)) < 0.035
    assert abs(mean_of(logistic, x, 64) - 1.0 / (1.0 + np.exp(-x))) < 0.018


@pytest.mark.parametrize(("reach", "levels"), [(np.zeros(1), 1), (np.ones(1), 0)])
def test_refuses_a_code_of_nothing(reach: Array, levels: int) -> None:
    with pytest.raises(ConfigError, match="thermometer code"):
        code.uniform(reach, np.full(1, levels))


def test_levels_are_shared_by_reach() -> None:
    # 8^(2/3) = 4: of 10 levels for two elements, 8 and 2
    np.testing.assert_array_equal(code.shared(np.array([8.0, 1.0]), 5.0), [8, 2])


def test_the_host_keeps_what_it_rounded_off() -> None:
    coded = code.uniform(np.full(1, 2.0), np.full(1, 2))
    encoder, total = Encoder(coded, 1), 0.0
    for k in range(1, 50):
        total += float((encoder.spikes(np.full((1, 1), 0.3)) @ coded.decoder().T)[0, 0])
        assert abs(total - 0.3 * k) <= 0.5 + 1e-9


# weights


@settings(max_examples=50)
@given(st.integers(0, 10_000))
def test_sums_along_a_chain_are_rounded(seed: int) -> None:
    rng = np.random.default_rng(seed)
    matrix = rng.uniform(-1, 1, (3, 8)) * 2.0 ** rng.uniform(8, 18)
    chain = np.array([0, 0, 0, 1, 1, 2, 2, 2])
    rows = rounded("w", matrix, chain)
    assert np.all(rows.weights % 2 == 0)
    assert np.abs(rows.weights).max() <= 254
    step = 2.0 ** (rows.exponents + 7)
    for number in range(3):
        own = chain == number
        off = np.cumsum(rows.effective[:, own], 1) - np.cumsum(matrix[:, own], 1)
        # half a step, and one more where a weight met the end of its range
        assert np.all(np.abs(off) <= 1.5 * step[:, None] + 1e-6)


def test_refuses_a_weight_beyond_the_exponents() -> None:
    with pytest.raises(ConfigError, match="needs exponent 8, the chip has 7"):
        rounded("w", np.full((1, 1), 254.0 * 2**14))


# memories


def test_a_window_is_the_frame() -> None:
    A, B = legendre_delay(6, 9.0)
    M, F = in_window("m", A, B, 8, KEPT, 50)
    rng = np.random.default_rng(0)
    expected = x = rng.normal(size=6)
    for v in rng.normal(size=5):
        expected = A @ expected + B[:, 0] * v
        x = KEPT**50 * x
        before = x
        for _ in range(8):
            x, before = KEPT * x + M @ before + F[:, 0] * v, x
    # the hold before the first window is part of what the frame's state went through
    np.testing.assert_allclose(x, expected, rtol=1e-6, atol=1e-6)


def test_refuses_a_matrix_without_small_steps() -> None:
    with pytest.raises(UnsupportedOpError, match="loihi2"):
        in_window("m", np.diag([-0.5, 0.5]), np.ones((2, 1)), 8, KEPT, 8)


def test_a_memory_of_36_compartments_is_within_a_tenth() -> None:
    A, B = legendre_delay(6, 500.0)
    t = np.arange(4000) * 1e-3
    phases = np.random.default_rng(5).uniform(0, 2 * np.pi, 8)
    u = 0.4 * np.sqrt(2 / 8) * np.cos(2 * np.pi * np.outer(t, np.arange(1, 9) / 4) + phases).sum(1)
    m, states = np.zeros(6), []
    for value in u:
        m = A @ m + B[:, 0] * value
        states.append(m)
    exact = np.array(states)
    reach = 1.3 * np.abs(exact).max(axis=0)
    inputs, coded = (
        code.uniform(np.full(1, 1.8), np.full(1, 8)),
        code.uniform(reach, np.ones(6, int)),
    )
    coded = code.uniform(reach, np.array([2, 2, 2, 2, 1, 1]))
    network = assemble(memory(A, B, inputs, coded, 16))
    assert network.size == 36
    encoder = Encoder(inputs, 1)
    lines = np.stack([encoder.spikes(np.full((1, 1), value)) for value in u], axis=1)
    start = np.zeros((1, len(u), 1), bool)
    start[:, 0] = True
    fired = Emulator(network).run({"u": lines, START: start}, spikes=("m",)).spikes["m"][0]
    said = np.cumsum(fired @ coded.decoder().T, axis=0)
    mean = (said[16:] - said[:-16]) / 16
    lag = 8
    error = mean[lag:] - exact[16:-lag]
    assert np.sqrt(np.mean(error**2) / np.mean(exact**2)) < 0.1


# whole networks


@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid"])
def test_units_are_the_chip_bit_for_bit(activation: str) -> None:
    cell = replace(SMALL, activation=activation, use_bias=True)
    lowered = lower(Net(cell).graph(), sequences(0, 8, 60), 4, 4)
    design = lowered.design
    chip = Emulator(assemble(design), 2)
    units = UnitEmulator(design, 2, strict=True)
    rng = np.random.default_rng(0)
    for k in range(3 * design.steps):
        lines = {n: rng.random((2, design.codes[n].comparators)) < 0.3 for n in design.inputs}
        chip.step({**lines, START: np.full((2, 1), k == 0)})
        fired = units.step(lines)
        for name in design.values:
            np.testing.assert_array_equal(fired[name], chip.spikes(name), err_msg=f"{name} {k}")
    for name in (*design.values, *design.relays, *design.inputs):
        np.testing.assert_array_equal(units.sent[name], chip.sent[name])


def error_of(cell: Cell, options: Options) -> float:
    x = sequences(1, 4, 50)
    expected, _ = Net(cell).graph().scan(x.astype(np.float64))
    return distance(SpikesRunner(converted(cell, options)).simulate(x).outputs, expected)


def test_finer_levels_and_longer_windows_are_closer() -> None:
    coarse = error_of(SMALL, Options(levels=4, window=4))
    fine = error_of(SMALL, Options(levels=16, window=16))
    assert fine < 0.1
    assert fine < 0.5 * coarse


@pytest.mark.parametrize(
    "cell",
    [
        Dense(N_IN, 4, "relu"),
        replace(SMALL, activation="tanh"),
        replace(SMALL, memory_to_memory=True, use_bias=True),
        Stack((SMALL, LMU(6, 5, 4, 20.0, 2, input_to_hidden=True, activation="sigmoid"))),
    ],
)
def test_follows_the_float_graph(cell: Cell) -> None:
    options = Options()
    assert error_of(cell, options) <= spikes.tolerance(options).distance


def test_step_and_simulate_agree(file: Artefact) -> None:
    runner, x = SpikesRunner(file), sequences(2, 2, 5)
    run = runner.simulate(x, runner.probes)
    for sequence, y in zip(x, run.outputs):
        runner.reset()
        np.testing.assert_array_equal([runner.step(frame) for frame in sequence], y)
    steps = runner.lowered.frames.steps
    assert run.counts.frames == 10
    assert run.counts.barriers == 10 * steps
    assert run.counts.synaptic_operations > 0
    assert {a.name for a in run.populations} >= {"x", WRITTEN, "output"}
    for name, raster in run.spikes.items():
        assert raster.shape[:3] == (2, 5, steps)
        assert run.probes[name].shape[:2] == (2, 5)


@pytest.mark.parametrize("cell", [LEM(N_IN, 4), GRU(N_IN, 4)])
def test_refuses_products(cell: Cell) -> None:
    with pytest.raises(UnsupportedOpError, match="multiplies two values that change"):
        spikes.convert(Net(cell), Options(), sequences(0, 8, 60))


@pytest.mark.parametrize(("hidden", "memory_too"), [(True, False), (False, True)])
def test_refuses_hidden_values_that_come_back(hidden: bool, memory_too: bool) -> None:
    cell = replace(SMALL, hidden_to_hidden=hidden, hidden_to_memory=memory_too)
    with pytest.raises(UnsupportedOpError, match="one frame later"):
        spikes.convert(Net(cell), Options(), sequences(0, 8, 60))


def test_bad_input(file: Artefact) -> None:
    runner = SpikesRunner(file)
    with pytest.raises(ShapeError, match=r"expected \(3,\)"):
        runner.step(np.zeros(4, np.float32))
    with pytest.raises(ShapeError, match=r"expected \(n, t, 3\)"):
        runner.simulate(np.zeros((1, 3), np.float32))
    with pytest.raises(UnknownNameError, match="no probe named 'z'"):
        runner.simulate(sequences(0, 1, 1), ("z",))
    parts = {**file.parts, "spikes.json": b"{}"}
    with pytest.raises(ArtefactError, match="convert the model again"):
        SpikesRunner(replace(file, parts=parts))


def test_a_state_that_leaves_its_register_is_an_error_or_wraps(file: Artefact) -> None:
    design = SpikesRunner(file).lowered.design
    # an input far from any that it was calibrated for
    quiet = {
        n: replace(v, drives={s: 60.0 * m for s, m in v.drives.items() if s == WRITTEN})
        for n, v in design.values.items()
        if v.holds
    }
    loud = replace(design, values={**design.values, **quiet})
    lines = {n: np.ones((1, c.comparators), bool) & (c.sign > 0) for n, c in design.inputs.items()}
    with pytest.raises(ChipOverflowError, match="has 23 bits and a sign"):
        run_until(UnitEmulator(loud, 1, strict=True), lines)
    wrapping = UnitEmulator(loud, 1, strict=False)
    run_until(wrapping, lines)
    assert wrapping.overflows > 0


def run_until(emulator: UnitEmulator, lines: dict[str, NDArray[np.bool_]]) -> None:
    for _ in range(200):
        emulator.step(lines)


@pytest.mark.parametrize(("levels", "window"), [(3, 8), (0, 8), (32, 8), (6, 6), (6, 128)])
def test_refuses_options(levels: int, window: int) -> None:
    with pytest.raises(ConfigError, match="expected"):
        TARGET.Options(profile="loihi1", levels=levels, window=window)


def test_the_target_has_the_profile() -> None:
    options = TARGET.Options(profile="loihi1", levels=2, window=2)
    made = TARGET.convert(Net(SMALL), options, sequences(0, 8, 60))
    golden = Golden(np.zeros((1, 1, N_IN), np.float32), np.zeros((1, 1, 1), np.float32))
    fields = {"target": "loihi", **made.facts}
    built = artefact.build(made.payload, fields, Net(SMALL).labels, golden, made.parts)
    assert isinstance(TARGET.load(built), SpikesRunner)
    assert isinstance(TARGET.load(built), Simulated)
    assert TARGET.tolerance(options) == spikes.tolerance(options)


def test_a_network_larger_than_the_chip_is_refused() -> None:
    cell = Stack((Dense(N_IN, 1500, "relu"), Dense(1500, 1500, "relu")))
    with pytest.raises(PlacementError, match=r"loihi1, 6 levels: \d+ synapses; 128 cores .* hold"):
        spikes.convert(Net(cell), Options(levels=6), sequences(0, 2, 4))
