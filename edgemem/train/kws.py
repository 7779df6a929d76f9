"""Keyword spotting: from a data set to a model file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from edgemem.data import Clips, DataSet
from edgemem.data.protocols import SILENCE, UNKNOWN
from edgemem.model import Model, Sample
from edgemem.runtime.detector import DetectorConfig
from edgemem.train.augment import Augmenter
from edgemem.train.batches import Batches
from edgemem.train.recipes import Recipe
from edgemem.train.trainer import Result

CALIBRATION_SEQUENCES = 12
CALIBRATION_CLIPS = 4
VALIDATION_CLIPS = 240


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
    return Model(
        name=name,
        frontend=batches.frontend,
        cell=result.stack,
        params={**result.params, **result.stack.constants},
        labels=data.labels,
        protocol=data.protocol,
        detector=DetectorConfig(
            window=batches.window, ignore=tuple(n for n in (SILENCE, UNKNOWN) if n in data.labels)
        ),
        calibration=calibration_sample(data, batches, seed),
        validation=validation_sample(data.validation, batches, seed),
        card={
            "seed": seed,
            "recipe": recipe.to_dict(),
            "validation_accuracy": result.best["validation_accuracy"],
            "best_epoch": result.best["epoch"],
            "epochs": len(result.history),
            "training_seconds": round(sum(row["seconds"] for row in result.history)),
            **card,
        },
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
