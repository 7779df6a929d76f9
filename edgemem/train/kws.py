"""Keyword spotting: from a data set to a model file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from edgemem.data import Clips, DataSet
from edgemem.data.protocols import SILENCE, UNKNOWN
from edgemem.ir import Graph, trace
from edgemem.model import Model, Sample
from edgemem.quantize.rounding import rounded_network
from edgemem.runtime.detector import pooled, softmax
from edgemem.runtime.rule import DetectorConfig
from edgemem.train.augment import Augmenter
from edgemem.train.batches import Batches
from edgemem.train.keywords import Result
from edgemem.train.recipes import Recipe

CALIBRATION_SEQUENCES = 12
CALIBRATION_CLIPS = 4
VALIDATION_CLIPS = 240
THRESHOLD_CLIPS = 1500
THRESHOLDS = (0.5, 0.9)
FALSE_ACCEPTS = 0.01


def make_model(
    name: str,
    data: DataSet,
    recipe: Recipe,
    seed: int,
    result: Result,
    card: Mapping[str, Any],
) -> Model:
    """The model of a training run, with what conversions need."""
    batches = Batches(data, recipe, seed)
    rows = (*result.before, *result.history)
    return Model(
        name=name,
        frontend=batches.frontend,
        cell=result.cell,
        params=result.params,
        labels=data.labels,
        protocol=data.protocol,
        detector=choose_detector(_graph(result), data, batches, seed),
        calibration=calibration_sample(data, batches, seed),
        validation=validation_sample(data.validation, batches, seed),
        card={
            "seed": seed,
            "recipe": recipe.to_dict(),
            "validation_accuracy": result.best["validation_accuracy"],
            "best_epoch": result.best["epoch"],
            "epochs": len(rows),
            **card,
        },
        scheme=result.scheme,
        crop=data.crop,
    )


def _graph(result: Result) -> Graph:
    """One step of the network as it was trained."""
    if result.scheme is None:
        return trace(result.cell, result.params)
    return rounded_network(result.cell, result.params, result.scheme)


def choose_detector(graph: Graph, data: DataSet, batches: Batches, seed: int) -> DetectorConfig:
    """Decision rule with a threshold found on validation clips.

    The threshold is the least one, within :data:`THRESHOLDS`, that all but :data:`FALSE_ACCEPTS`
    of the clips without a keyword stay below; without such clips it is the middle of the range.
    """
    ignore = tuple(name for name in (SILENCE, UNKNOWN) if name in data.labels)
    keyword = [label not in ignore for label in data.labels]
    others = np.flatnonzero(~np.asarray(keyword)[data.validation.labels])
    low, high = THRESHOLDS
    threshold = (low + high) / 2.0
    if len(others):
        rng = np.random.default_rng([seed, 4])
        chosen = rng.permutation(others)[:THRESHOLD_CLIPS]
        frames = data.validation.features[chosen].astype(np.float32)
        logits, _ = graph.scan(batches.frontend.stack_frames(frames).astype(np.float64))
        posteriors = softmax(pooled(logits, batches.window))
        best = posteriors[:, keyword].max(axis=1)
        threshold = float(np.clip(np.quantile(best, 1.0 - FALSE_ACCEPTS), low, high))
    threshold = round(threshold, 2)
    return DetectorConfig(
        window=batches.window, threshold=threshold, release=threshold / 2.0, ignore=ignore
    )


def calibration_sample(data: DataSet, batches: Batches, seed: int) -> Sample:
    """Training clips one after the other, as on continuous sound; some loud, some mere noise."""
    rng = np.random.default_rng([seed, 2])
    clips = data.train.features
    count = CALIBRATION_SEQUENCES * CALIBRATION_CLIPS
    frames = clips[rng.choice(len(clips), count, replace=len(clips) < count)].astype(np.float32)
    augmenter = Augmenter(batches.recipe.augmentation, data.frontend, data.background)
    varied = augmenter.speech(frames[::3], rng)
    frames[::3] = varied
    if len(data.background):
        frames[1::8] = augmenter.silence(len(frames[1::8]), rng)
    steps = batches.frontend.stack_frames(frames)
    joined = steps.reshape(CALIBRATION_SEQUENCES, -1, steps.shape[-1])
    return Sample(joined, np.zeros(0, np.int64))


def validation_sample(clips: Clips, batches: Batches, seed: int) -> Sample:
    """Validation clips, every label as often as the others where there are enough."""
    rng = np.random.default_rng([seed, 3])
    shuffled = rng.permutation(len(clips))
    labels = clips.labels[shuffled]
    seen = np.zeros(len(shuffled), np.int64)
    for label in np.unique(labels):
        of_label = labels == label
        seen[of_label] = np.arange(of_label.sum())
    chosen = np.sort(shuffled[np.argsort(seen, kind="stable")[:VALIDATION_CLIPS]])
    features = batches.frontend.stack_frames(clips.features[chosen].astype(np.float32))
    return Sample(features, clips.labels[chosen])
