"""Options, what is refused, amplitudes, and the stored form."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from edgemem.cells import LEM, Cell, Dense, Stack
from edgemem.errors import ConfigError, GraphError, ShapeError, UnknownNameError
from edgemem.ir import Graph, trace
from edgemem.reading import DamageError
from edgemem.spiking import SpikingNetwork, prepare, simulate

Traced = Callable[[Cell], Graph]
Noise = Callable[..., np.ndarray]


@pytest.fixture
def lem(traced: Traced, noise: Noise) -> SpikingNetwork:
    return prepare(traced(LEM(3, 5)), noise(0, 4, 30), steps=43, hop=0.02)


def test_windows(lem: SpikingNetwork) -> None:
    assert (lem.depth, lem.window) == (4, 10)  # three steps are left over
    assert lem.dt == pytest.approx(0.02 / 43)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 3}, r"steps-per-frame is 3: 4 populations .* takes 4 steps or more"),
        ({"steps": 0}, r"steps-per-frame is 0: .* takes 4 steps or more"),
        ({"scale": 0.0}, "scale is 0.0; expected a number greater than 0"),
        ({"scale": -1.0}, "scale is -1.0"),
        ({"scale": float("nan")}, "scale is nan"),
        ({"hop": 0.0}, "hop is 0.0; expected a time"),
        ({"code": "phase"}, "code is 'phase'; known: delta, rate"),
    ],
)
def test_refuses_options(
    traced: Traced, noise: Noise, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        prepare(traced(LEM(3, 5)), noise(0, 4, 30), **options)


def test_refuses_silent_calibration(traced: Traced) -> None:
    with pytest.raises(ConfigError, match="same, as in silence"):
        prepare(traced(LEM(3, 5)), np.zeros((2, 5, 3), np.float32))


def test_refuses_an_unknown_probe(lem: SpikingNetwork, noise: Noise) -> None:
    with pytest.raises(UnknownNameError, match="no probe named 'zz'; known: dt, dt_bar"):
        simulate(lem, noise(1, 1, 2), ["zz"])


@pytest.mark.parametrize("shape", [(2, 3), (1, 2, 4), (1, 0, 3)])
def test_refuses_other_shapes(lem: SpikingNetwork, shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match=r"expected \(n, t, 3\)"):
        simulate(lem, np.zeros(shape, np.float32))


def test_refuses_amplitudes_of_another_network(lem: SpikingNetwork) -> None:
    with pytest.raises(GraphError, match=r"'dt': amplitudes of shape \(0,\), expected \(5,\)"):
        replace(lem, amplitudes={})
    with pytest.raises(GraphError, match="'dt': an amplitude is not greater than 0"):
        replace(lem, amplitudes={**lem.amplitudes, "dt": np.zeros(5)})


def test_amplitudes_are_peaks_or_largest_changes_over_scale() -> None:
    cell = Stack((Dense(1, 2, "relu"), Dense(2, 1)))
    arrays = {
        "0.dense.W": np.array([[2.0], [-1.0]]),
        "0.dense.b": np.zeros(2),
        "1.dense.W": np.ones((1, 2)),
        "1.dense.b": np.zeros(1),
    }
    x = np.array([[[1.0], [3.0], [2.5], [-2.0]]], np.float32)
    # relu: 2, 6, 5, 0 and 0, 0, 0, 2; changes from 0: 2, 4, 1, 5 and 0, 0, 0, 2
    for code, expected in (("rate", [6.0, 2.0]), ("delta", [5.0, 2.0])):
        network = prepare(trace(cell, arrays), x, scale=0.5, code=code)  # type: ignore[arg-type]
        np.testing.assert_allclose(network.amplitudes["0.dense.y"], np.array(expected) / 0.5)


def test_stored_form(lem: SpikingNetwork, noise: Noise) -> None:
    again = SpikingNetwork.from_parts(*lem.to_parts())
    x = noise(1, 2, 6)
    np.testing.assert_array_equal(simulate(again, x).outputs, simulate(lem, x).outputs)
    assert (again.steps, again.code, again.hop) == (43, "delta", 0.02)


@pytest.mark.parametrize("text", [b"{}", b"[1]", b"no json", b'{"graph": {}, "steps": 4}'])
def test_refuses_a_damaged_description(lem: SpikingNetwork, text: bytes) -> None:
    with pytest.raises(DamageError, match=r"lacks|must be an object|is no JSON"):
        SpikingNetwork.from_parts(text, lem.to_parts()[1])
