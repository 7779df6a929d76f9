"""Where features come from: files that are read one by one, or one array that is there already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from edgemem.data.cache import FeatureCache, Progress, default_folder, gather, reason_of
from edgemem.data.readers import Reader, reader_for
from edgemem.data.types import Clip, Features
from edgemem.errors import AudioError, DataError

if TYPE_CHECKING:
    from edgemem.data.source import Source


class Store(Protocol):
    """Gives the features of clips."""

    @property
    def shape(self) -> tuple[int, int]:
        """``(n_frames, n_bands)`` of one clip."""

    @property
    def dtype(self) -> str:
        """NumPy name of the features' type."""

    def features(self, clips: Sequence[Clip]) -> tuple[Features, dict[int, str]]:
        """Features of ``clips``, and the reason, by position, of each that cannot be used."""

    def check(self, clips: Sequence[Clip]) -> dict[int, str]:
        """The reason, by position, of each clip that cannot be used; no features are made."""


@dataclass(frozen=True)
class FileStore:
    """Features of files, through the cache.

    Parameters
    ----------
    reader : Reader
        Makes the features of one file.
    folder : Path, optional
        Folder of the cache; by default under the user's cache folder.
    progress : callable, optional
        Called with the number of files done and of all.
    """

    reader: Reader
    folder: Path | None = None
    progress: Progress | None = None

    @property
    def shape(self) -> tuple[int, int]:
        return self.reader.shape

    @property
    def dtype(self) -> str:
        return self.reader.dtype

    def features(self, clips: Sequence[Clip]) -> tuple[Features, dict[int, str]]:
        folder = Path(self.folder or default_folder())
        cache = FeatureCache(folder, self.reader.key, self.shape, self.dtype)
        return gather([clip.path for clip in clips], self.reader.read, cache, self.progress)

    def check(self, clips: Sequence[Clip]) -> dict[int, str]:
        bad = {}
        for position, clip in enumerate(clips):
            try:
                self.reader.check(clip.path)
            except (AudioError, DataError) as error:
                bad[position] = reason_of(error, clip.path)
        return bad


@dataclass(frozen=True, eq=False)
class ArrayStore:
    """Rows of one array.

    Parameters
    ----------
    values : (n, n_frames, n_bands) uint8 or float32 array
        Features of all clips.
    rows : mapping of str to int
        Row of each clip, by its name.
    """

    values: Features
    rows: Mapping[str, int]

    @property
    def shape(self) -> tuple[int, int]:
        return self.values.shape[1], self.values.shape[2]

    @property
    def dtype(self) -> str:
        return self.values.dtype.name

    def features(self, clips: Sequence[Clip]) -> tuple[Features, dict[int, str]]:
        chosen = self.values[[self.rows[clip.name] for clip in clips]]
        finite = np.isfinite(chosen).all(axis=(1, 2))
        return chosen, {
            int(p): "values that are no finite numbers" for p in np.flatnonzero(~finite)
        }

    def check(self, clips: Sequence[Clip]) -> dict[int, str]:
        return self.features(clips)[1]


def open_store(source: Source, folder: Path | None, progress: Progress | None) -> Store:
    """The store for a data set.

    Parameters
    ----------
    source : Source
        The data set.
    folder : Path, optional
        Folder of the cache; by default under the user's cache folder.
    progress : callable, optional
        Called with the number of files done and of all.

    Raises
    ------
    DataError
        If the features of an archive have another number of bands than its front end.
    """
    if source.root.is_dir():
        reader = reader_for(
            source.found.kind, source.frontend, source.n_samples, source.crop.center
        )
        return FileStore(reader, folder, progress)
    from edgemem.data.archive import open_archive

    store = open_archive(source.root)[1]
    if store.shape[1] != source.frontend.n_bands:
        raise DataError(
            f"{source.root} holds {store.shape[1]} bands, "
            f"its front end makes {source.frontend.n_bands}"
        )
    return store
