from __future__ import annotations

import importlib

import numpy as np
import pytest

from edgemem.cells import LMU, Dense, Norm, Stack
from edgemem.errors import ConfigError, UnsupportedOpError
from edgemem.ir import Graph, Node, trace
from edgemem.quantize import Format, observe
from edgemem.quantize.build import prepared
from edgemem.quantize.formats import shift_between
from edgemem.quantize.plan import Plan, plan
from edgemem.quantize.steps import CURVES, origin, steps

N_IN = 5
DEEP = Stack(
    (
        Norm(N_IN),
        LMU(N_IN, 8, 6, 9.0, 4, input_to_hidden=True, activation="linear"),
        Norm(8, "relu"),
        LMU(8, 16, 6, 18.0, 4, input_to_hidden=True, activation="linear"),
        Norm(16, "relu"),
        Dense(16, 6),
    )
)


def deep_graph() -> Graph:
    rng = np.random.default_rng(3)
    params = {
        name: rng.normal(scale=0.4, size=shape) + (1.0 if name.endswith("gain") else 0.0)
        for name, shape in DEEP.params.items()
    }
    return trace(DEEP, params)


def sequences(seed: int, n: int, t: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, t, N_IN)).astype(np.float32)


def test_only_what_meets_a_state_has_16_bits() -> None:
    graph = prepared(deep_graph())
    listed = steps(graph)
    formats = plan(graph, listed, observe(graph, sequences(0, 8, 40)), "int8")
    wide = {name for name, form in formats.home.items() if form.bits == 16}
    changes = {step.name for step in listed if step.op == "join"}
    memories = set(graph.states) | set(graph.next_states.values())
    assert len(changes) == 2 and wide == changes | memories


def test_16_bits_become_8_by_a_shift() -> None:
    graph = prepared(deep_graph())
    formats = plan(graph, steps(graph), observe(graph, sequences(0, 8, 40)), "int8")
    for name, narrow in formats.narrow.items():
        assert shift_between(formats.home[name], narrow) is not None


def test_a_plan_comes_back_from_json() -> None:
    given = Plan({"a": Format(8, 0.1, -3), "b": Format(16, 2.0**-9)}, {"b": Format(8, 0.5, 7)})
    found = Plan.from_dict(given.to_dict())
    assert found.to_dict() == given.to_dict()
    assert found.home["a"].scale == np.float32(0.1) and found.narrow["b"].zero_point == 7


@pytest.mark.parametrize("damaged", [{}, {"home": {"a": [8]}, "narrow": {}}, {"home": 3}])
def test_a_damaged_plan_is_refused(damaged: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="damaged description of formats"):
        Plan.from_dict(damaged)


def test_an_integer_form_that_is_none() -> None:
    graph = deep_graph()
    with pytest.raises(ConfigError, match="known: int16, int8"):
        plan(graph, steps(graph), observe(graph, sequences(0, 2, 5)), "int4")


def test_a_matrix_that_is_computed_is_refused() -> None:
    graph = Graph(
        n_in=2,
        params={},
        constants=frozenset(),
        states={"s": (2, 2)},
        nodes=(Node("p", "matvec", ("s", "x"), (2,)), Node("q", "tanh", ("s",), (2, 2))),
        next_states={"s": "q"},
        output="p",
    )
    with pytest.raises(UnsupportedOpError, match="its matrix 's' is computed"):
        steps(graph)


def test_products_remember_the_array_that_they_were_made_from() -> None:
    sources = {step.source for step in steps(prepared(deep_graph())) if step.op == "matvec"}
    # the first norm folds into both matrices that read it, the others into those before them
    assert sources == {"1.lmu.e_x", "1.lmu.W_m", "1.lmu.W_x"} | {
        "3.lmu.e_x",
        "3.lmu.W_m",
        "3.lmu.W_x",
        "5.dense.W",
    }


@pytest.mark.parametrize(
    ("name", "expected"), [("1.lmu.W_m.2", "1.lmu.W_m"), ("W_1", "W_1"), ("W.1", "W"), ("A", "A")]
)
def test_origin_of_a_name(name: str, expected: str) -> None:
    assert origin(name) == expected


def test_every_curve_has_formats_of_its_own_and_no_other_takes_those_of_a_sigmoid(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    module = importlib.import_module("edgemem.quantize.plan")
    assert set(module.CURVE_FORMATS) == CURVES
    graph = trace(Dense(2, 2, "tanh"), {"W": np.eye(2), "b": np.zeros(2)})
    x = np.random.default_rng(0).normal(size=(2, 5, 2)).astype(np.float32)
    monkeypatch.delitem(module.CURVE_FORMATS, "tanh")
    with pytest.raises(UnsupportedOpError, match="no integer format for the curve 'tanh'"):
        module.plan(graph, steps(graph), observe(graph, x), "int8")
