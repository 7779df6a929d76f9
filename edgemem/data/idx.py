"""Files in the idx format of MNIST (LeCun, Cortes & Burges 1998)."""

from __future__ import annotations

import gzip
import hashlib
import io
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgemem.errors import DataError
from edgemem.reading import DamageError, read_bytes

UNSIGNED_BYTE = 0x08
TYPES = {
    UNSIGNED_BYTE: ("unsigned bytes", 1),
    0x09: ("signed bytes", 1),
    0x0B: ("16-bit integers", 2),
    0x0C: ("32-bit integers", 4),
    0x0D: ("32-bit floats", 4),
    0x0E: ("64-bit floats", 8),
}
"""What the third byte of a file says, and bytes of one value."""

FILES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}
"""Images and labels of each split, with or without ``.gz`` behind the name."""

OFFICIAL = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
"""sha256 of the files of MNIST, unpacked."""

N_CLASSES = 10

MOST_DIMENSIONS = 8
MOST_IMAGES = 4 << 20

UNPACKED = 48 << 20
TIMES = 8
"""A packed file holds so many bytes, those of MNIST, or so many times its own."""

WHERE = "; --data names the folder of the four MNIST files (train-images-idx3-ubyte, ...)"

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Digits:
    """Images with their classes.

    Parameters
    ----------
    images : (n, height, width) uint8 array
    labels : (n,) int64 array
        0 to 9.
    """

    images: Bytes
    labels: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.images)


@dataclass(frozen=True)
class Mnist:
    """The two splits of a folder.

    Parameters
    ----------
    train, test : Digits
    digests : dict of str to str
        sha256 of each file, unpacked.
    """

    train: Digits
    test: Digits
    digests: dict[str, str]

    @property
    def official(self) -> bool:
        """Whether these are the files of MNIST, byte for byte."""
        return self.digests == OFFICIAL


def load_mnist(root: Path) -> Mnist:
    """The four files of a folder, checked against each other.

    Parameters
    ----------
    root : Path

    Raises
    ------
    DataError
        If a file is missing, damaged or in the place of another.
    """
    contents = {name: _contents(root, name) for names in FILES.values() for name in names}
    train, test = (_digits(root, contents, *names) for names in FILES.values())
    if len(train) < len(test):
        raise DataError(
            f"{root}: {len(train)} training images and {len(test)} test images; "
            "train-* and t10k-* seem to be swapped"
        )
    if train.images.shape[1:] != test.images.shape[1:]:
        raise DataError(
            f"{root}: training images of {_size(train.images)} and test images of "
            f"{_size(test.images)} pixels"
        )
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in contents.items()}
    return Mnist(train, test, digests)


def parse_idx(data: bytes, name: str) -> Bytes:
    """The array of an idx file of unsigned bytes.

    A file begins with two zero bytes, one for the type of its values and one for the number of
    dimensions; then come the sizes, as big-endian 32-bit integers, and the values in C order.

    Parameters
    ----------
    data : bytes
    name : str
        What messages call the file.

    Raises
    ------
    DataError
        If it is something else, of another type, or of another length than its header says.
    """
    if len(data) < 4 or data[:2] != b"\0\0" or data[2] not in TYPES:
        raise DataError(f"{name} is no idx file: it begins with {data[:4].hex() or 'nothing'}")
    kind, dimensions = data[2], data[3]
    if kind != UNSIGNED_BYTE:
        raise DataError(f"{name} holds {TYPES[kind][0]}; expected unsigned bytes")
    if not 1 <= dimensions <= MOST_DIMENSIONS:
        raise DataError(f"{name} has {dimensions} dimensions; expected 1 to {MOST_DIMENSIONS}")
    header = 4 + 4 * dimensions
    if len(data) < header:
        raise DataError(f"{name} is truncated: its header of {header} bytes is not whole")
    sizes = tuple(int(size) for size in np.frombuffer(data, ">u4", dimensions, 4))
    said, there = int(np.prod(sizes, dtype=object)), len(data) - header
    if there != said:
        what = "is truncated" if there < said else "is longer than its header says"
        shape = " x ".join(map(str, sizes))
        raise DataError(f"{name} {what}: {there} values, where the header says {shape}")
    if not there:
        return np.zeros((0,) * dimensions, np.uint8)
    return np.frombuffer(data, np.uint8, offset=header).reshape(sizes)


def _contents(root: Path, name: str) -> bytes:
    for path in (root / name, root / f"{name}.gz"):
        if not path.is_file():
            continue
        try:
            data = read_bytes(path)
            return _unpacked(data) if path.suffix == ".gz" else data
        except (OSError, EOFError, zlib.error, DamageError) as error:
            raise DataError(f"{path} cannot be read: {error}") from error
    raise DataError(f"{root} has no {name} nor {name}.gz{WHERE}")


def _unpacked(data: bytes) -> bytes:
    limit = max(UNPACKED, TIMES * len(data))
    with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
        found = file.read(limit + 1)
    if len(found) > limit:
        raise DamageError(f"it unpacks to more than {limit:,} bytes")
    return found


def _digits(root: Path, contents: dict[str, bytes], images_name: str, labels_name: str) -> Digits:
    images = parse_idx(contents[images_name], str(root / images_name))
    labels = parse_idx(contents[labels_name], str(root / labels_name))
    for name, array, wanted in ((images_name, images, 3), (labels_name, labels, 1)):
        if array.ndim != wanted:
            what = {1: "labels", 3: "images"}.get(array.ndim, "something else")
            raise DataError(
                f"{root / name} has {array.ndim} dimensions, expected {wanted}: it holds {what}"
            )
    if len(images) != len(labels):
        raise DataError(
            f"{root}: {len(images)} images in {images_name}, {len(labels)} labels in {labels_name}"
        )
    if not images.size:
        raise DataError(f"{root / images_name} holds no images")
    if len(images) > MOST_IMAGES:
        raise DataError(
            f"{root / images_name} holds {len(images):,} images, of {MOST_IMAGES:,} at most"
        )
    if labels.max() >= N_CLASSES:
        place = int(np.argmax(labels >= N_CLASSES))
        raise DataError(
            f"{root / labels_name}: label {place} is {labels[place]}, expected 0 to {N_CLASSES - 1}"
        )
    return Digits(images, labels.astype(np.int64))


def _size(images: Bytes) -> str:
    return f"{images.shape[1]} x {images.shape[2]}"
