"""What integers do to each value and each matrix of a network: ranges, formats, noise, clipping."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemem.ir import INPUT
from edgemem.ops import Array, FloatOps
from edgemem.quantize.build import Built
from edgemem.quantize.calibration import PASSES
from edgemem.quantize.formats import Format
from edgemem.quantize.integer import IntegerOps
from edgemem.quantize.multipliers import is_power_of_two
from edgemem.quantize.program import Integers, Operation, Program
from edgemem.quantize.size import packed_bytes, parameter_bytes
from edgemem.quantize.steps import Step


@dataclass(frozen=True)
class TensorReport:
    """One value of the integer program.

    Parameters
    ----------
    name : str
    kind : str
        ``"input"``, ``"state"``, or the kind of the operation that computes it.
    shape : tuple of int
    low, high : float
        Least and greatest value that the float network took on.
    bits : int
    scale : float
    zero_point : int
    sqnr : float
        Power of the float network's value over that of the integers' error, in dB; both networks
        run freely, so that the error of everything before it is in it. Infinite without an error.
    clipped : float
        Share of the values that stood at an end of the format while the float network was beyond.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    low: float
    high: float
    bits: int
    scale: float
    zero_point: int
    sqnr: float
    clipped: float

    @property
    def format(self) -> Format:
        """How it is held."""
        return Format(self.bits, self.scale, self.zero_point)

    @property
    def q(self) -> str:
        """``Qm.n``: m bits in front of the binary point, the sign apart, and n behind it.

        Empty where the scale is no power of two.
        """
        return q_notation(self.format)

    def to_dict(self) -> dict[str, Any]:
        """The fields, as JSON values; an infinite ratio is null."""
        return {**asdict(self), "shape": list(self.shape), "q": self.q, "sqnr": finite(self.sqnr)}


@dataclass(frozen=True)
class WeightReport:
    """One matrix of the integer program.

    Parameters
    ----------
    name : str
        Name of the product.
    source : str
        Name of the trained array that it was made from; empty for the fixed matrix of a memory.
    rows, columns : int
    bits : int
    size : int
        Bytes, packed.
    sqnr : float
        Power of the weights over that of their rounding, in dB.
    scale_low, scale_high : float
        Least and greatest scale of a row.
    """

    name: str
    source: str
    rows: int
    columns: int
    bits: int
    size: int
    sqnr: float
    scale_low: float
    scale_high: float

    def to_dict(self) -> dict[str, Any]:
        """The fields, as JSON values; an infinite ratio is null."""
        return {**asdict(self), "sqnr": finite(self.sqnr)}


@dataclass(frozen=True)
class FormatReport:
    """Every value and every matrix of an integer program.

    Parameters
    ----------
    tensors : tuple of TensorReport
        In order of computation.
    weights : tuple of WeightReport
    size : int
        Bytes of all parameters (:func:`~edgemem.quantize.size.parameter_bytes`).
    macs : int
        Multiply-accumulates of a step.
    sequences, steps : int
        Sequences along which it was measured, and the steps of each.
    """

    tensors: tuple[TensorReport, ...]
    weights: tuple[WeightReport, ...]
    size: int
    macs: int
    sequences: int
    steps: int

    def to_dict(self) -> dict[str, Any]:
        """The fields, as JSON values."""
        return {
            **{name: getattr(self, name) for name in ("size", "macs", "sequences", "steps")},
            "tensors": [tensor.to_dict() for tensor in self.tensors],
            "weights": [weight.to_dict() for weight in self.weights],
        }


def report(built: Built, sequences: NDArray[np.float32]) -> FormatReport:
    """Run the float network and its integers side by side, each on its own states.

    As :func:`~edgemem.quantize.calibration.observe` does, all sequences twice: the second time
    from states that the first one left.

    Parameters
    ----------
    built : Built
    sequences : (n, t, n_in) float32 array
    """
    program = built.program
    records = {name: _Record(tensor.form) for name, tensor in program.tensors.items()}
    _run(built, sequences, records)
    makers = {op.output: op.kind for op in program.operations}
    makers.update(dict.fromkeys(program.states, "state"), **{program.input: "input"})
    makers.update(dict.fromkeys(program.constants, "constant"))
    tensors = tuple(
        records[name].finished(name, makers[name], tensor.shape)
        for name, tensor in program.tensors.items()
    )
    weights = tuple(
        _weight_report(step, program) for step in built.steps if step.weight is not None
    )
    n, steps = sequences.shape[:2]
    return FormatReport(tensors, weights, parameter_bytes(program), program.macs(), n, steps)


def ratio(signal: float, noise: float) -> float:
    """``10 log10(signal / noise)`` of two powers, in dB."""
    if noise == 0.0:
        return math.inf
    return 10.0 * math.log10(signal / noise) if signal > 0.0 else -math.inf


def q_notation(form: Format) -> str:
    """``Qm.n`` of a format whose scale is ``2^-n``; empty for others."""
    if not is_power_of_two(form):
        return ""
    fraction = 1 - math.frexp(float(form.scale))[1]
    return f"Q{form.bits - 1 - fraction}.{fraction}"


def finite(value: float) -> float | None:
    """``value``, or None where JSON has no number for it."""
    return value if math.isfinite(value) else None


def _run(built: Built, sequences: NDArray[np.float32], records: Mapping[str, _Record]) -> None:
    graph, program, ops = built.graph, built.program, IntegerOps(built.program)
    n = len(sequences)
    floats, integers = graph.zero_state((n,)), program.zero_state((n,))
    constants = _constants(program, graph.params)
    for _ in range(PASSES):
        for t in range(sequences.shape[1]):
            x = sequences[:, t]
            exact = graph.run(FloatOps(), graph.params, floats, x.astype(np.float64))
            integers, found = ops.step(integers, ops.quantize(x))
            exact = {**constants, **exact, program.input: exact[INPUT]}
            for op in program.operations:
                exact[op.output] = _meaning(op, exact)
            for name, record in records.items():
                record.add(exact[name], found[name])
            floats = {state: exact[after] for state, after in graph.next_states.items()}
        # every sequence goes on from the state that another one left
        floats = {state: np.roll(value, 1, axis=0) for state, value in floats.items()}
        integers = {state: np.roll(value, 1, axis=0) for state, value in integers.items()}


def _meaning(op: Operation, exact: Mapping[str, Array]) -> Array:
    """What a tensor stands for: a value of the graph, or one of them in another format."""
    if op.output in exact:
        return exact[op.output]
    if op.kind == "concat":
        return np.concatenate([exact[name] for name in op.inputs], axis=-1)
    return exact[op.inputs[0]]


def _constants(program: Program, params: Mapping[str, Array]) -> dict[str, Array]:
    """The reals of constant tensors: arrays of the graph under a name with their width."""
    return {
        name: params.get(name.rpartition(":")[0], program.tensors[name].form.dequantize(held))
        for name, held in program.constants.items()
    }


class _Record:
    """Sums over everything that one tensor was."""

    def __init__(self, form: Format) -> None:
        self._form = form
        self._low, self._high = math.inf, -math.inf
        self._signal = self._noise = 0.0
        self._clipped = self._count = 0
        # rounding alone brings half a step more to the ends
        self._beyond = float(form.scale) * (
            np.array([form.lowest - 0.5, form.highest + 0.5]) - form.zero_point
        )

    def add(self, exact: Array, found: Integers) -> None:
        self._low = min(self._low, float(exact.min()))
        self._high = max(self._high, float(exact.max()))
        self._signal += float(np.square(exact).sum())
        self._noise += float(np.square(exact - self._form.dequantize(found)).sum())
        under = (found == self._form.lowest) & (exact < self._beyond[0])
        over = (found == self._form.highest) & (exact > self._beyond[1])
        self._clipped += int(np.count_nonzero(under | over))
        self._count += found.size

    def finished(self, name: str, kind: str, shape: tuple[int, ...]) -> TensorReport:
        return TensorReport(
            name=name,
            kind=kind,
            shape=shape,
            low=self._low,
            high=self._high,
            bits=self._form.bits,
            scale=float(self._form.scale),
            zero_point=self._form.zero_point,
            sqnr=ratio(self._signal, self._noise),
            clipped=self._clipped / self._count,
        )


def _weight_report(step: Step, program: Program) -> WeightReport:
    op = next(op for op in program.operations if op.output == step.name)
    held, form = program.arrays[op.arrays["weight"]], program.weights[op.arrays["weight"]]
    matrix = np.asarray(step.weight)
    noise = matrix - form.dequantize(held)
    return WeightReport(
        name=step.name,
        source="" if step.fixed else step.source,
        rows=len(matrix),
        columns=matrix.shape[1],
        bits=form.bits,
        size=packed_bytes(held.shape, form.bits),
        sqnr=ratio(float(np.square(matrix).sum()), float(np.square(noise).sum())),
        scale_low=float(np.min(form.scale)),
        scale_high=float(np.max(form.scale)),
    )
