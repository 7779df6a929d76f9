"""Recipes: the networks they make and what they refuse."""

from __future__ import annotations

import json

import pytest

from edgemem.cells import LEM, LMU, Dense, Norm
from edgemem.errors import ConfigError, UnknownNameError
from edgemem.train.recipes import RECIPES, Recipe, recipe, recipe_of

ONE = ({"n_units": 3},)


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_makes_a_network_and_is_json(name):
    chosen = recipe(name)
    stack = chosen.stack(80, 12)
    assert (stack.n_in, stack.n_out) == (80, 12)
    plan = json.loads(json.dumps(chosen.to_dict()))
    assert [dict(layer) for layer in plan["layers"]] == [dict(layer) for layer in chosen.layers]
    assert plan["augmentation"]["snr"] == list(chosen.augmentation.snr)
    assert Recipe.from_dict(plan) == chosen
    assert recipe_of("net", {"recipe": plan}) == chosen


def test_a_cell_has_a_recipe_of_its_name():
    for name in ("lmu", "lem", "lstm", "gru"):
        assert recipe(name).cell == name


def test_layers_stand_between_norms_below_a_dense_head():
    made = Recipe("lem", ({"n_units": 4, "dt": 0.5}, {"n_units": 3}), norm="relu").stack(8, 2)
    assert made.cells == (
        *(Norm(8), LEM(8, 4, 0.5), Norm(4, "relu")),
        *(LEM(4, 3), Norm(3, "relu"), Dense(3, 2)),
    )
    bare = Recipe("lmu", ({"n_units": 4, "order": 3, "theta": 5},)).stack(8, 2)
    assert bare.cells == (Norm(8), LMU(8, 4, 3, 5), Dense(4, 2))


def test_unknown_names_list_the_known_ones():
    with pytest.raises(UnknownNameError, match="no recipe named 'rnn'; known: gru, lem, lem-clean"):
        recipe("rnn")
    with pytest.raises(
        UnknownNameError, match="no cell named 'rnn'; known: bidirectional, conv, dense"
    ):
        Recipe("rnn", ONE)


@pytest.mark.parametrize(
    "values",
    [
        {"epochs": 0},
        {"batch": -1},
        {"learning_rate": 0.0},
        {"learning_rate": float("nan")},
        {"window": 0.0},
        {"frames": 0},
        {"clip_norm": 0.0},
        {"warmup": -1.0},
        {"weight_decay": -0.1},
        {"unknown": -1.0},
        {"silence": float("nan")},
        {"carry": 1.0},
        {"carry": -0.1},
        {"smoothing": float("nan")},
    ],
    ids=str,
)
def test_values_that_cannot_work_are_refused(values):
    (name,) = values
    with pytest.raises(ConfigError, match=f"recipe: {name} must .*got {values[name]}"):
        Recipe("lem", ONE, **values)


@pytest.mark.parametrize(
    "layer,message",
    [
        ({"n_units": "many"}, r"lem\.n_units: must be of type int \(got 'many'\)"),
        ({"n_units": 2.5}, "must be of type int"),
        ({"n_units": True}, "must be of type int"),
        ({"n_units": 2, "dt": "1"}, "must be of type float"),
        ({"n_units": 0}, "must be greater than 0"),
        ({"dt": 0.5}, r"a lem layer needs n_units \(got {'dt': 0.5}\)"),
        ({"n_units": 2, "units": 3}, "named 'units'; known: dt, n_units"),
        ({"n_units": 2, "n_in": 3}, "named 'n_in'; known: dt, n_units"),
    ],
    ids=str,
)
def test_layers_that_cannot_work_are_refused(layer, message):
    with pytest.raises((ConfigError, UnknownNameError), match=message):
        Recipe("lem", (layer,))


@pytest.mark.parametrize(
    "change", [{"size": 3}, {"layers": 3}, {"augmentation": {"loud": 1.0}}, {"augmentation": None}]
)
def test_a_damaged_recipe_is_refused(change):
    plan = {**json.loads(json.dumps(recipe("lmu").to_dict())), **change}
    with pytest.raises(ConfigError, match="damaged description of a recipe"):
        Recipe.from_dict(plan)


def test_a_card_without_recipe_is_named():
    with pytest.raises(ConfigError, match="model 'net': its card has no recipe to go on with"):
        recipe_of("net", {"recipe": None})
