"""A graph to its integer program: what is promised of it, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from edgemem.cells import GRU, LEM, LMU, Cell, Dense, Norm, Stack
from edgemem.errors import ConfigError, ToleranceError
from edgemem.ir import Graph, trace
from edgemem.quantize import Program, Scheme, build
from edgemem.quantize.plan import Plan
from edgemem.quantize.scheme import choose

N_IN = 5


def graph_of(cell: Cell, seed: int = 0) -> Graph:
    return trace(cell, cell.init(np.random.default_rng(seed)))


def sequences(n_in: int = N_IN) -> npt.NDArray[np.float32]:
    return np.random.default_rng(1).normal(size=(6, 30, n_in)).astype(np.float32)


def reach(program: Program, op: Any) -> npt.NDArray[np.float64]:
    """The largest sum of each row of a product, for any input of its format."""
    form = program.tensors[op.inputs[0]].form
    furthest = max(form.highest - form.zero_point, form.zero_point - form.lowest)
    weight = program.arrays[op.arrays["weight"]].astype(np.float64)
    bias = program.arrays[op.arrays["bias"]] if "bias" in op.arrays else 0
    return np.asarray(np.abs(weight).sum(axis=1) * furthest + np.abs(bias))


@pytest.mark.parametrize("activations", ["int8", "int16"])
@pytest.mark.parametrize(
    "cell",
    [
        Stack((Norm(N_IN), LMU(N_IN, 8, 6, 9.0, 2, input_to_hidden=True, activation="relu"))),
        LMU(N_IN, 8, 48, 400.0),
        LEM(N_IN, 8),
        GRU(N_IN, 8),
    ],
    ids=["lmu", "long", "lem", "gru"],
)
def test_no_sum_can_leave_32_bits(cell: Cell, activations: str) -> None:
    program = build(graph_of(cell), Scheme(activations), sequences()).program
    products = [op for op in program.operations if "weight" in op.arrays]
    assert products
    for op in products:
        assert (reach(program, op) < 2**31).all()


def test_wide_inputs_get_coarser_weights_before_a_sum_overflows() -> None:
    cell = Dense(600, 3)
    params = {"W": np.full((3, 600), 0.5), "b": np.zeros(3)}
    program = build(trace(cell, params), Scheme("int16"), sequences(600)).program
    (op,) = (op for op in program.operations if "weight" in op.arrays)
    assert (reach(program, op) < 2**31).all()
    assert 40 < program.arrays[op.arrays["weight"]].max() < 127


def test_an_accumulator_that_could_overflow_is_refused() -> None:
    # 70,000 weights of 127 times 255 are more than 2^31
    cell = Dense(70_000, 1)
    graph = trace(cell, {"W": np.ones((1, 70_000)), "b": np.zeros(1)})
    x = np.random.default_rng(0).uniform(0, 1, (1, 2, 70_000)).astype(np.float32)
    with pytest.raises(ToleranceError, match=r"sum of its product could reach 2\.2"):
        build(graph, Scheme(), x)


def test_a_state_leaves_a_step_as_it_came() -> None:
    for cell in (LEM(N_IN, 8), LMU(N_IN, 8, 6, 9.0, 2, hidden_to_hidden=True), GRU(N_IN, 8)):
        program = build(graph_of(cell), Scheme(), sequences()).program
        for state, after in program.states.items():
            before, then = program.tensors[state].form, program.tensors[after].form
            assert (before.bits, before.scale, before.zero_point) == (16, then.scale, 0)


@pytest.mark.parametrize(("weights", "highest"), [(8, 127), (4, 7), (2, 1)])
def test_trained_matrices_get_the_bits_and_fixed_ones_keep_8(weights: int, highest: int) -> None:
    built = build(graph_of(LMU(N_IN, 8, 6, 9.0, 2)), Scheme(weights=weights), sequences())
    for step in built.steps:
        if step.weight is not None:
            integers = built.program.arrays[f"{step.name}.weight"]
            assert np.abs(integers).max() == (127 if step.fixed else highest)


def test_single_matrices_get_bits_of_their_own() -> None:
    scheme = Scheme(layers={"0.lmu.W_m": 4})
    cell = Stack((LMU(N_IN, 8, 6, 9.0, 2), Dense(8, 3)))
    program = build(graph_of(cell), scheme, sequences()).program
    assert sorted(form.bits for form in program.weights.values()) == [4, 8, 8, 8]


@pytest.mark.parametrize("wrong", [{"weights": 3}, {"weights": True}, {"layers": {"a": 16}}])
def test_widths_that_are_none(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="known: 8, 4, 2"):
        Scheme(**wrong)


def test_a_scheme_comes_back_from_json() -> None:
    built = build(graph_of(LEM(N_IN, 4)), Scheme(), sequences())
    scheme = Scheme("int8", 4, {"W_1": 2}, built.plan)
    found = Scheme.from_dict(scheme.to_dict())
    assert found.to_dict() == scheme.to_dict()
    with pytest.raises(ConfigError, match="unknown field 'colour'"):
        Scheme.from_dict({"colour": 1})


def test_what_training_fixed_counts_until_something_else_is_asked_for() -> None:
    trained = Scheme(weights=4, layers={"a": 8}, plan=Plan({}, {}))
    assert choose(trained, "int8", "model") is trained
    assert choose(trained, "int8", "4") is trained
    searched = Scheme(layers={"a": 4})
    assert choose(searched, "int8", "model") is searched
    assert choose(searched, "int8", "8") == Scheme()
    assert choose(trained, "int8", "8") == Scheme()
    assert choose(trained, "int16", "model") == Scheme("int16")
    assert choose(None, "int8", "model") == Scheme()
