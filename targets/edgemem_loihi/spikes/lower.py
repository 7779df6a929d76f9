"""A network's graph as a design of coded values."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edgemem.errors import UnsupportedOpError
from edgemem.ir import INPUT, Graph
from edgemem.ir.affine import Affine, AffineGraph, affine
from edgemem.ops import Array
from edgemem.quantize.calibration import Observed, observe
from edgemem_loihi.spikes import code
from edgemem_loihi.spikes.assemble import KEPT
from edgemem_loihi.spikes.code import Code
from edgemem_loihi.spikes.design import Design, Relay, Span, Value
from edgemem_loihi.spikes.lowered import OUTPUT, WRITTEN, Frames, Lowered
from edgemem_loihi.spikes.memory import in_window

GUARD = 4
"""Steps between two windows, in which values settle."""

INPUT_LEVELS = 4
"""Least lines for either sign of an input: they take no compartments."""

OUTPUT_LEVELS = 4
"""Times as many levels for outputs, of which there are few."""

_STATE_MARGIN = 1.0
_VALUE_MARGIN = 1.1
"""Reach over the greatest magnitude of the calibration. What rounding leaves of states is most of
the error, so that theirs is narrow; the chip's register has room for twice as much."""

_MOST_LEVELS = 15
"""A core has 16 thresholds, one of which is the ring's."""

_NEGLIGIBLE = 1e-9
"""Matrices this small are what is left of a difference that is zero."""


def lower(graph: Graph, calibration: NDArray[np.float32], levels: int, window: int) -> Lowered:
    """Coded values for the input, the states, the functions and the output of ``graph``.

    A frame takes a window for each layer of memories, and one for the output. Values are computed
    all the time; a memory takes in what it reads, itself included, in its own window only, when
    what comes before has settled, and holds still while others read it.

    Parameters
    ----------
    graph : Graph
    calibration : (n, t, n_in) float32 array
        Along which reaches are measured.
    levels : int
        Comparators of a value of either sign, in the mean; of a rectifier, all.
    window : int
        Steps of a window and of the dither's period, a power of two.

    Raises
    ------
    UnsupportedOpError
        If two values are multiplied, a hidden value comes back in the next frame, or a memory
        cannot be cut into so many steps.
    """
    found = affine(graph)
    seen = observe(graph, calibration)
    layers = _layers(found)
    last = _start(max(layers.values(), default=-1) + 1, window)
    steps = -(-(last + window) // window) * window
    frames = Frames(steps, _late(_open(0, window)), (steps - window, steps))
    fine = np.full(graph.n_in, max(INPUT_LEVELS, levels // 2))
    lines = code.uniform(_reach(seen[INPUT], 1.0), fine)
    values: dict[str, Value] = {}
    relays: dict[str, Relay] = {}
    for name, after in found.states.items():
        coded = _state_code(seen[name], levels)
        opened = _open(layers[name], window)
        values[name] = _memory(name, after, coded, opened, steps)
        for source in values[name].drives:
            if source != WRITTEN:
                relays[source] = Relay(_source(source), opened)
    for name, (op, argument) in found.functions.items():
        drives, bias = _settled(argument, found)
        values[name] = Value(drives, bias, _function_code(op, seen[name], levels))
    drives, bias = _settled(found.output, found)
    reach = _reach(seen[graph.output], _VALUE_MARGIN)
    fine = np.full(len(reach), min(_MOST_LEVELS, max(1, OUTPUT_LEVELS * levels // 2)))
    values[OUTPUT] = Value(drives, bias, code.uniform(reach, fine))
    design = Design({INPUT: lines, WRITTEN: lines}, values, relays, window, steps)
    return Lowered(_with_offsets(design), frames)


def _with_offsets(design: Design) -> Design:
    """What values are without spikes, in the biases of those that read them."""
    codes, values = design.codes, {}
    for name, value in design.values.items():
        bias = value.bias
        for source, matrix in value.drives.items():
            bias = bias + matrix @ codes[source].offset
        values[name] = replace(value, bias=bias)
    return replace(design, values=values)


def _start(layer: int, window: int) -> int:
    return 1 + layer * (window + GUARD)


def _open(layer: int, window: int) -> Span:
    """Steps in which relays to memories of a layer are open."""
    return _start(layer, window), _start(layer, window) + window


def _late(span: Span) -> Span:
    """When what a relay sends arrives."""
    return span[0] + 1, span[1] + 1


def _layers(found: AffineGraph) -> dict[str, int]:
    """For each memory, how many memories the values that it reads have read."""
    layers: dict[str, int] = {}

    def depth(source: str) -> int:
        if source in found.functions:
            return max((depth(s) for s in found.functions[source][1].terms), default=0)
        if source in found.states:
            if source not in layers:
                raise UnsupportedOpError(_returns(source, []))
            return layers[source] + 1
        return 0

    for name, after in found.states.items():
        others = sorted((set(after.terms) & set(found.states)) - {name})
        if name not in after.terms or others:
            raise UnsupportedOpError(_returns(name, others))
        layers[name] = max((depth(s) for s in after.terms if s != name), default=0)
    return layers


def _relayed(source: str, target: str) -> str:
    """Name of the relay of a source to a memory."""
    return f"{source} to {target}"


def _source(relay: str) -> str:
    return relay.partition(" to ")[0]


def _memory(name: str, after: Affine, coded: Code, opened: Span, steps: int) -> Value:
    window = opened[1] - opened[0]
    sources = {s: term for s, term in after.terms.items() if s != name}
    joint = np.concatenate([*sources.values(), after.bias[:, None]], axis=1)
    M, drive = in_window(name, after.terms[name], joint, window, KEPT, steps - window)
    ends = np.cumsum([term.shape[1] for term in sources.values()])
    drives = {_relayed(name, name): M}
    for source, matrix in zip(sources, np.split(drive, ends, axis=1)):
        drives[WRITTEN if source == INPUT else _relayed(source, name)] = matrix
    return Value(drives, drive[:, -1], coded, holds=True, biased=_late(opened))


def _settled(form: Affine, found: AffineGraph) -> tuple[dict[str, Array], Array]:
    """Drives and bias of a sum that reads memories after they were written.

    The graph's sums read a state before the step, ``m_0``; here ``m = A m_0 + G v + b`` stands,
    so that ``T m_0 = T A^-1 (m - G v - b)``.
    """
    drives: dict[str, Array] = {}
    bias = form.bias

    def add(source: str, matrix: Array) -> None:
        drives[source] = drives[source] + matrix if source in drives else matrix

    for source, term in form.terms.items():
        if source not in found.states:
            add(source, term)
            continue
        after = found.states[source]
        by_new = np.linalg.solve(after.terms[source].T, term.T).T
        add(source, by_new)
        bias = bias - by_new @ after.bias
        for other, matrix in after.terms.items():
            if other != source:
                add(other, -by_new @ matrix)
    return {s: m for s, m in drives.items() if np.abs(m).max() > _NEGLIGIBLE}, bias


def _returns(name: str, others: list[str]) -> str:
    what = f"reads the state {others[0]!r}" if others else "is a hidden value that comes back"
    return (
        f"loihi1: the state {name!r} {what} one frame later; spikes on Loihi 1 have no delay of a "
        "frame, and only linear memories are states there (no hidden_to_hidden, hidden_to_memory, "
        "or memories without a function between them); the profile loihi2 runs it"
    )


def _state_code(seen: Observed, levels: int) -> Code:
    reach = _reach(seen, _STATE_MARGIN)
    return code.uniform(reach, np.minimum(code.shared(reach, levels / 2), _MOST_LEVELS))


def _function_code(op: str, seen: Observed, levels: int) -> Code:
    size = int(np.prod(seen.peaks.shape))
    half = min(_MOST_LEVELS, max(1, levels // 2))
    if op == "tanh":
        return code.curve(np.arctanh, size, half, 0.0, 1.0)
    if op == "sigmoid":
        # 1/2 + tanh(a/2)/2
        return code.curve(lambda f: 2.0 * np.arctanh(f), size, half, 0.5, 0.5)
    if op == "relu":
        most = np.full(size, min(levels, _MOST_LEVELS))
        return code.uniform(_reach(seen, _VALUE_MARGIN), most, both_sides=False)
    raise UnsupportedOpError(f"loihi1: no comparators stand for {op}")


def _reach(seen: Observed, margin: float) -> Array:
    peaks = margin * seen.peaks.reshape(-1)
    # an element that never moved has a reach all the same
    return np.asarray(np.maximum(peaks, 1e-3 * float(peaks.max(initial=1e-6))))
