"""Layers on their own against the network as a whole."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from edgemem.cells import GRU, LEM, LMU, LSTM, Bidirectional, Dense, Norm, Stack
from edgemem.inspect import layers
from edgemem.ir import trace
from edgemem.model import Model

STACK = Stack(
    (Norm(4), LMU(4, 5, 3, 4.0, 2), Norm(5, "relu"), LEM(5, 3), GRU(3, 3), LSTM(3, 3), Dense(3, 2))
)


def test_layers_in_a_row_are_the_network(make_model: Callable[..., Model]) -> None:
    model = make_model(STACK)
    x = np.random.default_rng(0).normal(size=(3, 11, 4))
    y = x
    for layer in layers(model):
        y = layer.outputs(y)
    np.testing.assert_allclose(y, model.graph().scan(x)[0], atol=1e-13)


def test_names_are_those_of_the_stack(make_model: Callable[..., Model]) -> None:
    names = [layer.name for layer in layers(make_model(STACK))]
    assert names == ["0.norm", "1.lmu", "2.norm", "3.lem", "4.gru", "5.lstm", "6.dense"]
    assert [layer.name for layer in layers(make_model(Dense(2, 2)))] == ["0.dense"]


def test_both_directions(make_model: Callable[..., Model]) -> None:
    model = make_model(Bidirectional(LEM(4, 3)))
    (layer,) = layers(model)
    x = np.random.default_rng(0).normal(size=(2, 7, 4))
    ahead, back = (
        {k[len(d) :]: v for k, v in model.params.items() if k.startswith(d)}
        for d in ("forward.", "backward.")
    )
    forward = trace(LEM(4, 3), ahead).scan(x)[0]
    backward = trace(LEM(4, 3), back).scan(x[:, ::-1])[0][:, ::-1]
    np.testing.assert_allclose(layer.outputs(x), np.concatenate([forward, backward], -1))
    assert [part.name for part in layer.passes] == [
        "0.bidirectional.forward.lem",
        "0.bidirectional.backward.lem",
    ]
