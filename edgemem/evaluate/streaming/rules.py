"""A detector's rule as the sweep takes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgemem.evaluate.streaming.firing import Levels
from edgemem.runtime.detector import frames_in
from edgemem.runtime.rule import DetectorConfig


@dataclass(frozen=True)
class Rule:
    """A decision rule, label by label.

    Parameters
    ----------
    windows : tuple of int
        Of each label.
    fires : tuple of bool
        Whether each label may fire.
    levels : mapping of int to Levels
        Of each label that may.
    """

    windows: tuple[int, ...]
    fires: tuple[bool, ...]
    levels: Mapping[int, Levels]


def rule_of(config: DetectorConfig, labels: Sequence[str], frame_period: float) -> Rule:
    """The rule of a detector.

    Parameters
    ----------
    config : DetectorConfig
    labels : sequence of str
    frame_period : float
        Time between two logit vectors, in seconds.
    """
    resolved = [config.rule(label) for label in labels]
    fires = tuple(label not in config.ignore for label in labels)
    levels = {
        number: Levels(rule.threshold, rule.release, frames_in(rule.refractory, frame_period))
        for number, rule in enumerate(resolved)
        if fires[number]
    }
    return Rule(tuple(rule.window for rule in resolved), fires, levels)
