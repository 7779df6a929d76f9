"""More other words for training: recordings of another language, or of other speakers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from edgemem.data import Clips, DataSet, load
from edgemem.data.protocols import UNKNOWN
from edgemem.errors import ConfigError, DataError


def with_others(data: DataSet, root: Path, cache: Path | None = None, seed: int = 0) -> DataSet:
    """A data set with the training split of another one, all of whose words are other words.

    Parameters
    ----------
    data : DataSet
    root : Path
        The other data set, in any layout that :func:`edgemem.data.load` reads, with the front end
        of ``data``.
    cache : Path, optional
        Folder for features.
    seed : int

    Raises
    ------
    ConfigError
        If ``data`` has no label for other words.
    DataError
        If the other set has clips of another length.
    """
    if UNKNOWN not in data.labels:
        raise ConfigError(
            f"other words need the label {UNKNOWN}; the data have {', '.join(data.labels)}: "
            "choose a --protocol with it"
        )
    crop = data.crop
    more = load(
        root,
        "folders",
        data.frontend,
        cache,
        ("train",),
        seed,
        seconds=crop.seconds,
        center=crop.center,
        complete=False,
    )
    here, there = data.train.features, more.train.features
    if here.shape[1:] != there.shape[1:]:
        raise DataError(
            f"{root}: clips of {there.shape[1]} frames and {there.shape[2]} bands; "
            f"those of the data have {here.shape[1]} and {here.shape[2]}"
        )
    if here.dtype == np.uint8 and there.dtype != np.uint8:
        there = np.rint(there).astype(np.uint8)
    labels = np.full(len(there), data.labels.index(UNKNOWN), np.int64)
    train = Clips(
        np.concatenate([here, there.astype(here.dtype, copy=False)]),
        np.concatenate([data.train.labels, labels]),
        (*data.train.names, *more.train.names),
    )
    return replace(data, train=train, report=data.report + more.report)
