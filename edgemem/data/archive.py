"""One .npz file that holds the features of a whole data set."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgemem.data.layouts import Found, Inventory, crossing_notes
from edgemem.data.npfiles import load_arrays
from edgemem.data.splits import split_of
from edgemem.data.stores import ArrayStore
from edgemem.data.types import SPLITS, Report
from edgemem.errors import DataError
from edgemem.reading import shown

Texts = npt.NDArray[np.str_]

MANY, LEAST = 1 << 17, 256
"""Of more clips than that each has so many bytes: what is kept of a clip takes memory as well."""


def open_archive(path: Path) -> tuple[Inventory, ArrayStore]:
    """Look into an archive of features.

    Parameters
    ----------
    path : Path
        A .npz file with ``features`` (n, n_frames, n_bands) and ``labels`` (n,) of text, and, if
        wanted, ``splits`` (n,) of train, validation or test, ``speakers`` (n,) and ``names`` (n,).
        Without splits, the sha1 rule on the speakers decides; without speakers, on the names.

    Raises
    ------
    DataError
        If the file is damaged, lacks an array, or its arrays do not meet.
    """
    try:
        arrays = load_arrays(path)
    except DataError as error:
        raise DataError(f"{path}: {error}; expected a .npz file of plain arrays") from error
    for name in ("features", "labels"):
        if name not in arrays:
            raise DataError(
                f"{path} has no array {name!r}; it has: {', '.join(sorted(arrays)[:8])}"
            )
    values = _checked(path, "features", arrays["features"])
    count = len(values)
    labels = _texts(path, arrays, "labels", count)
    names = _texts(path, arrays, "names", count, np.array([f"{i:06d}" for i in range(count)]))
    speakers = _texts(path, arrays, "speakers", count, names)
    splits = _texts(path, arrays, "splits", count, np.array([split_of(s) for s in speakers]))
    if len(set(names)) < count:
        raise DataError(f"{path}: two clips have the same name in 'names'")
    unknown = sorted(set(splits) - set(SPLITS))
    if unknown:
        raise DataError(f"{path}: no split named {shown(unknown[0])}; known: {', '.join(SPLITS)}")
    files = tuple(
        Found(path, str(name), str(word), str(speaker), str(split))
        for name, word, speaker, split in zip(names, labels, speakers, splits)
    )
    report = Report(notes=tuple(crossing_notes(files)))
    rows = {file.name: row for row, file in enumerate(files)}
    return Inventory("archive of features", "array", files, (), report), ArrayStore(values, rows)


def _checked(path: Path, name: str, values: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
    if values.ndim != 3 or values.dtype.kind not in "fiu" or not values.size:
        raise DataError(
            f"{path}: {name!r} is {values.dtype} of shape {values.shape}; "
            "expected numbers of shape (clips, frames, bands)"
        )
    if len(values) > MANY and values.nbytes < LEAST * len(values):
        raise DataError(f"{path}: {name!r} is {len(values):,} clips of next to nothing")
    return values if values.dtype == np.uint8 else values.astype(np.float32)


def _texts(
    path: Path,
    arrays: dict[str, npt.NDArray[np.generic]],
    name: str,
    count: int,
    default: Texts | None = None,
) -> Texts:
    values = arrays.get(name, default)
    if values is None or values.shape != (count,) or values.dtype.kind != "U":
        got = "nothing" if values is None else f"{values.dtype} of shape {values.shape}"
        raise DataError(f"{path}: {name!r} is {got}; expected text of shape ({count},)")
    return values.astype(np.str_)
