"""A network hears a scene: in one process or in several, from the start or from where it was."""

from __future__ import annotations

import hashlib
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgemem import artefact, model, pretrained
from edgemem.data.clips import read_samples
from edgemem.data.scenes.features import FeatureRenderer
from edgemem.data.scenes.material import Material
from edgemem.data.scenes.samples import SampleRenderer
from edgemem.data.scenes.schedule import Plan, Scene
from edgemem.errors import DataError
from edgemem.evaluate.streaming.segments import (
    SECONDS,
    WARM,
    Logits,
    Segment,
    hearing,
    n_vectors,
    segments,
)
from edgemem.evaluate.streaming.work import Work
from edgemem.runtime.network import Network, open_network

Progress = Callable[[int, int], None]

_BATCH = 16
"""Segments that a process takes at once: a graph hears as many side by side."""


@dataclass(frozen=True, eq=False)
class Stage:
    """A scene and what it is made of.

    Parameters
    ----------
    scene : Scene
    material : Material
    sound : bool
        Whether it is heard as samples, else as feature frames.
    """

    scene: Scene
    material: Material
    sound: bool

    def renderer(self) -> FeatureRenderer | SampleRenderer:
        """What makes it audible."""
        if not self.sound:
            return FeatureRenderer(self.scene, self.material)
        if not self.material.sound:
            raise DataError("samples are asked for, and some of the clips are stored features")
        return SampleRenderer(self.scene, self.material.rings, self._read)

    def _read(self, clip: int) -> npt.NDArray[np.int16]:
        frontend = self.material.frontend
        crop = self.material.crop
        return read_samples(
            self.material.clips[clip], frontend.sample_rate, crop.seconds, crop.center
        )


def facts(network: Network, stage: Stage, plan: Plan) -> dict[str, Any]:
    """All that decides the logits, as JSON values."""
    h = hashlib.sha256()
    for clip in stage.material.clips:
        h.update(clip.name.encode() + b"\0" + clip.label.encode() + b"\n")
    h.update(np.ascontiguousarray(stage.material.features).tobytes())
    for ring in stage.material.rings:
        h.update(ring.samples.tobytes())
    return {
        "network": _identity(network),
        "material": h.hexdigest(),
        "plan": asdict(plan),
        "sound": stage.sound,
        "segments": [SECONDS, WARM],
        "format": 2,
    }


def _identity(network: Network) -> dict[str, Any]:
    """What of a file decides its logits: its decision rule does not."""
    if network.path.suffix == pretrained.MODEL:
        return {"model": model.load(network.path).digest}
    manifest = artefact.read(network.path).manifest
    return {
        "sha256": manifest["sha256"],
        "target": manifest["target"],
        "frontend": network.frontend.to_dict(),
        "labels": list(network.labels),
    }


def hear(
    network: Network,
    stage: Stage,
    work: Work | None = None,
    jobs: int = 1,
    progress: Progress | None = None,
) -> Logits:
    """Logits of a whole scene.

    Parameters
    ----------
    network : Network
    stage : Stage
    work : Work, optional
        Where finished segments are kept.
    jobs : int
        Number of processes.
    progress : callable, optional
        Called with the number of segments done and of all.

    Returns
    -------
    (n_vectors, n_labels) float32 array
    """
    n = n_vectors(stage.scene.length, network.frontend)
    every = segments(n, network.frontend.frame_period)
    out = np.empty((n, network.runner.n_out), np.float32)
    todo = []
    for segment in every:
        shape = (segment.last - segment.first, out.shape[1])
        kept = work.load(segment.number, shape) if work is not None else None
        if kept is None:
            todo.append(segment)
        else:
            out[segment.first : segment.last] = kept
    done = len(every) - len(todo)
    for segment, logits in _heard(network, stage, todo, jobs):
        out[segment.first : segment.last] = logits
        if work is not None:
            work.save(segment.number, logits)
        done += 1
        if progress is not None:
            progress(done, len(every))
    return out


_Piece = tuple[Segment, Logits]


def _heard(network: Network, stage: Stage, todo: Sequence[Segment], jobs: int) -> Iterator[_Piece]:
    parts = [todo[start : start + _BATCH] for start in range(0, len(todo), _BATCH)]
    if jobs == 1 or len(parts) < 2:
        ears = hearing(network, stage.renderer())
        for part in parts:
            yield from ears.hear(part)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(
        jobs, mp_context=context, initializer=_start, initargs=(network.path, stage)
    ) as pool:
        try:
            for future in as_completed([pool.submit(_hear_part, part) for part in parts]):
                yield from future.result()
        except BrokenProcessPool as error:
            raise DataError(
                "a process of --jobs ended on its own (killed, or out of memory); run it again, "
                "with fewer jobs: with --work it goes on where it was"
            ) from error


class _Worker:
    """What a process keeps between two parts."""

    ears: Any = None


def _start(path: Path, stage: Stage) -> None:
    _Worker.ears = hearing(open_network(path), stage.renderer())


def _hear_part(part: Sequence[Segment]) -> list[_Piece]:
    return list(_Worker.ears.hear(part))
