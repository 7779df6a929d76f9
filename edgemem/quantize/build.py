"""A graph to its integer program: passes, ranges, formats, integers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edgemem.errors import ToleranceError, UnsupportedOpError
from edgemem.ir import INPUT, Graph
from edgemem.ir.passes import balance, fold, residual
from edgemem.ops import Array
from edgemem.quantize import multipliers
from edgemem.quantize.calibration import observe
from edgemem.quantize.curves import argument_multiplier
from edgemem.quantize.formats import Format, affine, per_row, shift_between, symmetric
from edgemem.quantize.forms import choose_basis, with_halves
from edgemem.quantize.plan import Plan, plan
from edgemem.quantize.program import Integers, Operation, Program, Shape, Tensor
from edgemem.quantize.scheme import Scheme
from edgemem.quantize.stability import check_memories
from edgemem.quantize.steps import Step, steps

Features = NDArray[np.float32]

BIAS_LIMIT = 2.0**30
"""Weights get scales that keep biases below this."""

ACCUMULATOR_LIMIT = 2**31
"""What the sum of a product must stay below."""


@dataclass(frozen=True)
class Built:
    """An integer program and what it was made from.

    Parameters
    ----------
    program : Program
    graph : Graph
        The float network after every pass: what the program rounds.
    exact : Graph
        The same before any matrix was held in rounded halves.
    bases : mapping of (order, order) array
        For each memory that is held in another basis, by the name of its new state, ``T``: the
        trained network's ``m`` is ``T`` times what is held, apart from units.
    steps : tuple of Step
    plan : Plan
    """

    program: Program
    graph: Graph
    exact: Graph
    bases: Mapping[str, Array]
    steps: tuple[Step, ...]
    plan: Plan


def build(graph: Graph, scheme: Scheme, calibration: Features) -> Built:
    """The integer program of ``graph``.

    Parameters
    ----------
    graph : Graph
        One step of a network, as traced.
    scheme : Scheme
    calibration : (n, t, n_in) float32 array
        Sequences along which ranges are measured; not read where the scheme holds a plan.

    Raises
    ------
    ConfigError
        If the calibration sequences cannot be used.
    ToleranceError
        If a rounded memory would grow, or an accumulator could overflow.
    UnsupportedOpError
        If the graph has an op that has no integer form here.
    """
    graph, bases = choose_basis(prepared(graph))
    if scheme.plan is None:
        graph = balance(graph, {n: o.peaks for n, o in observe(graph, calibration).items()})
    exact, graph = graph, with_halves(graph)
    listed = steps(graph)
    check_memories(graph, listed)
    formats = scheme.plan
    if formats is None:
        formats = plan(graph, listed, observe(graph, calibration), scheme.activations)
    program = _Builder(graph, listed, formats, scheme).program()
    return Built(program, graph, exact, bases, listed, formats)


def rebuild(built: Built, scheme: Scheme) -> Built:
    """The same network with other bits of weights: the formats of values do not depend on them.

    Parameters
    ----------
    built : Built
    scheme : Scheme
        As the one it was built with, apart from ``weights`` and ``layers``.
    """
    made = _Builder(built.graph, built.steps, built.plan, scheme)
    return replace(built, program=made.program())


def prepared(graph: Graph) -> Graph:
    """``graph`` after the passes that need no calibration."""
    return residual(fold(graph))


def _joint_peaks(listed: Sequence[Step]) -> dict[tuple[tuple[str, ...], int], Array]:
    """Largest weight of each row over all products of the same input and size, as gates are."""
    peaks: dict[tuple[tuple[str, ...], int], Array] = {}
    for step in listed:
        if step.weight is not None and not step.fixed:
            rows = np.abs(step.weight).max(axis=1)
            key = (step.inputs, len(rows))
            peaks[key] = np.maximum(peaks.get(key, rows), rows)
    return peaks


class _Builder:
    def __init__(self, graph: Graph, listed: Sequence[Step], formats: Plan, scheme: Scheme) -> None:
        self._graph = graph
        self._steps = listed
        self._plan = formats
        self._scheme = scheme
        self._peaks = _joint_peaks(listed)
        self._tensors: dict[str, Tensor] = {}
        self._operations: list[Operation] = []
        self._arrays: dict[str, Integers] = {}
        self._constants: dict[str, Integers] = {}
        self._weight_forms: dict[str, Format] = {}
        self._values: dict[tuple[str, int], str] = {}

    def program(self) -> Program:
        graph = self._graph
        for name, shape in {INPUT: (graph.n_in,), **graph.states}.items():
            form = self._plan.home[name]
            self._tensors[name] = Tensor(shape, form)
            self._values[name, form.bits] = name
        for step in self._steps:
            self._lower(step)
        after = {s: self._held(s, self._wide(n)) for s, n in graph.next_states.items()}
        output = self._value(graph.output, self._plan.home[graph.output].bits)
        return Program(
            tensors=self._tensors,
            operations=tuple(self._operations),
            arrays=self._arrays,
            constants=self._constants,
            weights=self._weight_forms,
            states=after,
            input=INPUT,
            output=output,
        )

    def _held(self, state: str, tensor: str) -> str:
        if self._tensors[tensor].form.scale != self._tensors[state].form.scale:
            raise UnsupportedOpError(f"state {state!r} would leave a step in another format")
        return tensor

    def _emit(
        self,
        kind: str,
        name: str,
        shape: Shape,
        form: Format,
        inputs: tuple[str, ...],
        attrs: Mapping[str, int] | None = None,
        arrays: Mapping[str, str] | None = None,
    ) -> str:
        self._tensors[name] = Tensor(shape, form)
        self._operations.append(Operation(kind, name, inputs, attrs or {}, arrays or {}))
        return name

    def _form(self, tensor: str) -> Format:
        return self._tensors[tensor].form

    # values in the width in which a step wants them

    def _value(self, name: str, bits: int) -> str:
        return self._wide(name) if bits == 16 else self._narrow(name)

    def _narrow(self, name: str) -> str:
        if (name, 8) not in self._values:
            wide = self._values[name, 16]
            before, form = self._form(wide), self._plan.narrow[name]
            kind, attrs = "rescale", multipliers.of_rescale(before, form)
            shift = shift_between(before, form)
            if shift is not None:
                kind, attrs = "narrow", {"shift": shift}
            shape = self._tensors[wide].shape
            self._values[name, 8] = self._emit(kind, f"{name}:8", shape, form, (wide,), attrs)
        return self._values[name, 8]

    def _wide(self, name: str) -> str:
        if (name, 16) not in self._values:
            narrow = self._values[name, 8]
            form = self._form(narrow)
            if form.zero_point:
                raise UnsupportedOpError(f"{name!r} cannot be widened: its zero point is not 0")
            # the integers stay, so that the scale does
            wide = Format(16, form.scale)
            shape = self._tensors[narrow].shape
            self._values[name, 16] = self._emit("widen", f"{name}:16", shape, wide, (narrow,))
        return self._values[name, 16]

    def _operand(self, name: str, bits: int) -> str:
        if name not in self._graph.params:
            return self._value(name, bits)
        if (name, bits) not in self._values:
            array = self._graph.params[name]
            form = symmetric(float(np.abs(array).max()), 16)
            if bits == 8:
                form = affine(float(array.min()), float(array.max()))
            self._values[name, bits] = self._constant(f"{name}:{bits}", array, form)
        return self._values[name, bits]

    def _constant(self, name: str, array: Array, form: Format) -> str:
        self._tensors[name] = Tensor(tuple(array.shape), form)
        self._constants[name] = form.quantize(array)
        return name

    # steps

    def _lower(self, step: Step) -> None:
        lowerings = {
            "matvec": self._product,
            "join": self._join,
            "add": self._elementwise,
            "sub": self._elementwise,
            "mul": self._elementwise,
            "scale": self._scale,
            "sigmoid": self._curve,
            "tanh": self._curve,
            "relu": self._relu,
            "split": self._reshape,
            "merge": self._reshape,
            "slice": self._slice,
        }
        self._values[step.name, self._plan.home[step.name].bits] = lowerings[step.op](step)

    def _product(self, step: Step) -> str:
        bits = self._plan.home[step.name].bits
        return self._matrix(step, self._value(step.inputs[0], bits))

    def _join(self, step: Step) -> str:
        first, second = (self._wide(name) for name in step.inputs)
        form = self._form(first)
        if self._form(second).scale != form.scale:
            attrs = multipliers.of_rescale(self._form(second), form)
            shape = self._tensors[second].shape
            name = f"{step.name}:drive"
            second = self._emit("rescale", name, shape, form, (second,), attrs)
        a, b = self._tensors[first].shape, self._tensors[second].shape
        shape = (*a[:-1], a[-1] + b[-1])
        joined = self._emit("concat", f"{step.name}:joined", shape, form, (first, second))
        return self._matrix(step, joined)

    def _matrix(self, step: Step, x: str) -> str:
        """``W x + b`` over the bits of ``x``."""
        before, form = self._form(x), self._plan.home[step.name]
        weight, w_form = self._weights(step, before)
        multiplier, shift = multipliers.of_product(before, w_form, form)
        arrays = {"weight": weight, "multiplier": multiplier, "shift": shift}
        if step.bias is not None or form.bits == 8:
            bias = np.zeros(len(weight)) if step.bias is None else step.bias
            steps_of = float(before.scale) * np.asarray(w_form.scale)
            arrays["bias"] = Format(32, steps_of).quantize(bias)
        _check_accumulator(step.name, before, arrays)
        names = {role: f"{step.name}.{role}" for role in arrays}
        for role, array in arrays.items():
            self._arrays[names[role]] = array
        self._weight_forms[names["weight"]] = w_form
        kind = "product" if form.bits == 8 else "wide_product"
        return self._emit(kind, step.name, step.shape, form, (x,), {"relu": int(step.relu)}, names)

    def _weights(self, step: Step, x: Format) -> tuple[Integers, Format]:
        matrix = np.asarray(step.weight)
        bits = 8 if step.fixed else self._scheme.bits_of(step.source)
        bias = np.zeros(len(matrix)) if step.bias is None else step.bias
        # neither the bias nor the sum of a product of 16 bits may fill the accumulator
        floor = np.abs(bias) / (float(x.scale) * BIAS_LIMIT)
        if x.bits == 16:
            floor = np.maximum(floor, np.abs(matrix).sum(axis=1) * (-x.lowest / BIAS_LIMIT))
        if bits == 8 and self._scheme.plan is None and not step.fixed:
            # one list of scales for all gates is written once: 7 kB of 216 in a LEM of
            # 185,000 weights
            floor = np.maximum(floor, self._peaks[step.inputs, len(matrix)] / 127.0)
        form = per_row(matrix, bits, floor)
        return form.quantize(matrix), form

    def _elementwise(self, step: Step) -> str:
        form = self._plan.home[step.name]
        inputs = tuple(self._operand(name, form.bits) for name in step.inputs)
        a, b = (self._form(name) for name in inputs)
        derive = multipliers.of_mul if step.op == "mul" else multipliers.of_sum
        attrs = {**derive(a, b, form), "relu": int(step.relu)}
        return self._emit(step.op, step.name, step.shape, form, inputs, attrs)

    def _scale(self, step: Step) -> str:
        form = self._plan.home[step.name]
        x = self._value(step.inputs[0], form.bits)
        factor = np.array([step.args[0]])
        constant = self._constant(
            f"{step.name}:factor", factor, symmetric(abs(float(factor[0])), form.bits)
        )
        attrs = multipliers.of_mul(self._form(x), self._form(constant), form)
        return self._emit("mul", step.name, step.shape, form, (x, constant), attrs)

    def _curve(self, step: Step) -> str:
        x = self._wide(step.inputs[0])
        multiplier, shift = argument_multiplier(float(self._form(x).scale))
        attrs = {"multiplier": multiplier, "shift": shift}
        return self._emit(step.op, step.name, step.shape, self._plan.home[step.name], (x,), attrs)

    def _relu(self, step: Step) -> str:
        form = self._plan.home[step.name]
        x = self._value(step.inputs[0], form.bits)
        attrs = multipliers.of_rescale(self._form(x), form)
        return self._emit("relu", step.name, step.shape, form, (x,), attrs)

    def _reshape(self, step: Step) -> str:
        form = self._plan.home[step.name]
        x = self._value(step.inputs[0], form.bits)
        return self._emit("reshape", step.name, step.shape, form, (x,))

    def _slice(self, step: Step) -> str:
        form = self._plan.home[step.name]
        x = self._value(step.inputs[0], form.bits)
        start, stop = (int(arg) for arg in step.args)
        return self._emit(
            "slice", step.name, step.shape, form, (x,), {"start": start, "stop": stop}
        )


def _check_accumulator(name: str, x: Format, arrays: Mapping[str, Integers]) -> None:
    """Refuse a product whose sum could leave its accumulator for some input of its format."""
    reach = max(x.highest - x.zero_point, x.zero_point - x.lowest)
    sums = np.abs(arrays["weight"].astype(np.int64)).sum(axis=1) * reach
    if "bias" in arrays:
        sums = sums + np.abs(arrays["bias"].astype(np.float64))
    if not np.all(sums < ACCUMULATOR_LIMIT):
        raise ToleranceError(
            f"{name!r}: the sum of its product could reach {float(sums.max()):.3g}, and its "
            f"accumulator ends at {ACCUMULATOR_LIMIT:.3g}; train it with smaller weights or biases"
        )
