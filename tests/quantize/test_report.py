from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from edgemem.cells import LEM, LMU, Dense, Stack
from edgemem.ir import Graph, trace
from edgemem.quantize import Built, Format, IntegerOps, Scheme, build
from edgemem.quantize.plan import Plan
from edgemem.quantize.report import FormatReport, TensorReport, q_notation, ratio, report


def line() -> np.ndarray:
    """Evenly over -1 to 1: (800, 5, 1)."""
    return np.linspace(-1.0, 1.0, 4000, dtype=np.float32).reshape(800, 5, 1)


def identity(home: Format, x: np.ndarray, weight: float = 1.0) -> tuple[Built, FormatReport]:
    """``y = weight x`` with this format on both sides."""
    graph = trace(Dense(1, 1), {"W": np.full((1, 1), weight), "b": np.zeros(1)})
    names = [node.name for node in graph.nodes]
    formats = dict.fromkeys(["x", *names], home)
    scheme = Scheme(plan=Plan(formats, {}))
    built = build(graph, scheme, x)
    return built, report(built, x)


def of(found: FormatReport, name: str) -> TensorReport:
    return next(tensor for tensor in found.tensors if tensor.name == name)


@pytest.mark.parametrize("bits", [4, 6, 8])
def test_noise_of_a_uniform_rounding(bits: int) -> None:
    # a uniform value over [-1, 1] in steps of s has the power 1/3, its rounding error s^2 / 12
    step = 2.0 / 2**bits
    _, found = identity(Format(8, step), line())
    expected = 10.0 * math.log10((1.0 / 3.0) / (step**2 / 12.0))
    assert of(found, "x").sqnr == pytest.approx(expected, abs=0.15)


def test_clipping_is_counted_where_the_float_is_beyond() -> None:
    # 128 steps of 1/256 end at 127/256 and -1/2; a quarter of the values lies beyond each
    _, found = identity(Format(8, 2.0**-8), line())
    x = of(found, "x")
    values = line().reshape(-1).astype(float)
    beyond = np.count_nonzero((values > 127.5 / 256.0) | (values < -128.5 / 256.0))
    assert x.clipped == pytest.approx(beyond / values.size) and 0.49 < x.clipped < 0.51
    assert (x.low, x.high) == (-1.0, 1.0)
    assert (x.bits, x.scale, x.zero_point, x.q, x.kind) == (8, 2.0**-8, 0, "Q-1.8", "input")
    assert of(found, found.tensors[-1].name).clipped == pytest.approx(x.clipped)


def test_values_at_the_end_of_a_format_that_holds_them_are_not_clipped() -> None:
    # 1.0 is half a step beyond 127.5 / 128: rounding alone brings it to the end
    _, found = identity(Format(8, 1.0 / 127.5), line())
    assert of(found, "x").clipped == 0.0


def test_a_format_with_a_zero_point() -> None:
    x = line() + 1.0
    _, found = identity(Format(8, 2.0 / 255.0, -128), x)
    seen = of(found, "x")
    assert (seen.low, seen.high, seen.zero_point, seen.q) == (0.0, 2.0, -128, "")
    # power of a uniform value over [0, 2]: 4/3
    expected = 10.0 * math.log10((4.0 / 3.0) / ((2.0 / 255.0) ** 2 / 12.0))
    assert seen.sqnr == pytest.approx(expected, abs=0.15) and seen.clipped == 0.0


def test_noise_of_a_product_is_that_of_both_roundings() -> None:
    # y = x / 2 in the steps of x: half of its error, and one of its own of s^2 / 12 halved by
    # chance of falling on a step; here by exact arithmetic over the integers that x becomes
    step = 2.0**-6
    built, found = identity(Format(8, step), line(), weight=0.5)
    x = line().reshape(-1).astype(float)
    q = np.rint(x / step)
    # halves of one rounding go away from zero
    y = step * np.sign(q) * np.floor(np.abs(q) / 2.0 + 0.5)
    expected = 10.0 * math.log10(np.sum((x / 2.0) ** 2) / np.sum((y - x / 2.0) ** 2))
    assert of(found, built.program.output).sqnr == pytest.approx(expected, abs=0.2)


def network(cell: str) -> Stack:
    if cell == "lem":
        return Stack((LEM(3, 6), Dense(6, 4)))
    return Stack((LMU(3, 6, 4, 8.0, 2, activation="relu"), Dense(6, 4)))


def built_from(cell: str, scheme: Scheme, steps: int = 20) -> tuple[Graph, Built, np.ndarray]:
    stack = network(cell)
    rng = np.random.default_rng(5)
    params = {n: np.asarray(a) + 0.0 for n, a in stack.init(rng).items()}
    x = rng.normal(size=(3, steps, 3)).astype(np.float32)
    graph = trace(stack, params)
    return graph, build(graph, scheme, x), x


@pytest.mark.parametrize("cell", ["lmu", "lem"])
@pytest.mark.parametrize("activations", ["int8", "int16"])
def test_every_tensor_is_beside_what_it_stands_for(cell: str, activations: str) -> None:
    _, built, x = built_from(cell, Scheme(activations))
    found = report(built, x)
    assert [tensor.name for tensor in found.tensors] == list(built.program.tensors)
    # a tensor beside another value than its own would be no better than noise: 0 dB
    assert min(tensor.sqnr for tensor in found.tensors) > 12.0
    for tensor in found.tensors:
        home = tensor.name.rpartition(":")[0]
        if home in built.program.tensors and tensor.name.endswith((":8", ":16")):
            same = of(found, home)
            assert (tensor.low, tensor.high) == (same.low, same.high)


def test_both_networks_run_on_their_own_states() -> None:
    _, built, x = built_from("lmu", Scheme(weights=4), 40)
    found = report(built, x)
    program, ops = built.program, IntegerOps(built.program)
    state = next(iter(program.states))
    form = program.tensors[state].form
    floats, integers = built.graph.zero_state((3,)), program.zero_state((3,))
    exact, held = [], []
    for _ in range(2):
        for t in range(40):
            exact.append(floats[state])
            held.append(float(form.scale) * integers[state].astype(float))
            _, floats = built.graph.scan(x[:, t : t + 1].astype(float), floats)
            integers, _ = ops.step(integers, ops.quantize(x[:, t]))
        # handed on in a circle
        floats = {name: np.roll(value, 1, axis=0) for name, value in floats.items()}
        integers = {name: np.roll(value, 1, axis=0) for name, value in integers.items()}
    signal, error = np.stack(exact), np.stack(exact) - np.stack(held)
    seen = of(found, state)
    assert (seen.low, seen.high) == pytest.approx((signal.min(), signal.max()))
    assert seen.sqnr == pytest.approx(10.0 * np.log10(np.sum(signal**2) / np.sum(error**2)))


def test_rounding_of_a_matrix_by_hand() -> None:
    _, built, x = built_from("lmu", Scheme(layers={"0.lmu.W_m": 4}))
    found = {weight.source: weight for weight in report(built, x).weights}
    assert set(found) == {"0.lmu.e_x", "0.lmu.W_m", "1.dense.W", ""}
    step = next(step for step in built.steps if step.source == "0.lmu.W_m")
    W = np.asarray(step.weight)
    scale = np.abs(W).max(axis=1, keepdims=True) / 7.0
    noise = W - scale * np.rint(W / scale)
    expected = 10.0 * math.log10(np.sum(W**2) / np.sum(noise**2))
    weight = found["0.lmu.W_m"]
    assert weight.sqnr == pytest.approx(expected, abs=0.01)
    assert (weight.bits, weight.rows, weight.columns, weight.size) == (4, 6, 8, 6 * 4)
    assert weight.scale_low == pytest.approx(scale.min(), rel=1e-6)
    assert weight.scale_high == pytest.approx(scale.max(), rel=1e-6)
    assert found["1.dense.W"].bits == 8 and found["1.dense.W"].sqnr > weight.sqnr + 15.0


def test_json_has_numbers_or_null() -> None:
    _, built, x = built_from("lem", Scheme())
    found = report(built, x)
    silent = replace(found.tensors[0], sqnr=math.inf)
    text = json.dumps(replace(found, tensors=(silent,)).to_dict(), allow_nan=False)
    values = json.loads(text)
    assert values["tensors"][0]["sqnr"] is None
    assert values["tensors"][0]["shape"] == [3] and values["tensors"][0]["q"] == silent.q
    assert values["macs"] == built.program.macs() and (values["sequences"], values["steps"]) == (
        3,
        20,
    )


@pytest.mark.parametrize(
    ("form", "text"),
    [
        (Format(8, 2.0**-7), "Q0.7"),
        (Format(16, 2.0**-12), "Q3.12"),
        (Format(16, 2.0**-15), "Q0.15"),
        (Format(8, 1.0), "Q7.0"),
        (Format(8, 2.0), "Q8.-1"),
        (Format(8, 0.3), ""),
    ],
)
def test_q_notation(form: Format, text: str) -> None:
    assert q_notation(form) == text


def test_ratio_of_powers() -> None:
    assert ratio(100.0, 1.0) == pytest.approx(20.0)
    assert ratio(1.0, 0.0) == math.inf and ratio(0.0, 0.0) == math.inf
    assert ratio(0.0, 1.0) == -math.inf
