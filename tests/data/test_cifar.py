"""CIFAR-10 from small files in its format."""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path

import numpy as np
import pytest

from edgemem.data.cifar import FILES, read_cifar
from edgemem.errors import DataError

N = 3


def pixel(file: int, image: int, colour: int, row: int, column: int) -> int:
    """A value that tells where it stands."""
    return (7 * file + 31 * image + 101 * colour + 3 * row + column) % 256


def record(file: int, image: int) -> bytes:
    """One image as the page of the data set describes it: class, then planes row by row."""
    values = [
        pixel(file, image, colour, row, column)
        for colour in range(3)
        for row in range(32)
        for column in range(32)
    ]
    return bytes([(file + image) % 10, *values])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    inside = tmp_path / "cifar-10-batches-bin"
    inside.mkdir()
    for file, name in enumerate(FILES):
        (inside / name).write_bytes(b"".join(record(file, image) for image in range(N)))
    return tmp_path


def test_images_and_classes(folder: Path) -> None:
    found = read_cifar(folder, N)
    assert found.train.planes.shape == (15, 3, 32, 32) and len(found.test) == 3
    assert found.train.labels.tolist() == [(f + i) % 10 for f in range(5) for i in range(N)]
    assert found.test.labels.tolist() == [5, 6, 7]
    for file, image, colour, row, column in [(0, 0, 0, 0, 1), (3, 2, 1, 17, 30), (4, 1, 2, 31, 0)]:
        got = found.train.planes[file * N + image, colour, row, column]
        assert got == pixel(file, image, colour, row, column)
    data = (folder / "cifar-10-batches-bin" / "test_batch.bin").read_bytes()
    assert found.digests["test_batch.bin"] == hashlib.md5(data).hexdigest()


def test_the_folder_itself_or_the_archive_may_be_named(folder: Path) -> None:
    inside = folder / "cifar-10-batches-bin"
    archive = folder / "cifar-10-binary.tar.gz"
    with tarfile.open(archive, "w:gz") as made:
        made.add(inside, "cifar-10-batches-bin")
    md5 = hashlib.md5(archive.read_bytes()).hexdigest()
    one, two = read_cifar(inside, N), read_cifar(archive, N, md5)
    np.testing.assert_array_equal(one.train.planes, two.train.planes)
    np.testing.assert_array_equal(one.test.labels, two.test.labels)


def test_an_archive_of_another_digest_is_refused(folder: Path) -> None:
    other = folder / "cifar-10-python.tar.gz"
    other.write_bytes(b"something else")
    with pytest.raises(DataError, match=r"not that of cifar-10-binary\.tar\.gz.*pickles"):
        read_cifar(other)


def test_a_damaged_archive_is_refused(folder: Path) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as made:
        made.add(folder / "cifar-10-batches-bin" / FILES[0], f"cifar-10-batches-bin/{FILES[0]}")
    path = folder / "half.tar.gz"
    path.write_bytes(buffer.getvalue())
    with pytest.raises(DataError, match=r"damaged .*data_batch_2\.bin"):
        read_cifar(path, N, hashlib.md5(buffer.getvalue()).hexdigest())
    path.write_bytes(buffer.getvalue()[:400])
    with pytest.raises(DataError, match="damaged"):
        read_cifar(path, N, hashlib.md5(buffer.getvalue()[:400]).hexdigest())


def test_pickles_are_refused(tmp_path: Path) -> None:
    inside = tmp_path / "cifar-10-batches-py"
    inside.mkdir()
    (inside / "data_batch_1").write_bytes(b"\x80\x02}")
    with pytest.raises(DataError, match=r"pickles .*get cifar-10-binary\.tar\.gz"):
        read_cifar(tmp_path)
    with pytest.raises(DataError, match="pickles"):
        read_cifar(inside)


def test_what_is_missing_is_named_with_where_it_is_published(folder: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere is not there; get .*www\.cs\.toronto\.edu"):
        read_cifar(folder / "nowhere")
    inside = folder / "cifar-10-batches-bin"
    (inside / "data_batch_4.bin").unlink()
    with pytest.raises(DataError, match=r"data_batch_4\.bin: No such file .*c32a1d4ab5d03f12"):
        read_cifar(folder, N)
    (inside / "data_batch_1.bin").unlink()
    with pytest.raises(DataError, match=r"has no data_batch_1\.bin"):
        read_cifar(folder, N)


def test_a_file_cut_short_is_named(folder: Path) -> None:
    path = folder / "cifar-10-batches-bin" / "data_batch_3.bin"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match=r"data_batch_3\.bin has 9,218 bytes, expected 9,219"):
        read_cifar(folder, N)
    with pytest.raises(DataError, match=r"data_batch_1\.bin has 9,219 bytes, expected 30,730,000"):
        read_cifar(folder)


def test_a_class_that_is_none_is_refused(folder: Path) -> None:
    path = folder / "cifar-10-batches-bin" / "data_batch_2.bin"
    data = bytearray(path.read_bytes())
    data[3073] = 10
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"image 1 of data_batch_2\.bin has class 10"):
        read_cifar(folder, N)
