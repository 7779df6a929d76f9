"""A network, a scene, and what comes of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgemem.data.cache import Progress
from edgemem.data.scenes.material import Material, Where, collect
from edgemem.data.scenes.schedule import Plan, Scene, draw_scene
from edgemem.errors import ConfigError
from edgemem.evaluate.streaming.curve import Clock, judge, sweep
from edgemem.evaluate.streaming.firing import fire
from edgemem.evaluate.streaming.hearing import Stage, facts, hear
from edgemem.evaluate.streaming.matching import TOLERANCE
from edgemem.evaluate.streaming.rules import rule_of
from edgemem.evaluate.streaming.scores import StreamScores, speech_of
from edgemem.evaluate.streaming.traces import candidates
from edgemem.evaluate.streaming.truth import Truth, truth_of
from edgemem.evaluate.streaming.work import Work
from edgemem.runtime.network import Network
from edgemem.runtime.rule import DetectorConfig


@dataclass(frozen=True)
class Running:
    """How a scene is heard; no figure depends on it.

    Parameters
    ----------
    jobs : int
        Number of processes.
    work : Path, optional
        Folder in which finished segments are kept.
    progress : callable, optional
        Called with the number of segments done and of all.
    """

    jobs: int = 1
    work: Path | None = None
    progress: Progress | None = None


@dataclass(frozen=True, eq=False)
class Take:
    """What a network said to a scene.

    Parameters
    ----------
    scene : Scene
    truth : Truth
    logits : (n_vectors, n_labels) float32 array
    """

    scene: Scene
    truth: Truth
    logits: npt.NDArray[np.float32]

    @property
    def speech(self) -> dict[str, float]:
        """How much is said."""
        return speech_of(self.truth, [word.clip for word in self.scene.words])


def gather(network: Network, where: Where, progress: Progress | None = None) -> Material:
    """The clips and the noise that scenes for a network are made of."""
    return collect(where, network.frontend, network.labels, progress)


def record(
    network: Network,
    material: Material,
    plan: Plan,
    running: Running | None = None,
    sound: bool | None = None,
) -> Take:
    """Draw a scene and let a network hear it.

    Parameters
    ----------
    network : Network
    material : Material
    plan : Plan
    running : Running, optional
    sound : bool, optional
        Whether it is heard as samples; by default where all clips are recordings.
    """
    running = running or Running()
    if running.jobs < 1:
        raise ConfigError(f"{running.jobs} jobs; expected 1 or more")
    keywords = [label for label in network.labels if label not in network.detector.ignore]
    scene = draw_scene(
        plan,
        [material.n_samples] * len(material.clips),
        *material.numbers(keywords),
        [len(ring) for ring in material.rings],
        material.frontend.sample_rate,
    )
    stage = Stage(scene, material, material.sound if sound is None else sound)
    work = None
    if running.work is not None:
        work = Work.of(running.work, facts(network, stage, plan))
    logits = hear(network, stage, work, running.jobs, running.progress)
    return Take(scene, truth_of(scene, material, network.labels, keywords), logits)


def score(
    network: Network,
    take: Take,
    rule: DetectorConfig | None = None,
    tolerance: float = TOLERANCE,
    shifts: Sequence[float] | None = None,
) -> StreamScores:
    """Figures of a decision rule on what a network said.

    Parameters
    ----------
    network : Network
    take : Take
    rule : DetectorConfig, optional
        By default the file's own.
    tolerance : float
        Time after a word within which an event still belongs to it, in seconds.
    shifts : sequence of float, optional
        Points of the curve; by default all that change anything.
    """
    if not 0.0 < tolerance < 60.0:
        raise ConfigError(f"a tolerance of {tolerance} s; expected more than 0, less than 60")
    frontend = network.frontend
    chosen = rule_of(rule or network.detector, network.labels, frontend.frame_period)
    clock = Clock(frontend.frame_period, frontend.lead)
    found = candidates(take.logits, chosen.windows, chosen.fires)
    matched = judge(fire(found, chosen.levels), take.truth, clock, tolerance)
    n_labels = len(network.labels)
    curve = sweep(found, chosen.levels, take.truth, clock, n_labels, tolerance, shifts)
    return StreamScores(network.labels, take.truth, matched, curve)


def about(network: Network, where: Where, plan: Plan, take: Take) -> dict[str, Any]:
    """What was measured, as JSON values."""
    return {
        "file": str(network.path),
        "data": str(where.data),
        "split": where.split,
        "others": None if where.others is None else str(where.others),
        "seed": plan.seed,
        "noise_share": plan.noise_share,
        **take.speech,
    }
