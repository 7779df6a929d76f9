"""From one file to the features of one clip: sound, pictures, arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from edgemem.data.npfiles import load_array
from edgemem.data.types import Cut, Features
from edgemem.errors import ConfigError, DataError, MissingExtraError, UnknownNameError
from edgemem.reading import DamageError, read_bytes, read_json
from edgemem.runtime.crop import Crop, fit

if TYPE_CHECKING:
    from edgemem.frontend import FrontEnd

DECLARATION = "frontend.json"
# Part of every key: raise it when a reader makes other features of the same file.
_FORMAT = "1"
# In grey values; a picture with less shows digital silence or nothing.
_LEAST_DEVIATION = 1.0


class Reader(Protocol):
    """Makes the features of one file."""

    @property
    def key(self) -> str:
        """Digest of all that decides the features, apart from the file."""

    @property
    def shape(self) -> tuple[int, int]:
        """``(n_frames, n_bands)`` of one clip."""

    @property
    def dtype(self) -> str:
        """NumPy name of the features' type."""

    def read(self, path: Path) -> Features:
        """Features of one file; AudioError or DataError if it cannot be used."""

    def check(self, path: Path) -> None:
        """Open one file and make no features; the same errors as :meth:`read`."""


def scaled(samples: npt.NDArray[np.int16], gain: float) -> npt.NDArray[np.int16]:
    """Samples times ``gain``, rounded and limited to 16 bits."""
    values: npt.NDArray[np.float64] = np.clip(np.rint(samples * float(gain)), -32768, 32767)
    return values.astype(np.int16)


def piece(samples: npt.NDArray[np.int16], cut: Cut | None, n_samples: int) -> npt.NDArray[np.int16]:
    """The piece of a recording that ``cut`` names, all of it without, fitted to ``n_samples``."""
    if cut is None:
        return fit(samples, n_samples)
    return fit(scaled(samples[cut.start : cut.start + n_samples], cut.gain), n_samples)


@dataclass(frozen=True)
class SoundReader:
    """Features of a recording, through the front end.

    Parameters
    ----------
    frontend : FrontEnd
        Front end with ``stack == 1``.
    n_samples : int
        Length that every clip is brought to.
    center : bool
        Whether a longer one is cut around its energy (see :class:`~edgemem.runtime.crop.Crop`).
    """

    frontend: FrontEnd
    n_samples: int
    dtype: str = "float32"
    center: bool = False

    @property
    def key(self) -> str:
        name = _key("sound", self.frontend, self.n_samples)
        return f"{name}-center" if self.center else name

    @property
    def shape(self) -> tuple[int, int]:
        return self.frontend.n_frames(self.n_samples), self.frontend.n_bands

    def read(self, path: Path) -> Features:
        return self.of_samples(self._samples(path), None)

    def check(self, path: Path) -> None:
        self._samples(path)

    def of_samples(self, samples: npt.NDArray[np.int16], cut: Cut | None) -> Features:
        """Features of a recording, or of a piece of it."""
        if cut is None and self.center:
            rate = self.frontend.sample_rate
            samples = Crop(self.n_samples / rate, center=True).of(samples, rate)
        return self.frontend.features(piece(samples, cut, self.n_samples))

    def _samples(self, path: Path) -> npt.NDArray[np.int16]:
        from edgemem.runtime.sources import read_clip

        return read_clip(path, self.frontend.sample_rate)


@dataclass(frozen=True)
class PictureReader:
    """Features that are the grey values of a picture: one row a frame, band 0 on the left.

    Parameters
    ----------
    frontend : FrontEnd
        The front end that made the pictures, with ``stack == 1``.
    n_frames : int
        Height of every picture.
    """

    frontend: FrontEnd
    n_frames: int
    dtype: str = "uint8"

    @property
    def key(self) -> str:
        return _key("picture", self.frontend, self.n_frames)

    @property
    def shape(self) -> tuple[int, int]:
        return self.n_frames, self.frontend.n_bands

    def read(self, path: Path) -> Features:
        try:
            from PIL import Image, UnidentifiedImageError
        except ImportError as error:
            raise MissingExtraError("reading pictures", "pillow", "train") from error
        try:
            with Image.open(path) as image:
                pixels = np.asarray(image)
        except Image.DecompressionBombError as error:
            raise DataError("picture that is far too large") from error
        except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
            raise DataError("damaged picture") from error
        if pixels.shape != self.shape or pixels.dtype != np.uint8:
            raise DataError(_mismatch("picture", pixels.shape, self.shape))
        if pixels.std() < _LEAST_DEVIATION:
            raise DataError("constant")
        return pixels

    def check(self, path: Path) -> None:
        self.read(path)


@dataclass(frozen=True)
class ArrayReader:
    """Features saved with ``numpy.save``: one (n_frames, n_bands) array a file.

    Parameters
    ----------
    frontend : FrontEnd
        The front end that made them, with ``stack == 1``.
    n_frames : int
        Number of frames of every array.
    """

    frontend: FrontEnd
    n_frames: int
    dtype: str = "float32"

    @property
    def key(self) -> str:
        return _key("array", self.frontend, self.n_frames)

    @property
    def shape(self) -> tuple[int, int]:
        return self.n_frames, self.frontend.n_bands

    def read(self, path: Path) -> Features:
        values = load_array(path)
        if values.shape != self.shape:
            raise DataError(_mismatch("array", values.shape, self.shape))
        if values.dtype.kind not in "fiu" or not np.isfinite(values).all():
            raise DataError("array holds values that are no finite numbers")
        return np.asarray(values, np.float32)

    def check(self, path: Path) -> None:
        self.read(path)


def _key(kind: str, frontend: FrontEnd, length: int) -> str:
    return f"{kind}-{_FORMAT}-{frontend.digest()[:24]}-{length}"


def _mismatch(what: str, got: tuple[int, ...], expected: tuple[int, ...]) -> str:
    sizes = ["x".join(str(size) for size in shape) for shape in (got, expected)]
    return f"{what} of {sizes[0]} values (frames x bands), expected {sizes[1]}"


def reader_for(kind: str, frontend: FrontEnd, n_samples: int, center: bool = False) -> Reader:
    """The reader for files of ``kind``: ``"sound"``, ``"picture"`` or ``"array"``."""
    if kind == "sound":
        return SoundReader(frontend, n_samples, center=center)
    if kind == "picture":
        return PictureReader(frontend, frontend.n_frames(n_samples))
    return ArrayReader(frontend, frontend.n_frames(n_samples))


def declared(name: str | Path) -> FrontEnd:
    """A front end by name or from a JSON file that holds its fields.

    Parameters
    ----------
    name : str or Path
        ``"pictures"``, or the path of a file such as the ``frontend.json`` beside a data set.

    Raises
    ------
    UnknownNameError
        If it is neither.
    ConfigError
        If the file does not describe a front end.
    """
    from edgemem.frontend import PICTURES, FrontEnd

    if str(name) == "pictures":
        return PICTURES
    path = Path(name)
    if not path.is_file():
        raise UnknownNameError("front end (nor file)", str(name), ["pictures"])
    try:
        values = read_json(read_bytes(path))
    except (OSError, DamageError) as error:
        raise ConfigError(f"{path} does not hold JSON: {error}") from error
    if not isinstance(values, Mapping):
        raise ConfigError(f"{path} holds no JSON object with the fields of a front end")
    return FrontEnd.from_dict(values)


def frontend_of(root: Path, kind: str, given: FrontEnd | None) -> FrontEnd:
    """Front end of a data set, with ``stack == 1``: the given one, its own, or the default.

    Raises
    ------
    DataError
        If the data set holds features and nobody says which front end made them.
    """
    from edgemem.frontend import RECORDINGS

    beside = (root if root.is_dir() else root.parent) / DECLARATION
    if given is None and beside.is_file():
        given = declared(beside)
    if given is None and kind != "sound":
        raise DataError(
            f"{root} holds {kind} features and no {DECLARATION} that says which front end made "
            "them; add that file or name the front end (--frontend pictures, or a JSON file)"
        )
    return replace(given or RECORDINGS, stack=1)
