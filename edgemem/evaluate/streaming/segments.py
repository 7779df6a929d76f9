"""Hours of sound through a network, in segments that do not need each other."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from edgemem.data.scenes.features import FeatureRenderer
from edgemem.data.scenes.samples import SampleRenderer
from edgemem.frontend import FrontEnd
from edgemem.ir.runner import GraphRunner
from edgemem.runtime.network import Network

Logits = npt.NDArray[np.float32]

SECONDS = 120.0
"""Length of a segment."""

WARM = 10.0
"""Sound that a network hears before each segment, in seconds: its state is then that of one who
heard all before, as far as such a state remembers."""


@dataclass(frozen=True)
class Segment:
    """Feature vectors ``first`` to ``last`` of a scene, heard from ``warm`` on."""

    number: int
    warm: int
    first: int
    last: int


def segments(n_vectors: int, frame_period: float) -> list[Segment]:
    """Cut a scene into segments.

    The cut depends on nothing but the scene's length, so that the number of processes and where a
    run was interrupted change no figure.

    Parameters
    ----------
    n_vectors : int
        Length of the scene.
    frame_period : float
        Time between two feature vectors, in seconds.
    """
    length, warm = (max(1, round(s / frame_period)) for s in (SECONDS, WARM))
    return [
        Segment(number, max(0, first - warm), first, min(first + length, n_vectors))
        for number, first in enumerate(range(0, n_vectors, length))
    ]


class Hearing(Protocol):
    """Segments to logits."""

    def hear(self, wanted: Sequence[Segment]) -> Iterator[tuple[Segment, Logits]]:
        """Logits of each segment, (last - first, n_labels), in any order."""


@dataclass(frozen=True)
class ByVector:
    """One feature vector after the other through the runner, as on a device.

    Parameters
    ----------
    network : Network
    vectors : callable
        Feature vectors from one to another, (n, n_features).
    """

    network: Network
    vectors: Callable[[int, int], npt.NDArray[np.float32]]

    def hear(self, wanted: Sequence[Segment]) -> Iterator[tuple[Segment, Logits]]:
        runner = self.network.runner
        for segment in wanted:
            runner.reset()
            vectors = self.vectors(segment.warm, segment.last)
            out = np.empty((len(vectors), runner.n_out), np.float32)
            for index, vector in enumerate(vectors):
                out[index] = runner.step(vector)
            yield segment, out[segment.first - segment.warm :]
        runner.reset()


@dataclass(frozen=True)
class BySample:
    """Samples through the whole road of the network, integer front ends included.

    Parameters
    ----------
    network : Network
    renderer : SampleRenderer
    """

    network: Network
    renderer: SampleRenderer

    def hear(self, wanted: Sequence[Segment]) -> Iterator[tuple[Segment, Logits]]:
        listener = self.network.listener()
        frontend = self.network.frontend
        hop = frontend.stack * frontend.hop_length
        more = frontend.frame_length - frontend.hop_length
        for segment in wanted:
            listener.reset()
            samples = self.renderer.render(segment.warm * hop, segment.last * hop + more)
            yield segment, listener.logits(samples)[segment.first - segment.warm :]


@dataclass(frozen=True)
class ByBatch:
    """Many segments at once through a graph in float64.

    Parameters
    ----------
    runner : GraphRunner
    vectors : callable
        Feature vectors from one to another, (n, n_features).
    width : int
        Most segments at once.
    """

    runner: GraphRunner
    vectors: Callable[[int, int], npt.NDArray[np.float32]]
    width: int = 64

    def hear(self, wanted: Sequence[Segment]) -> Iterator[tuple[Segment, Logits]]:
        alike: dict[tuple[int, int], list[Segment]] = {}
        for segment in wanted:
            shape = (segment.first - segment.warm, segment.last - segment.first)
            alike.setdefault(shape, []).append(segment)
        for (warm, _), group in alike.items():
            for start in range(0, len(group), self.width):
                part = group[start : start + self.width]
                x = np.stack([self.vectors(one.warm, one.last) for one in part]).astype(np.float64)
                y, _ = self.runner.graph.scan(x)
                for segment, logits in zip(part, y):
                    yield segment, logits[warm:].astype(np.float32)


def hearing(network: Network, renderer: FeatureRenderer | SampleRenderer) -> Hearing:
    """How a network hears a scene.

    Parameters
    ----------
    network : Network
    renderer : FeatureRenderer or SampleRenderer
    """
    frontend = network.frontend
    if isinstance(renderer, FeatureRenderer):
        vectors = _stacked(renderer, frontend)
    else:
        vectors = _heard(renderer, frontend)
    if isinstance(network.runner, GraphRunner):
        return ByBatch(network.runner, vectors)
    if isinstance(renderer, SampleRenderer):
        return BySample(network, renderer)
    return ByVector(network, vectors)


def n_vectors(length: int, frontend: FrontEnd) -> int:
    """Number of feature vectors of a scene of ``length`` samples."""
    return math.floor(length / (frontend.stack * frontend.hop_length))


def _stacked(
    renderer: FeatureRenderer, frontend: FrontEnd
) -> Callable[[int, int], npt.NDArray[np.float32]]:
    def vectors(first: int, last: int) -> npt.NDArray[np.float32]:
        frames = renderer.render(first * frontend.stack, last * frontend.stack)
        return frontend.stack_frames(frames)

    return vectors


def _heard(
    renderer: SampleRenderer, frontend: FrontEnd
) -> Callable[[int, int], npt.NDArray[np.float32]]:
    hop = frontend.stack * frontend.hop_length
    more = frontend.frame_length - frontend.hop_length

    def vectors(first: int, last: int) -> npt.NDArray[np.float32]:
        return frontend.features(renderer.render(first * hop, last * hop + more))

    return vectors
