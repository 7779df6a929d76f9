"""Labelled clips of a data set's validation split, as a network reads them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from edgemem.data.cache import Progress
from edgemem.data.layouts import DEFAULT_SPEAKER
from edgemem.data.loading import load
from edgemem.data.source import look
from edgemem.data.types import DataSet
from edgemem.errors import ConfigError, DataError
from edgemem.frontend import FrontEnd
from edgemem.model import Model, Sample


def validation_clips(
    model: Model,
    roots: Sequence[Path],
    protocol: str | None = None,
    frontend: FrontEnd | None = None,
    background: Path | None = None,
    cache: Path | None = None,
    count: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Sample:
    """Clips of the validation splits of data sets; no file of another split is opened.

    Parameters
    ----------
    model : Model
    roots : sequence of Path
        Data sets, in any layout that :func:`edgemem.data.load` reads.
    protocol : str, optional
        By default the model's own.
    frontend : FrontEnd, optional
        The one that made stored features.
    background, cache : Path, optional
        As :func:`edgemem.data.load` takes them.
    count : int, optional
        At most so many clips of each set, drawn at random.
    seed : int
    progress : callable, optional

    Raises
    ------
    DataError
        If a set cannot be used, or its features are not those of the model.
    """
    if count is not None and count < 1:
        raise ConfigError(f"{count} validation clips; expected 1 or more")
    own = replace(model.frontend, stack=1)
    parts = []
    for root in roots:
        # recordings go through the front end of the model; who made features, must be said
        sound = look(root, DEFAULT_SPEAKER).kind == "sound"
        data = load(
            root,
            protocol=protocol or model.protocol or None,
            frontend=own if sound else frontend,
            cache=cache,
            splits=("validation",),
            seed=seed,
            progress=progress,
            background=background,
            seconds=model.crop.seconds,
            center=sound and model.crop.center,
        )
        if data.frontend != own:
            raise DataError(f"{root}: its features come from another front end than the model's")
        parts.append(_some(data, model, root, count, seed))
    return Sample(
        np.concatenate([part.features for part in parts]),
        np.concatenate([part.labels for part in parts]),
    )


def _some(data: DataSet, model: Model, root: Path, count: int | None, seed: int) -> Sample:
    strange = sorted(set(data.labels) - set(model.labels))
    if strange:
        raise DataError(
            f"{root} has the label {strange[0]!r}, which the model does not know; its labels: "
            + ", ".join(model.labels)
        )
    place = np.array([model.labels.index(label) for label in data.labels], np.int64)
    chosen = np.random.default_rng([seed, 5]).permutation(len(data.validation))[:count]
    chosen = np.sort(chosen)
    frames = data.validation.features[chosen].astype(np.float32)
    return Sample(model.frontend.stack_frames(frames), place[data.validation.labels[chosen]])
