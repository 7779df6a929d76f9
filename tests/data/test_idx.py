"""The idx format, against bytes written by hand."""

from __future__ import annotations

import gzip
import os
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgemem.data.idx import load_mnist, parse_idx
from edgemem.errors import DataError


def idx(array: np.ndarray) -> bytes:
    """The file of an array of bytes, after the description of the format."""
    sizes = struct.pack(f">{array.ndim}I", *array.shape)
    return b"\0\0\x08" + bytes([array.ndim]) + sizes + array.tobytes()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for split, n in (("train", 12), ("t10k", 5)):
        images = rng.integers(0, 256, (n, 3, 2), dtype=np.uint8)
        labels = rng.integers(0, 10, n, dtype=np.uint8)
        (tmp_path / f"{split}-images-idx3-ubyte").write_bytes(idx(images))
        (tmp_path / f"{split}-labels-idx1-ubyte").write_bytes(idx(labels))
    return tmp_path


def test_bytes_written_by_hand() -> None:
    data = bytes.fromhex("00000802 00000002 00000003 010203 0405ff")
    assert parse_idx(data, "hand").tolist() == [[1, 2, 3], [4, 5, 255]]


@given(st.binary(max_size=40))
def test_any_bytes_are_an_array_or_an_error(data: bytes) -> None:
    try:
        array = parse_idx(data, "any")
    except DataError as error:
        assert str(error).startswith("any ") and "\n" not in str(error)
    else:
        assert idx(array) == data


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no idx file: it begins with nothing"),
        ("504b0304", "no idx file: it begins with 504b0304"),
        ("00000d01 00000000", "holds 32-bit floats; expected unsigned bytes"),
        ("00000803 00000002", "truncated: its header of 16 bytes"),
        ("00000801 00000003 0102", "truncated: 2 values, where the header says 3"),
        ("00000802 00000001 00000001 0102", "longer than its header says: 2 values"),
    ],
)
def test_what_is_wrong_is_said(text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        parse_idx(bytes.fromhex(text), "file")


def test_a_folder_packed_or_not(folder: Path) -> None:
    plain = load_mnist(folder)
    for path in list(folder.iterdir()):
        (folder / f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    packed = load_mnist(folder)
    assert (len(plain.train), len(plain.test)) == (12, 5)
    np.testing.assert_array_equal(plain.train.images, packed.train.images)
    assert plain.digests == packed.digests and not plain.official


def test_a_missing_file_is_named(folder: Path) -> None:
    (folder / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(DataError, match=r"has no t10k-labels-idx1-ubyte nor .*\.gz"):
        load_mnist(folder)


def test_a_cut_archive_is_named(folder: Path) -> None:
    path = folder / "train-images-idx3-ubyte"
    (folder / f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes())[:30])
    path.unlink()
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte\.gz cannot be read"):
        load_mnist(folder)


def swap(folder: Path, one: str, other: str) -> None:
    first, second = folder / one, folder / other
    held = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(held)


def test_images_in_the_place_of_labels(folder: Path) -> None:
    swap(folder, "train-images-idx3-ubyte", "train-labels-idx1-ubyte")
    with pytest.raises(DataError, match=r"has 1 dimensions, expected 3: it holds labels"):
        load_mnist(folder)


def test_labels_of_the_other_split(folder: Path) -> None:
    swap(folder, "train-labels-idx1-ubyte", "t10k-labels-idx1-ubyte")
    with pytest.raises(DataError, match=r"12 images in train-images.*, 5 labels in train-labels"):
        load_mnist(folder)


def test_swapped_splits(folder: Path) -> None:
    for kind in ("images-idx3", "labels-idx1"):
        swap(folder, f"train-{kind}-ubyte", f"t10k-{kind}-ubyte")
    with pytest.raises(DataError, match=r"5 training images and 12 test images; .* swapped"):
        load_mnist(folder)


def test_a_label_that_is_no_digit(folder: Path) -> None:
    labels = np.arange(12, dtype=np.uint8)
    (folder / "train-labels-idx1-ubyte").write_bytes(idx(labels))
    with pytest.raises(DataError, match="label 10 is 10, expected 0 to 9"):
        load_mnist(folder)


@pytest.mark.skipif("EDGEMEM_DATA" not in os.environ, reason="EDGEMEM_DATA names no folder")
def test_the_files_of_mnist() -> None:
    mnist = load_mnist(Path(os.environ["EDGEMEM_DATA"]) / "mnist_idx")
    assert mnist.official and mnist.train.images.shape == (60_000, 28, 28)
    # the published counts of the test digits
    counts = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert np.bincount(mnist.test.labels).tolist() == counts


def test_more_dimensions_than_numpy_has_are_refused() -> None:
    data = b"\0\0\x08\xff" + b"\0\0\0\1" * 255 + b"\7"
    with pytest.raises(DataError, match="has 255 dimensions; expected 1 to 8"):
        parse_idx(data, "x")


def test_nothing_of_a_huge_size_is_nothing() -> None:
    assert parse_idx(b"\0\0\x08\3" + b"\0" * 4 + b"\xff" * 8, "x").size == 0


def test_a_packed_file_does_not_fill_the_memory(folder: Path) -> None:
    for path in folder.glob("train-images*"):
        path.unlink()
    bomb = gzip.compress(bytes(60 << 20))
    (folder / "train-images-idx3-ubyte.gz").write_bytes(bomb)
    with pytest.raises(DataError, match=r"cannot be read: it unpacks to more than 50,331,648"):
        load_mnist(folder)
