"""Tuning on logits that are made by hand."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from edgemem.data.scenes.schedule import Scene
from edgemem.errors import DataError
from edgemem.evaluate.streaming.study import Take, score
from edgemem.evaluate.streaming.truth import NO_KEYWORD, Truth
from edgemem.evaluate.streaming.tuning import tune
from edgemem.runtime.network import Network, open_network

LOW, HIGH = 2, 3
EVERY = 4.0
"""Seconds from one word to the next."""


@pytest.fixture
def network(tone_file: Path) -> Network:
    return open_network(tone_file)


def take(
    labels: npt.NDArray[np.int64], peaks: npt.NDArray[np.float64], heard: npt.ArrayLike
) -> Take:
    """Words of half a second every four seconds, each a pulse of a label's logit."""
    period = 0.01
    starts = EVERY * np.arange(len(labels)) + 1.0
    logits = np.zeros((round(EVERY * len(labels) / period), 4), np.float32)
    logits[:, 0] = 4.0
    for start, label, peak in zip(starts, np.asarray(heard), peaks):
        first = round(start / period)
        logits[first : first + 50, label] = 4.0 + peak
    hours = len(labels) * EVERY / 3600.0
    truth = Truth(
        starts=starts,
        ends=starts + 0.5,
        labels=labels,
        said=("word",) * len(labels),
        conditions=(math.inf,),
        word_conditions=np.zeros(len(labels), np.int64),
        borders=EVERY * np.arange(len(labels)),
        stretch_conditions=np.zeros(len(labels), np.int64),
        hours=np.array([hours]),
        empty=np.zeros(len(labels), bool),
    )
    return Take(Scene(0, ()), truth, logits)


def words(n: int, seed: int) -> Take:
    """Half keywords, surely heard; half other words: often taken for low, hardly for high."""
    rng = np.random.default_rng(seed)
    labels = rng.choice([LOW, HIGH, NO_KEYWORD], n, p=[0.25, 0.25, 0.5])
    heard = np.where(labels == NO_KEYWORD, rng.choice([LOW, HIGH], n, p=[0.8, 0.2]), labels)
    peaks = np.where(
        labels == NO_KEYWORD,
        np.where(heard == LOW, rng.normal(1.5, 1.5, n), rng.normal(-1.0, 1.0, n)),
        rng.normal(4.0, 1.5, n),
    )
    return take(labels, peaks, heard)


def test_the_rate_holds_on_sound_that_was_not_seen(network: Network) -> None:
    rate = 20.0
    tuned = tune(network, [words(4000, 0)], rate, windows=(0.1,))
    # thresholds apart: low is confused, high is not
    assert tuned.chosen.share == "apart"
    low, high = (tuned.rule.rule(label).threshold for label in ("low", "high"))
    assert low > high
    unseen = words(4000, 1)
    total = score(network, unseen, tuned.rule, shifts=(0.0,)).total()
    assert total.accept_rate <= 2.0 * rate
    loose = score(network, unseen, shifts=(0.0,)).total()
    assert loose.accept_rate > 2.0 * total.accept_rate
    assert total.reject_rate == pytest.approx(tuned.chosen.misses, abs=0.05)


def test_one_threshold_where_only_that_is_tried(network: Network) -> None:
    tuned = tune(network, [words(2000, 0)], 10.0, windows=(0.1,), shares=("common",))
    assert not tuned.rule.keywords
    assert tuned.rule.release / tuned.rule.threshold == pytest.approx(0.5 / 0.9, rel=1e-4)


def test_a_rate_that_nothing_meets(network: Network) -> None:
    n = 900
    sure = take(np.full(n, NO_KEYWORD), np.full(n, 50.0), np.full(n, LOW))
    with pytest.raises(DataError, match="no threshold brings as few as 5 false accepts"):
        tune(network, [sure], 5.0, windows=(0.1,))
