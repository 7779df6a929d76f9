"""Language models: the next symbol of a text, for characters and words alike."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from edgemem.data.text import UNKNOWN, Symbols, Text, Vocabulary
from edgemem.errors import ConfigError, DataError
from edgemem.train.tasks.base import UNCOUNTED, Goal, Sequences, Stream, TaskData

COUNTED = 400
"""Symbols that a window of validation or test counts, behind those that only prepare."""


def windows(symbols: Symbols, counted: int, context: int) -> tuple[Symbols, Symbols]:
    """Windows over a text in which every symbol but the first is predicted, and counted, once.

    The first window begins where the text does. Each of the others begins with ``context``
    symbols that only prepare the network; their targets are :data:`UNCOUNTED`.

    Parameters
    ----------
    symbols : (n,) int64 array
        At least 2.
    counted : int
        Predictions that a window counts; the first counts those of its context too, the last
        what is left.
    context : int

    Returns
    -------
    x, y : (n_windows, n_steps) int64 array
        ``y`` is the symbol after each of ``x``; ``n_steps`` is ``context + counted``, or what
        the text has.
    """
    n = len(symbols) - 1
    length = min(context + counted, n)
    starts = np.minimum(np.arange(0, n - length + counted, counted), n - length)
    places = starts[:, None] + np.arange(length)
    y = symbols[places + 1].copy()
    # the window before reached this far
    y[1:][places[1:] < starts[:-1, None] + length] = UNCOUNTED
    return symbols[places], y


def language_data(
    root: Path, text: Text, vocabulary: Vocabulary, n_steps: int, context: int, metric: str
) -> TaskData:
    """A text as a task: trained on as one stream, measured in windows.

    Parameters
    ----------
    root : Path
        Where the text came from, for errors.
    text : Text
    vocabulary : Vocabulary
    n_steps : int
        Symbols that a batch takes of each row of the stream.
    context : int
        See :func:`windows`.
    metric : str

    Raises
    ------
    DataError
        If the training part does not have ``n_steps + 1`` symbols.
    """
    symbols = {split: vocabulary.encode(part) for split, part in text.parts.items()}
    if len(symbols["train"]) <= n_steps:
        raise DataError(
            f"{root}: {len(symbols['train'])} symbols for training, but each row of a batch reads "
            f"{n_steps}; give a longer text or a smaller --n-steps"
        )
    return TaskData(
        train=Stream(symbols["train"], n_steps),
        validation=Sequences(*windows(symbols["validation"], COUNTED, context)),
        test=Sequences(*windows(symbols["test"], COUNTED, context)),
        goal=Goal("steps", "classes", metric),
        n_in=len(vocabulary.names),
        labels=vocabulary.names,
        facts=_facts(text, vocabulary, symbols, context),
    )


def _facts(
    text: Text, vocabulary: Vocabulary, symbols: Mapping[str, Symbols], context: int
) -> dict[str, Any]:
    unknown = vocabulary.names.index(UNKNOWN)
    return {
        "protocol": "next symbol; every symbol of a split but its first counted once",
        "layout": text.layout,
        "sha256": text.digests,
        "symbols": {split: len(part) for split, part in symbols.items()},
        "vocabulary": len(vocabulary.names),
        "unknown": {split: float(np.mean(part == unknown)) for split, part in symbols.items()},
        "context": context,
    }


def check_sizes(task: str, n_steps: int, context: int) -> None:
    """Refuse sizes that cannot work.

    Raises
    ------
    ConfigError
        If ``n_steps`` is below 1 or ``context`` below 0.
    """
    if n_steps < 1:
        raise ConfigError(f"{task}: n_steps must be 1 or more (got {n_steps})")
    if context < 0:
        raise ConfigError(f"{task}: context must not be negative (got {context})")
