"""A linear memory as a Nengo model: against float equations, and as a file by itself."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edgemem import artefact
from edgemem.artefact import Artefact, Golden
from edgemem.cells import LMU, Cell
from edgemem.errors import (
    ArtefactError,
    ConfigError,
    ShapeError,
    UnsupportedOpError,
)
from edgemem.files import npz_bytes
from edgemem.ir import Graph, trace
from edgemem_nengo_loihi import TARGET
from edgemem_nengo_loihi.convert import linear_form
from edgemem_nengo_loihi.network import Linear, Timing, network, time_constant
from edgemem_nengo_loihi.neurons import population
from edgemem_nengo_loihi.runner import NengoLoihiRunner
from edgemem_nengo_loihi.standalone import full_weights

N_IN = 2
CELL = LMU(N_IN, 3, 2, 10.0, 1, input_to_hidden=True, activation="linear")


@dataclass(frozen=True)
class Net:
    cell: Cell
    name: str = "net"
    scheme: None = None
    labels: tuple[str, ...] = ("a", "b", "c")

    def graph(self) -> Graph:
        return trace(self.cell, self.cell.init(np.random.default_rng(3)))

    def reference(self) -> Graph:
        return self.graph()


def sequences(seed: int, n: int, t: int) -> NDArray[np.float32]:
    x = np.random.default_rng(seed).normal(size=(n, t, N_IN))
    for i in range(1, t):
        x[:, i] = 0.8 * x[:, i - 1] + 0.6 * x[:, i]
    return x.astype(np.float32)


on_nengo_loihi = pytest.mark.peers
"""NengoLoihi is no part of the test install: ``scripts/test-peers`` has it."""


@pytest.fixture(scope="module")
def file() -> Artefact:
    options = TARGET.Options(neurons=20, steps=8)
    made = TARGET.convert(Net(CELL), options, sequences(0, 4, 40))
    golden = Golden(np.zeros((1, 3, N_IN), np.float32), np.zeros((1, 3, 3), np.float32))
    fields = {"target": "nengo-loihi", **made.facts}
    built = artefact.build(made.payload, fields, Net(CELL).labels, golden, made.parts)
    return artefact.from_bytes(artefact.to_bytes(built), "test")


@on_nengo_loihi
def test_decoders_read_the_values_that_drive_the_neurons() -> None:
    made = population(2, 60, 1e-3, np.random.default_rng(0))
    x = np.array([0.5, -0.7])
    current = made.gain * (made.encoders @ x) + made.bias
    # rates of LIF neurons in whole steps: 1 ms longer than 2 ms of rest, as the chip counts
    with np.errstate(divide="ignore", invalid="ignore"):
        period = 0.002 + 0.02 * np.log1p(1.0 / np.maximum(current - 1.0, 0.0))
    rates = np.where(current > 1.0, 1.0 / period, 0.0)
    np.testing.assert_allclose(made.decoders @ rates, x, atol=0.08)


@on_nengo_loihi
def test_transforms_are_principle_3() -> None:
    # m' = 0.9 m + 0.1 x with the synapse's own constant needs no recurrence
    tau = -1e-3 / np.log(0.9)
    one = np.ones((1, 1))
    linear = Linear(0.9 * one, 0.1 * one, one, 0 * one, np.zeros(1), np.ones(1), np.ones(1))
    arrays = network(linear, Timing(1, tau=tau), 10)
    np.testing.assert_allclose(arrays["transform/relay0/states0"], 1.0)
    np.testing.assert_allclose(arrays["transform/states0/states0"], 0.0, atol=1e-12)
    assert full_weights(arrays, "relay0", "states0").shape == (10, 10)


def test_the_time_constant_is_twice_the_modes_own() -> None:
    assert time_constant(np.diag([np.exp(-0.01), np.exp(-0.01)]), 1e-3) == pytest.approx(0.2)


def test_a_linear_network_is_one_state_and_one_output() -> None:
    linear = linear_form(Net(CELL).graph(), sequences(0, 4, 40))
    x = sequences(1, 1, 30)[0].astype(np.float64)
    expected, _ = Net(CELL).graph().scan(x)
    m = np.zeros(2)
    for v, y in zip(x, expected):
        np.testing.assert_allclose(linear.C @ m + linear.D @ v + linear.bias, y, atol=1e-12)
        m = linear.A @ m + linear.G @ v


@on_nengo_loihi
def test_counts_inputs_that_the_host_clips(file: Artefact) -> None:
    runner = NengoLoihiRunner(file)
    assert runner.clipped == 0
    runner.step(np.full(N_IN, 1e3, np.float32))
    assert runner.clipped == N_IN
    runner.reset()
    assert runner.clipped == 0


@on_nengo_loihi
def test_the_file_runs_by_itself(file: Artefact, tmp_path: Path) -> None:
    path = tmp_path / "net.edgemem"
    path.write_bytes(artefact.to_bytes(file))
    # -I: nothing of this project is on its path but what is installed, and it asks for none of it
    ran = subprocess.run(
        [sys.executable, "-I", str(path)], capture_output=True, text=True, timeout=120, check=True
    )
    assert "2 inputs, 3 outputs, 80 neurons, 8 steps of 0.001 s" in ran.stdout
    assert "golden inputs: RMS difference" in ran.stdout
    assert "edgemem" not in file.parts["__main__.py"].decode().partition("import numpy")[2].replace(
        "edgemem network", ""
    ).replace('label="edgemem"', "")


@on_nengo_loihi
def test_bad_input(file: Artefact) -> None:
    with pytest.raises(ShapeError, match=r"expected \(2,\)"):
        NengoLoihiRunner(file).step(np.zeros(3, np.float32))
    arrays = file.arrays("network.npz")
    for damaged in (
        {n: a for n, a in arrays.items() if n != "relay0/gain"},
        {**arrays, "radius": np.ones(5)},
    ):
        parts = {**file.parts, "network.npz": npz_bytes(damaged)}
        with pytest.raises(ArtefactError, match="convert the model again"):
            NengoLoihiRunner(replace(file, parts=parts))


@pytest.mark.parametrize(
    ("neurons", "steps", "tau"), [(1, 8, 0.0), (2000, 8, 0.0), (60, 6, 0.0), (60, 8, -1.0)]
)
def test_refuses_options(neurons: int, steps: int, tau: float) -> None:
    with pytest.raises(ConfigError, match="expected"):
        TARGET.Options(neurons=neurons, steps=steps, tau=tau)


def test_refuses_functions() -> None:
    cell = replace(CELL, activation="relu")
    with pytest.raises(UnsupportedOpError, match="cannot lower relu"):
        TARGET.convert(Net(cell), TARGET.Options(), sequences(0, 4, 40))


@on_nengo_loihi
def test_a_conversion_says_where_the_host_clips() -> None:
    made = TARGET.convert(Net(CELL), TARGET.Options(neurons=20, steps=8), sequences(0, 4, 40))
    radius = made.facts["input_radius"]
    assert radius == pytest.approx(1.1 * np.abs(sequences(0, 4, 40)).max(axis=(0, 1)), rel=1e-5)
    assert made.facts["note"].startswith("the host clips inputs beyond 1.1 times the largest")
    assert f"{min(radius):.3g} to {max(radius):.3g}" in made.facts["note"]
