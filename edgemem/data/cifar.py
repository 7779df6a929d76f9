"""CIFAR-10 in its binary version (Krizhevsky 2009)."""

from __future__ import annotations

import hashlib
import io
import tarfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgemem.errors import DataError
from edgemem.files import DAMAGE
from edgemem.reading import DamageError, read_bytes

FOLDER = "cifar-10-batches-bin"
FILES = (*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin")
"""Five to train on, and the test."""

SIDE = 32
RECORD = 1 + 3 * SIDE * SIDE
"""Bytes of an image: its class, then red, green and blue, each row by row."""

RECORDS = 10_000
"""Images in each official file."""

CLASSES = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)

ARCHIVE_MD5 = "c32a1d4ab5d03f1284b67883e8d87530"
"""Of cifar-10-binary.tar.gz, as its authors publish it."""

WHERE = (
    f"get cifar-10-binary.tar.gz (the binary version, md5 {ARCHIVE_MD5}) from "
    "www.cs.toronto.edu/~kriz/cifar.html and name the archive, or the folder unpacked from it"
)

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Images:
    """Images with their classes.

    Parameters
    ----------
    planes : (n, 3, 32, 32) uint8 array
        Colour (red, green, blue), row, column.
    labels : (n,) int64 array
        Places in :data:`CLASSES`.
    """

    planes: Bytes
    labels: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Cifar:
    """The data set.

    Parameters
    ----------
    train, test : Images
    digests : mapping of str to str
        md5 of each file, by its name.
    """

    train: Images
    test: Images
    digests: dict[str, str]


def read_cifar(root: Path, images_a_file: int = RECORDS, md5: str = ARCHIVE_MD5) -> Cifar:
    """The six official files.

    Parameters
    ----------
    root : Path
        The archive as it is published, the folder of the six files, or the folder that
        ``cifar-10-batches-bin`` lies in.
    images_a_file : int
        Images that each file must hold.
    md5 : str
        Digest that the archive must have.

    Raises
    ------
    DataError
        If a file is missing, cut short, or holds something else; it says where the files are
        published.
    """
    largest = images_a_file * RECORD
    files = _archived(root, md5, largest) if root.is_file() else _unpacked(_folder(root), largest)
    parts = [_images(root, name, data, images_a_file) for name, data in files.items()]
    train = Images(
        np.concatenate([part.planes for part in parts[:-1]]),
        np.concatenate([part.labels for part in parts[:-1]]),
    )
    digests = {name: _md5(data) for name, data in files.items()}
    return Cifar(train, parts[-1], digests)


def _archived(path: Path, md5: str, largest: int) -> dict[str, bytes]:
    data = _bytes(path, len(FILES) * largest)
    if _md5(data) != md5:
        raise DataError(
            f"{path} has md5 {_md5(data)}, not that of cifar-10-binary.tar.gz: it is cut short, "
            f"or the Python version, which is not read because its files are pickles; {WHERE}"
        )
    try:
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            return {name: _member(archive, f"{FOLDER}/{name}", largest) for name in FILES}
    except (tarfile.TarError, *DAMAGE) as error:
        reason = str(error).partition("\n")[0]
        raise DataError(f"{path} is damaged ({reason}); {WHERE}") from error


def _member(archive: tarfile.TarFile, name: str, largest: int) -> bytes:
    member = archive.extractfile(name)
    if member is None:
        raise tarfile.ReadError(f"{name} is no file")
    return member.read(largest + 1)


def _unpacked(folder: Path, largest: int) -> dict[str, bytes]:
    return {name: _bytes(folder / name, largest) for name in FILES}


def _md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def _folder(root: Path) -> Path:
    if not root.is_dir():
        raise DataError(f"{root} is not there; {WHERE}")
    inside = root / FOLDER
    folder = inside if inside.is_dir() else root
    if (folder / FILES[0]).is_file():
        return folder
    pickled = [
        p for p in (folder, folder / "cifar-10-batches-py") if (p / "data_batch_1").is_file()
    ]
    if pickled:
        raise DataError(
            f"{pickled[0]} holds the Python version, whose files are pickles and could run any "
            f"code when they are read; {WHERE}"
        )
    raise DataError(f"{folder} has no {FILES[0]}; {WHERE}")


def _bytes(path: Path, largest: int) -> bytes:
    try:
        return read_bytes(path, largest)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}; {WHERE}") from error
    except DamageError as error:
        raise DataError(f"{path} {error}: it is another file; {WHERE}") from error


def _images(root: Path, name: str, data: bytes, count: int) -> Images:
    if len(data) != count * RECORD:
        raise DataError(
            f"{root}: {name} has {len(data):,} bytes, expected {count * RECORD:,} ({count:,} "
            f"images of {RECORD:,}); it is cut short or another file; {WHERE}"
        )
    records = np.frombuffer(data, np.uint8).reshape(count, RECORD)
    labels = records[:, 0].astype(np.int64)
    if labels.max(initial=0) >= len(CLASSES):
        place = int(np.argmax(labels >= len(CLASSES)))
        raise DataError(f"{root}: image {place} of {name} has class {labels[place]}; known: 0 to 9")
    return Images(records[:, 1:].reshape(count, 3, SIDE, SIDE), labels)
