"""LSTM and GRU against the layers of Keras."""

from __future__ import annotations

import numpy as np
import pytest

from edgemem import cells
from edgemem.cells import gru, lstm
from edgemem.frameworks import tf
from edgemem.ir import trace

pytestmark = pytest.mark.training


def stacked(arrays, prefix, gates):
    return np.concatenate([arrays[f"{prefix}_{gate}"] for gate in gates]).T


def drawn(cell, rng):
    return {name: rng.normal(size=shape) for name, shape in cell.params.items()}


def test_lstm():
    rng = np.random.default_rng(0)
    cell = cells.LSTM(3, 4)
    p = drawn(cell, rng)
    peer = tf.keras.layers.LSTM(4, return_sequences=True, dtype="float64")
    x = rng.normal(size=(2, 9, 3))
    peer.build(x.shape)
    peer.set_weights([stacked(p, name, lstm.GATES) for name in ("W", "U", "b")])
    ours, _ = trace(cell, p).scan(x)
    np.testing.assert_allclose(ours, peer(x).numpy(), atol=1e-12)


def test_gru():
    rng = np.random.default_rng(0)
    cell = cells.GRU(3, 4)
    p = drawn(cell, rng)
    peer = tf.keras.layers.GRU(4, return_sequences=True, reset_after=True, dtype="float64")
    x = rng.normal(size=(2, 9, 3))
    peer.build(x.shape)
    biases = np.stack([stacked(p, name, gru.GATES) for name in ("b", "d")])
    peer.set_weights([stacked(p, "W", gru.GATES), stacked(p, "U", gru.GATES), biases])
    ours, _ = trace(cell, p).scan(x)
    np.testing.assert_allclose(ours, peer(x).numpy(), atol=1e-12)


def test_a_fresh_lstm_remembers():
    assert (cells.LSTM(3, 4).init(np.random.default_rng(0))["b_f"] == 1).all()
