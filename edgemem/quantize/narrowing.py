"""A network as the problem of a search: what each assignment of widths does to its decisions."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from edgemem.errors import ConfigError
from edgemem.ir import Graph
from edgemem.ops import Array
from edgemem.quantize.build import build, rebuild
from edgemem.quantize.integer import IntegerOps
from edgemem.quantize.program import Program
from edgemem.quantize.scheme import Scheme
from edgemem.quantize.size import packed_bytes, parameter_bytes
from edgemem.quantize.trials import CHOICES, Measure, Widths
from edgemem.runtime.detector import pooled

PROBES = 240
"""About so many clips show what one matrix costs."""

BLOCK = 256
"""So many clips run side by side: their values stay in the cache."""

Features = NDArray[np.float32]


class Narrowing:
    """The trained matrices of a network, to be narrowed.

    Parameters
    ----------
    graph : Graph
    scheme : Scheme
        Everything but the bits of weights.
    calibration : (n, t, n_in) float32 array
    clips : (k, t, n_in) float32 array
    labels : (k,) int array
        Of the clips.
    window : int
        Number of newest logits that decide a clip.

    Raises
    ------
    ConfigError
        If there are no clips with labels, or no trained matrices.
    """

    def __init__(
        self,
        graph: Graph,
        scheme: Scheme,
        calibration: Features,
        clips: Features,
        labels: NDArray[np.int64],
        window: int,
    ) -> None:
        if not len(clips) or len(clips) != len(labels):
            raise ConfigError(
                f"{len(clips)} clips with {len(labels)} labels to measure accuracy on; name a data "
                "set with --data"
            )
        self._graph = graph
        self._scheme = replace(scheme, weights=CHOICES[0], layers={})
        self._features = clips
        self._labels = labels
        self._window = window
        self._built = build(graph, self._scheme, calibration)
        matrices: dict[str, list[tuple[int, ...]]] = {}
        for step in self._built.steps:
            if step.weight is not None and not step.fixed:
                matrices.setdefault(step.source, []).append(step.weight.shape)
        if not matrices:
            raise ConfigError("the network has no trained matrix to narrow")
        self._matrices = matrices
        self._rest = parameter_bytes(self._built.program) - sum(
            packed_bytes(shape, CHOICES[0]) for shapes in matrices.values() for shape in shapes
        )

    @property
    def names(self) -> tuple[str, ...]:
        """The trained matrices, in order of computation."""
        return tuple(self._matrices)

    @property
    def clips(self) -> int:
        """Number of clips."""
        return len(self._features)

    @property
    def correct(self) -> int:
        """Number of clips that floats decide correctly."""
        return int(np.sum(self._float_logits.argmax(axis=-1) == self._labels))

    @cached_property
    def digest(self) -> str:
        """sha256 of the integers at 8 bits, the clips and the labels, in hexadecimal."""
        h = hashlib.sha256(json.dumps(self._built.program.to_dict(), sort_keys=True).encode())
        for _, array in sorted(self._built.program.to_arrays().items()):
            h.update(np.ascontiguousarray(array).tobytes())
        for given in (self._features, self._labels):
            h.update(np.ascontiguousarray(given).tobytes())
        return h.hexdigest()

    def size(self, widths: Widths) -> int:
        """Bytes of the parameters, without a build."""
        return self._rest + sum(
            packed_bytes((shape[0], shape[1]), widths[name])
            for name, shapes in self._matrices.items()
            for shape in shapes
        )

    def probe(self, widths: Widths) -> float:
        """Distance of the posteriors, on every so many of the clips."""
        every = max(1, len(self._features) // PROBES)
        found = self._logits(self.program(widths), self._features[::every])
        return _divergence(self._float_logits[::every], found)

    def measure(self, widths: Widths) -> Measure:
        """Size, and decisions on all clips beside those of floats."""
        program = self.program(widths)
        logits = self._logits(program, self._features)
        decisions, wanted = logits.argmax(axis=-1), self._float_logits.argmax(axis=-1)
        right, was_right = decisions == self._labels, wanted == self._labels
        return Measure(
            size=parameter_bytes(program),
            lost=int(np.sum(was_right & ~right)),
            gained=int(np.sum(right & ~was_right)),
            agreement=float(np.mean(decisions == wanted)),
            distance=_divergence(self._float_logits, logits),
        )

    def scheme(self, widths: Widths) -> Scheme:
        """The scheme with these widths."""
        return replace(self._scheme, layers=dict(widths))

    def program(self, widths: Widths) -> Program:
        """The integers with these widths."""
        return rebuild(self._built, self.scheme(widths)).program

    @cached_property
    def _float_logits(self) -> Array:
        parts = [
            pooled(self._graph.scan(block.astype(np.float64))[0], self._window)
            for block in _blocks(self._features)
        ]
        return np.concatenate(parts)

    def _logits(self, program: Program, clips: Features) -> Array:
        """Mean of the last logits of each clip, the state reset before it."""
        ops, parts = IntegerOps(program), []
        for block in _blocks(clips):
            states, outputs = program.zero_state((len(block),)), []
            for t in range(block.shape[1]):
                states, values = ops.step(states, ops.quantize(block[:, t]))
                outputs.append(ops.dequantize(values[program.output]))
            parts.append(pooled(np.stack(outputs, axis=1), self._window))
        return np.concatenate(parts)


def _blocks(clips: Features) -> list[Features]:
    return [clips[start : start + BLOCK] for start in range(0, len(clips), BLOCK)]


def _divergence(logits: Array, others: Array) -> float:
    """Mean of ``sum_k p_k (log p_k - log q_k)`` over the posteriors of two lists of logits."""
    p, q = _log_softmax(logits), _log_softmax(others)
    return float(np.mean(np.sum(np.exp(p) * (p - q), axis=-1)))


def _log_softmax(logits: Array) -> Array:
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))
