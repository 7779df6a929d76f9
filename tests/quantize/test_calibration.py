from __future__ import annotations

import numpy as np
import pytest

from edgemem.cells import LMU, Dense
from edgemem.errors import ConfigError
from edgemem.ir import trace
from edgemem.quantize import observe


def test_ranges_are_those_along_the_sequences() -> None:
    cell = LMU(2, 4, 4, 8.0, activation="relu")
    rng = np.random.default_rng(0)
    graph = trace(cell, cell.init(rng))
    x = rng.normal(size=(3, 20, 2)).astype(np.float32)
    seen = observe(graph, x)
    # by hand: the memory of each sequence, and of each going on from where another ended
    memories = []
    carried = graph.zero_state((3,))
    for _ in range(2):
        for t in range(20):
            memories.append(carried["m"])
            carried, _ = cell.step(_float_ops(), graph.params, carried, x[:, t].astype(float))
        carried = {name: np.roll(value, 1, axis=0) for name, value in carried.items()}
    assert seen["m"].low == pytest.approx(np.min(memories))
    assert seen["m"].high == pytest.approx(np.max(memories))
    assert (seen["x"].low, seen["x"].high) == (x.min(), x.max())
    assert seen["h_new"].low >= 0.0
    assert seen["x"].magnitude == np.abs(x).max()


def _float_ops():  # type: ignore[no-untyped-def]
    from edgemem.ops import FloatOps

    return FloatOps()


def test_samples_lie_in_the_range_and_come_from_all_steps() -> None:
    graph = trace(Dense(1, 1), {"W": np.ones((1, 1)), "b": np.zeros(1)})
    x = np.arange(50, dtype=np.float32).reshape(1, 50, 1)
    sample = observe(graph, x)["x"].sample
    assert set(sample) == set(range(50))


@pytest.mark.parametrize("shape", [(0, 5, 2), (3, 0, 2), (3, 5, 4), (5, 2)])
def test_refuses_sequences_of_another_shape(shape: tuple[int, ...]) -> None:
    cell = Dense(2, 1)
    graph = trace(cell, cell.init(np.random.default_rng(0)))
    with pytest.raises(ConfigError, match="expected"):
        observe(graph, np.zeros(shape, np.float32))


def test_refuses_a_network_that_diverges() -> None:
    graph = trace(Dense(1, 1), {"W": np.full((1, 1), np.inf), "b": np.zeros(1)})
    with pytest.raises(ConfigError, match="infinite or NaN"):
        observe(graph, np.ones((1, 2, 1), np.float32))
