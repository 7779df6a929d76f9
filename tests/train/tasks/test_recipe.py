"""Recipes of tasks: the network that they make, and what they refuse."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from edgemem.cells import GRU, LMU, LSTM, Bidirectional, Conv, Dense
from edgemem.errors import ConfigError, UnknownNameError
from edgemem.train.tasks.recipe import TaskRecipe

LMUS = TaskRecipe("lmu", ({"n_units": 6, "order": 4, "theta": 8.0},) * 2)


def of_layer(**values):
    return {"layers": (values,)}


def test_layers_follow_each_other():
    stack = replace(LMUS, conv_channels=3, conv_kernel=2).stack(2, 5)
    assert stack.cells == (
        Conv(2, 3, 2, "relu"),
        LMU(3, 6, 4, 8.0),
        LMU(6, 6, 4, 8.0),
        Dense(6, 5),
    )


def test_a_layer_may_be_of_another_cell():
    mixed = TaskRecipe("lmu", (LMUS.layers[0], {"cell": "lstm", "n_units": 3}))
    assert mixed.stack(2, 1).cells[1] == LSTM(6, 3)


def test_both_directions_double_what_the_next_layer_reads():
    stack = TaskRecipe("gru", ({"n_units": 3}, {"n_units": 4}), bidirectional=True).stack(2, 1)
    assert stack.cells == (Bidirectional(GRU(2, 3)), Bidirectional(GRU(6, 4)), Dense(8, 1))


def test_forms_of_an_lmu():
    flags = ("hidden_to_memory", "memory_to_memory", "hidden_to_hidden")
    for form, wanted in (("parallel", (0, 0, 0)), ("plain", (0, 0, 1)), ("feedback", (1, 1, 1))):
        cell = LMUS.in_form(form).stack(1, 1).cells[0]
        assert tuple(getattr(cell, flag) for flag in flags) == wanted
    with pytest.raises(UnknownNameError, match="no form of an LMU named 'fast'; known: feedback"):
        LMUS.in_form("fast")
    with pytest.raises(ConfigError, match="--form plain is of LMUs; this network has gru layers"):
        TaskRecipe("gru", ({"n_units": 3},)).in_form("plain")


def test_a_recipe_is_json():
    described = LMUS.to_dict()
    again = TaskRecipe(**{**json.loads(json.dumps(described)), "layers": LMUS.layers})
    assert again == LMUS


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cell": "rnn"}, "no cell named 'rnn'"),
        ({"schedule": "line"}, "no schedule named 'line'; known: constant, cosine, step"),
        ({"batch": 0}, r"recipe: batch must be greater than 0 \(got 0\)"),
        ({"dropout": 1.0}, r"dropout must lie in \[0, 1\) \(got 1.0\)"),
        ({"epochs": -1}, "epochs must not be negative"),
        (
            {"layers": ({"n_units": 6, "order": 0, "theta": 8.0},)},
            "lmu.order: must be greater than 0",
        ),
        (
            {"layers": ({"n_units": 6, "order": 4, "theta": 0.0},)},
            "lmu.theta: must be greater than 0",
        ),
        (
            {"layers": ({"n_units": 6.5, "order": 4, "theta": 8.0},)},
            "lmu.n_units: must be of type int",
        ),
        (of_layer(n_units=6), "a lmu layer needs order, theta"),
        (of_layer(units=6), "no hyper-parameter of lmu layers named 'units'"),
    ],
)
def test_what_cannot_work_is_refused_before_any_data_is_read(changes, message):
    with pytest.raises((ConfigError, UnknownNameError), match=message):
        replace(LMUS, **changes)
