"""Two networks on the same sound: where they part, how far, and which decisions that changes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemem.errors import ConfigError, DataError
from edgemem.evaluate.tally import Distance, Tally
from edgemem.ir.values import Values
from edgemem.runtime.detector import decide
from edgemem.runtime.network import Network
from edgemem.target import Inspectable, Runner
from edgemem.verification import engine_of, scale_of

Features = NDArray[np.float32]

OUTPUT = "(output)"
"""Stands for the outputs of a step where names of tensors stand."""


@dataclass(frozen=True)
class Heard:
    """A clip as feature vectors.

    Parameters
    ----------
    name : str
    label : str or None
        What it is, if known.
    features : pair of (t, n_features) float32 array
        From the front end of A and from that of B.
    """

    name: str
    label: str | None
    features: tuple[Features, Features]


@dataclass(frozen=True)
class Divergence:
    """Where two runs differ for the first time.

    Parameters
    ----------
    clip : str
    frame : int
        Number of the feature vector in the clip, from 0.
    tensor, op : str
        The first tensor of that frame that differs, and what computes it in A.
    element : int
        Its first element that does.
    a, b : float or int
        What A and B hold there.
    """

    clip: str
    frame: int
    tensor: str
    op: str
    element: int
    a: float
    b: float


@dataclass(frozen=True)
class Differing:
    """A clip that A and B decide otherwise."""

    clip: str
    label: str | None
    a: str
    b: str


@dataclass(frozen=True)
class Comparison:
    """Two networks side by side.

    Parameters
    ----------
    names, engines : pair of str
        Files of A and B, and what computed them.
    clips, frames : int
        Number of clips, the state reset before each, and of feature vectors in all of them.
    equal_frames : float
        Share of frames whose outputs are all the same numbers: the same integers, where they are.
    first : Divergence or None
        Tensors that a gain stands between are left out.
    output : Distance
    tensors : tuple of Distance
        Of the tensors that both show under one name, in order of computation.
    shown : pair of int
        Number of tensors that A and B show.
    differing : tuple of Differing
    accuracy : pair of float, or None
        Share of clips that A and B decide as labelled; None where a clip has no label.
    """

    names: tuple[str, str]
    engines: tuple[str, str]
    clips: int
    frames: int
    equal_frames: float
    first: Divergence | None
    output: Distance
    tensors: tuple[Distance, ...]
    shown: tuple[int, int]
    differing: tuple[Differing, ...]
    accuracy: tuple[float, float] | None

    def to_dict(self) -> dict[str, Any]:
        """Everything, as JSON values."""
        accuracy = self.accuracy or (None, None)
        sides = {
            side: {"file": name, "engine": engine, "tensors": shown, "accuracy": right}
            for side, name, engine, shown, right in zip(
                "ab", self.names, self.engines, self.shown, accuracy
            )
        }
        return {
            **sides,
            "clips": self.clips,
            "frames": self.frames,
            "equal_frames": self.equal_frames,
            "first": None if self.first is None else asdict(self.first),
            "output": self.output.to_dict(),
            "tensors": [tensor.to_dict() for tensor in self.tensors],
            "differing": [asdict(clip) for clip in self.differing],
        }


@dataclass(frozen=True)
class _Run:
    """A clip streamed through one network: arrays of shape (t, n)."""

    output: Values
    tensors: Mapping[str, Values]


def compare(a: Network, b: Network, heard: Iterable[Heard]) -> Comparison:
    """Stream clips through two networks and line everything up that both show.

    Parameters
    ----------
    a, b : Network
    heard : iterable of Heard
        At least one, each with one feature vector or more.

    Raises
    ------
    ConfigError
        If the networks have other labels or other inputs.
    DataError
        If there is no clip.
    """
    check_pair(a, b)
    made = _Comparer(a, b)
    for clip in heard:
        made.add(clip)
    return made.result()


def check_pair(a: Network, b: Network) -> None:
    """Refuse two networks that cannot be lined up."""
    if a.labels != b.labels:
        raise ConfigError(
            f"{a.path} and {b.path} have other labels: {', '.join(a.labels)}; and "
            f"{', '.join(b.labels)}; compare networks of the same labels in the same order"
        )
    facts = ("features a vector", "n_features"), ("samples a second", "sample_rate")
    for what, field in facts:
        one, other = getattr(a.frontend, field), getattr(b.frontend, field)
        if one != other:
            raise ConfigError(
                f"{a.path} reads {one} {what}, {b.path} reads {other}; compare networks that "
                "hear the same"
            )


class _Comparer:
    def __init__(self, a: Network, b: Network) -> None:
        self._sides = (a, b)
        scales = {scale_of(side.runner) for side in self._sides}
        self._output = Tally(OUTPUT, "", scales.pop() if len(scales) == 1 else None)
        self._tallies: dict[str, Tally] = {}
        self._first: Divergence | None = None
        self._differing: list[Differing] = []
        self._decisions: list[tuple[str | None, str, str]] = []
        self._frames = self._equal = 0
        self._shown = (0, 0)

    def add(self, clip: Heard) -> None:
        lengths = [len(features) for features in clip.features]
        if lengths[0] != lengths[1]:
            raise ConfigError(
                f"{clip.name} has {lengths[0]} feature vectors for {self._sides[0].path} and "
                f"{lengths[1]} for {self._sides[1].path}; their front ends have other frames"
            )
        a, b = (stream(side.runner, x) for side, x in zip(self._sides, clip.features))
        self._shown = (len(a.tensors), len(b.tensors))
        pairs = _common(a.tensors, b.tensors)
        for name, pair in pairs.items():
            if name not in self._tallies:
                self._tallies[name] = Tally.between(name, *pair)
            self._tallies[name].add(*pair)
        self._output.add(a.output, b.output)
        unequal = {
            name: self._tallies[name].unequal(x.reals, y.reals)
            for name, (x, y) in pairs.items()
            if not self._tallies[name].gain
        }
        unequal[OUTPUT] = self._output.unequal(a.output.reals, b.output.reals)
        if self._first is None:
            pairs[OUTPUT] = (a.output, b.output)
            self._first = _divergence(clip.name, pairs, unequal)
        self._frames += lengths[0]
        self._equal += int(np.count_nonzero(~unequal[OUTPUT].any(axis=1)))
        self._decide(clip, a.output.array, b.output.array)

    def _decide(self, clip: Heard, *logits: NDArray[Any]) -> None:
        a, b = (
            side.labels[int(decide(y, side.detector.window))]
            for side, y in zip(self._sides, logits)
        )
        self._decisions.append((clip.label, a, b))
        if a != b:
            self._differing.append(Differing(clip.name, clip.label, a, b))

    def result(self) -> Comparison:
        if not self._decisions:
            raise DataError("no clip could be used; name other recordings with --data")
        a, b = self._sides
        labels = [label for label, _, _ in self._decisions]
        accuracy = None
        if None not in labels:
            right = np.array([(label == x, label == y) for label, x, y in self._decisions])
            accuracy = (float(right[:, 0].mean()), float(right[:, 1].mean()))
        return Comparison(
            names=(str(a.path), str(b.path)),
            engines=(engine_of(a.runner), engine_of(b.runner)),
            clips=len(labels),
            frames=self._frames,
            equal_frames=self._equal / self._frames,
            first=self._first,
            output=self._output.result(),
            tensors=tuple(tally.result() for tally in self._tallies.values()),
            shown=self._shown,
            differing=tuple(self._differing),
            accuracy=accuracy,
        )


def stream(runner: Runner, features: Features) -> _Run:
    """Outputs and tensors of every step, from the zero state.

    Parameters
    ----------
    runner : Runner
    features : (t, n_in) float32 array
    """
    runner.reset()
    outputs, steps = [], []
    looked_into = runner if isinstance(runner, Inspectable) else None
    for frame in features:
        outputs.append(runner.step(frame))
        if looked_into is not None:
            steps.append(looked_into.tensors())
    tensors = {name: _stacked([step[name] for step in steps]) for name in (steps or [{}])[0]}
    return _Run(Values(np.stack(outputs)), tensors)


def _stacked(values: list[Values]) -> Values:
    arrays = np.stack([v.array.reshape(-1) for v in values])
    first = values[0]
    return Values(arrays, first.op, first.scale, first.zero_point)


def _common(a: Mapping[str, Values], b: Mapping[str, Values]) -> dict[str, tuple[Values, Values]]:
    """What both have under one name and in one size, in A's order."""
    return {n: (v, b[n]) for n, v in a.items() if n in b and b[n].array.shape == v.array.shape}


def _divergence(
    clip: str,
    pairs: Mapping[str, tuple[Values, Values]],
    unequal: Mapping[str, NDArray[np.bool_]],
) -> Divergence | None:
    """The earliest frame, and in it the first tensor, where the two differ."""
    found: Divergence | None = None
    for name, differs in unequal.items():
        frames = differs.any(axis=1)
        frame = int(frames.argmax())
        if frames.any() and (found is None or frame < found.frame):
            element = int(differs[frame].argmax())
            a, b = pairs[name]
            held = (x.array[frame, element].item() for x in (a, b))
            found = Divergence(clip, frame, name, a.op, element, *held)
    return found
