"""Which integers hold each value of a graph.

In the ``int8`` form the large products run in 8 bits and whatever carries on from step to step in
16: every state, every product with a fixed matrix of a cell (the update of a linear memory), and
every elementwise step that meets one of these. In the ``int16`` form all values have 16 bits; the
weights have 8 in both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgemem.errors import ConfigError, UnsupportedOpError
from edgemem.ir import INPUT, Graph
from edgemem.ir.passes.basis import memories
from edgemem.ops import Array, FloatOps
from edgemem.quantize.blends import blend_format, blends
from edgemem.quantize.calibration import Observed, ranges
from edgemem.quantize.formats import Format, affine, shifted, symmetric
from edgemem.quantize.memory import bounds, held
from edgemem.quantize.steps import CURVES, ELEMENTWISE, LAYOUT, SUMS, Step

HEADROOM = 1.25
"""States may go that much further than calibration saw before they saturate."""

CLIP_SAMPLE = 5000
"""About so many values decide where to clip."""

CURVE_FORMATS = {
    "tanh": {8: Format(8, 2.0**-7), 16: Format(16, 2.0**-15)},
    "sigmoid": {8: Format(8, 2.0**-8, -128), 16: Format(16, 2.0**-15)},
}
"""The only formats in which TFLite gives these functions, by op."""


@dataclass(frozen=True)
class Plan:
    """Formats by name.

    Parameters
    ----------
    home : mapping
        The format in which each value is computed.
    narrow : mapping
        The 8-bit format of 16-bit values, where an 8-bit step reads them.
    """

    home: Mapping[str, Format]
    narrow: Mapping[str, Format]

    def to_dict(self) -> dict[str, Any]:
        """Bits, scale and zero point of every format, as JSON values."""
        return {part: _listed(getattr(self, part)) for part in ("home", "narrow")}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Plan:
        """The plan that :meth:`to_dict` described.

        Raises
        ------
        ConfigError
            If the description is damaged.
        """
        try:
            home, narrow = (
                {name: Format(*form) for name, form in values[part].items()}
                for part in ("home", "narrow")
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ConfigError(f"damaged description of formats: {error!r}") from error
        return cls(home, narrow)


def _listed(forms: Mapping[str, Format]) -> dict[str, list[float]]:
    return {n: [form.bits, float(form.scale), form.zero_point] for n, form in forms.items()}


def plan(graph: Graph, steps: Sequence[Step], observed: Mapping[str, Observed], mode: str) -> Plan:
    """Formats for ``"int8"`` or ``"int16"``."""
    if mode == "int16":
        wide = {INPUT, *graph.states, *(step.name for step in steps)}
    elif mode == "int8":
        wide = _wide(graph, steps)
    else:
        raise ConfigError(f"quantize: no integer form named {mode!r}; known: int16, int8")
    return _Planner(graph, steps, observed, wide).plan()


def _wide(graph: Graph, steps: Sequence[Step]) -> set[str]:
    """Names of the 16-bit values: the least set closed under the rules above."""
    after = set(graph.next_states.values())
    wide = set(graph.states)
    size = -1
    while size != len(wide):
        size = len(wide)
        readers = {
            name
            for s in steps
            if s.name in wide and (s.fixed or s.op in ELEMENTWISE | LAYOUT)
            for name in s.inputs
        }
        for step in steps:
            if step.op in CURVES:
                wide.add(step.name)
            elif step.op in ELEMENTWISE:
                met = any(name in wide for name in step.inputs)
                if met or step.name in readers or step.name in after:
                    wide.add(step.name)
            elif step.op == "relu":
                if step.inputs[0] in wide:
                    wide.add(step.name)
            elif step.op in LAYOUT:
                # narrowed before it is cut up or joined, unless a wide step reads it
                if step.inputs[0] in wide and step.name in readers | after:
                    wide.add(step.name)
            elif step.fixed:
                wide.add(step.name)
    return wide


class _Planner:
    def __init__(
        self,
        graph: Graph,
        steps: Sequence[Step],
        observed: Mapping[str, Observed],
        wide: set[str],
    ) -> None:
        self._graph = graph
        self._steps = steps
        self._observed = ranges(graph, observed)
        self._wide = wide
        self._curve_of = {s.inputs[0]: s.op for s in steps if s.op in CURVES}
        self._widened = self._names_widened()
        self._memory_form = self._memory_formats()
        self._blended = blends(graph)

    def plan(self) -> Plan:
        home = {INPUT: self._format(INPUT, None)}
        for state, after in self._graph.next_states.items():
            home[state] = Format(16, self._state_scale(state, after))
        for step in self._steps:
            home[step.name] = self._step_format(step, home)
        for state, after in self._graph.next_states.items():
            # equal formats, so that the bytes are carried over as they are
            home[state] = Format(16, home[after].scale)
        narrow = {n: self._shifted(n) for n, form in home.items() if form.bits == 16}
        return Plan(home, narrow)

    def _step_format(self, step: Step, home: Mapping[str, Format]) -> Format:
        if step.name in self._memory_form:
            return self._memory_form[step.name]
        if step.op in LAYOUT:
            source = step.inputs[0]
            same = (source in self._wide) == (step.name in self._wide)
            return home[source] if same else self._shifted(source)
        if step.name in self._graph.next_states.values() and step.op not in CURVES:
            state = next(s for s, n in self._graph.next_states.items() if n == step.name)
            if step.name in self._wide:
                return home[state]
        return self._format(step.name, step)

    def _format(self, name: str, step: Step | None) -> Format:
        bits = 16 if name in self._wide else 8
        if step is not None and step.op in CURVES:
            if step.op not in CURVE_FORMATS:
                raise UnsupportedOpError(f"{name!r}: no integer format for the curve {step.op!r}")
            return CURVE_FORMATS[step.op][bits]
        seen = self._observed[name]
        if bits == 8:
            return self._narrow(name)
        if name in self._curve_of:
            # a power of two would send TFLite into its slow path for these functions
            return symmetric(_reach(seen, self._curve_of[name], 16) * 1.001, 16)
        return symmetric(seen.magnitude, 16, power_of_two=True)

    def _shifted(self, name: str) -> Format:
        """The 8-bit format of a 16-bit value: a power of two, so that narrowing is a shift."""
        seen = self._observed[name]
        return shifted(seen.low, seen.high)

    def _narrow(self, name: str) -> Format:
        seen = self._observed[name]
        if name in self._curve_of:
            return symmetric(_reach(seen, self._curve_of[name], 8), 8)
        if name in self._widened:
            return symmetric(seen.magnitude, 8)
        return affine(seen.low, seen.high)

    def _names_widened(self) -> set[str]:
        """8-bit values that a 16-bit step reads: their zero point must be 0."""
        found: set[str] = set()
        layout = {s.name: s.inputs[0] for s in self._steps if s.op in LAYOUT}
        for step in self._steps:
            if step.name in self._wide:
                found.update(step.inputs)
        found.update(self._graph.next_states.values())
        for name in list(found):
            while name in layout:
                name = layout[name]
                found.add(name)
        return found - self._wide

    def _memory_formats(self) -> dict[str, Format]:
        """Formats of linear memories, and of what is added to them: the same in each.

        No input within the format of ``u`` can make one overflow.
        """
        found: dict[str, Format] = {}
        for memory in memories(self._graph):
            drive = self._format_of_drive(memory.input)
            reach = float(drive.scale) * max(drive.highest, -drive.lowest)
            change = held(self._graph, memory)
            order = len(change)
            A, B = np.eye(order) + change[:, :order], change[:, order:]
            form = bounds(A, B, reach).state_format(len(memory.own))
            names = {memory.state, memory.after}
            for step in self._steps:
                joined = step.op == "join" and step.inputs[0] == memory.state
                if joined or (step.op == "add" and names.issuperset(step.inputs)):
                    names.add(step.name)
            found.update(dict.fromkeys(names, form))
        return found

    def _format_of_drive(self, name: str) -> Format:
        listed = {step.name: step for step in self._steps}
        while name in listed and listed[name].op in LAYOUT:
            name = listed[name].inputs[0]
        return self._format(name, listed.get(name))

    def _state_scale(self, state: str, after: str) -> float:
        """Covers the state and what is added to it, so that adding is a shift."""
        if state in self._memory_form:
            return float(self._memory_form[state].scale)
        if state in self._blended:
            return float(blend_format(self._blended[state]).scale)
        names = {state, after}
        for step in self._steps:
            if step.name == after and step.op in SUMS:
                names.update(n for n in step.inputs if n in self._observed)
            if step.op == "join" and step.inputs[0] == state:
                names.add(step.inputs[1])
        magnitude = max(self._observed[name].magnitude for name in names)
        return float(symmetric(magnitude * HEADROOM, 16, power_of_two=True).scale)


def _reach(seen: Observed, curve: str, bits: int) -> float:
    """How far a curve's argument is followed before it is clipped.

    The one among some candidates with the least squared error behind the curve.
    """
    sample = _some(seen)
    exact = _curve(curve, sample)
    candidates = seen.magnitude * np.linspace(0.2, 1.0, 33)

    def error(reach: float) -> float:
        form = symmetric(reach, bits)
        return float(np.mean((_curve(curve, form.dequantize(form.quantize(sample))) - exact) ** 2))

    return float(min(candidates, key=error))


def _some(seen: Observed) -> Array:
    # every so many, because the values stand in order of time
    every = max(1, len(seen.sample) // CLIP_SAMPLE)
    return seen.sample[::every].astype(np.float64)


def _curve(name: str, x: Array) -> Array:
    return np.asarray(getattr(FloatOps(), name)(x), np.float64)
