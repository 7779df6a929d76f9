"""What comes in a file: sizes before memory, types and ranges before meaning."""

from __future__ import annotations

import io
import json
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from edgemem import files, reading
from edgemem.reading import DamageError
from edgemem.shapes import FLAG, OBJECT, TEXT, ListOf, MapOf, Maybe, OneOf, Real, Record, Row, Whole


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (2, 0, 3), (1, 2, 3, 4)])
@pytest.mark.parametrize("dtype", sorted(reading._DTYPES))
def test_what_numpy_writes_is_read_as_numpy_reads_it(dtype, shape, order) -> None:
    rng = np.random.default_rng(0)
    array = np.asarray(rng.integers(0, 2, shape).astype(dtype), order=order)
    data = files.npy_bytes(array)
    want, got = np.load(io.BytesIO(data)), reading.read_npy(data)
    assert got.dtype == want.dtype and got.shape == want.shape
    assert got.flags.writeable and np.array_equal(got, want)


def npy(header: str, body: bytes) -> bytes:
    text = (header + " " * (-(len(header) + 11) % 64) + "\n").encode("latin-1")
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(text)) + text + body


HONEST = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x93NUMPY\1\0",
        npy(HONEST, b"\0" * 7),
        npy(HONEST, b"\0" * 9),
        npy(HONEST.replace("(2,)", "(9999999999, 9999999999)"), b"\0" * 8),
        npy(HONEST.replace("(2,)", "(-2,)"), b"\0" * 8),
        npy(HONEST.replace("<f4", "|O"), b"\0" * 8),
        npy(HONEST.replace("'<f4'", "[('a', '<f4')]"), b"\0" * 8),
        npy(HONEST.replace("(2,)", "(print(1),)"), b"\0" * 8),
        npy("(" * 5000, b""),
        files.npy_bytes(np.array(["a"])),
    ],
)
def test_no_array_of_numbers(data: bytes) -> None:
    with pytest.raises(DamageError):
        reading.read_npy(data)


def test_objects_never_come_back() -> None:
    buffer = io.BytesIO()
    np.savez(buffer, a=np.array([{}], object))
    with pytest.raises(DamageError, match="no array of numbers"):
        reading.read_npz(buffer.getvalue())


def test_arrays_of_an_archive_come_back() -> None:
    arrays = {"a": np.arange(6.0).reshape(2, 3), "b/c": np.array(3, np.uint8)}
    found = reading.read_npz(files.npz_bytes(arrays))
    assert {n: (a.tolist(), a.dtype) for n, a in found.items()} == {
        n: (a.tolist(), a.dtype) for n, a in arrays.items()
    }


# archives


def test_an_archive_behind_other_bytes() -> None:
    entries = {"a": b"1", "b": b""}
    for stored in (False, True):
        data = files.zip_bytes(entries, compress=False, prefix=b"before")
        assert reading.read_zip(data, stored=stored) == (6, entries)


def test_a_compressed_file_is_refused_where_files_are_stored() -> None:
    data = files.zip_bytes({"a": b"1" * 100}, compress=True)
    assert reading.read_zip(data)[1] == {"a": b"1" * 100}
    with pytest.raises(DamageError, match="'a' is compressed"):
        reading.read_zip(data, stored=True)


def with_entry(data: bytes, offset: int, value: int) -> bytes:
    """``data`` with 32 bits of its directory's first entry changed."""
    place = data.index(b"PK\1\2") + offset
    return data[:place] + struct.pack("<I", value) + data[place + 4 :]


BOMB = files.zip_bytes({"a.npy": b"\0" * (64 << 20)}, compress=True)


@pytest.mark.parametrize(
    "data",
    [
        BOMB,
        with_entry(BOMB, 24, 1000),  # says that it unpacks to less than it does
        with_entry(files.zip_bytes({"a": b"12"}, compress=True), 24, 1 << 31),
        with_entry(files.zip_bytes({"a": b"12"}, compress=False), 42, 1 << 30),
        files.zip_bytes({"a": b""}, compress=False) + b"more",
        files.zip_bytes({"a": b""}, compress=False)[:-5],
        b"",
    ],
    ids=["bomb", "liar", "announced", "elsewhere", "behind", "cut", "nothing"],
)
def test_archives_that_are_not_worth_reading(data: bytes) -> None:
    with pytest.raises(DamageError):
        reading.read_zip(data)


def test_one_file_under_two_names_takes_no_more_than_the_archive() -> None:
    """Entries may all point to one place: a stored archive cannot unpack to more than it is."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("0", b"x" * 100_000)
        for number in range(1, 50):
            twin = zipfile.ZipInfo(str(number))
            for field in ("header_offset", "file_size", "compress_size", "CRC"):
                setattr(twin, field, getattr(archive.infolist()[0], field))
            archive.filelist.append(twin)
            archive.NameToInfo[twin.filename] = twin
        archive._didModify = True
    with pytest.raises(DamageError):
        reading.read_zip(buffer.getvalue(), stored=True)


def test_twice_the_same_name() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("a", b"1")
        archive.writestr("a", b"2")
    with pytest.raises(DamageError, match="twice"):
        reading.read_zip(buffer.getvalue())


def test_a_bomb_takes_no_memory(tmp_path: Path) -> None:
    """Measured in a process of its own: 64 MiB of zeros announced as 1,000 bytes."""
    (tmp_path / "liar").write_bytes(with_entry(BOMB, 24, 1000))
    code = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from edgemem import reading\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try:\n    reading.read_zip(Path(sys.argv[1]).read_bytes())\n"
        "except reading.DamageError:\n    pass\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "liar")], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 8 << 10  # KiB on Linux


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="no /dev/zero here")
def test_a_file_without_an_end_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DamageError, match="is a device"):
        reading.read_bytes(Path("/dev/zero"))
    (tmp_path / "large").write_bytes(b"12345")
    with pytest.raises(DamageError, match="larger than 4 bytes"):
        reading.read_bytes(tmp_path / "large", 4)
    assert reading.read_bytes(tmp_path / "large", 5) == b"12345"


# texts


@pytest.mark.parametrize(
    "value",
    [
        {},
        [],
        {"a": [1, -2, 2.5, None, True, "ä\t\n"]},
        "C:\\bin\\ubuntu",
        "]]]]" * 100,
        '"[' * 100,
        9223372036854775807,
    ],
)
def test_what_json_says_is_read(value: object) -> None:
    for ascii_only in (True, False):
        text = json.dumps(value, ensure_ascii=ascii_only).encode()
        assert reading.read_json(text) == value


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (b"{", "no JSON"),
        (b"\xff\xfe", "no JSON"),
        (b'{"a": 1, "a": 2}', "a field twice"),
        (b"[NaN]", "NaN"),
        (b"[-Infinity]", "-Infinity"),
        (b"[" * 100_000, "deep"),
        (b"[" * 65 + b"]" * 65, "more than 64 deep"),
        (b"1" * 5000, "5,000 digits"),
        (json.dumps("\x1b[2J").encode(), "control"),
        (json.dumps("\x9b2J", ensure_ascii=False).encode(), "control"),
        (json.dumps("\x9b2J").encode(), "control"),
        (json.dumps("\\\x07").encode(), "control"),
        (b" " * (reading.LARGEST_TEXT + 1), "longer than"),
    ],
)
def test_what_json_must_not_say(text: bytes, complaint: str) -> None:
    with pytest.raises(DamageError, match=complaint):
        reading.read_json(text)


GOOD_AND_BAD = [
    (Whole(1, 3), [1, 3], [0, 4, 1.0, True, "1", None, [1]]),
    (Real(-1.0, 1.0), [-1, 0.5, 1.0], [1.5, True, "0", float("nan"), float("inf"), 10**400]),
    (Real(), [1e300, -3], [float("-inf"), float("nan")]),
    (TEXT, ["", "a" * 256], ["a" * 257, 1, None, b"a"]),
    (FLAG, [True, False], [0, 1, None, "true"]),
    (OneOf((8, "a")), [8, "a"], [8.0, "b", True, [8]]),
    (Maybe(Whole(1, 1)), [None, 1], [2, False]),
    (ListOf(Whole(0, 9), 2, 1), [[1], [1, 2]], [[], [1, 2, 3], [10], (1,), {}]),
    (Row((TEXT, Whole(0, 1))), [["a", 1]], [["a"], ["a", 2], [1, "a"], "a1"]),
    (MapOf(FLAG, 1), [{}, {"a": True}], [{"a": 1}, {"a": True, "b": True}, [], {"a" * 300: True}]),
    (Record({"a": FLAG}, {"b": FLAG}), [{"a": True}, {"a": True, "b": False}],
     [{}, {"b": True}, {"a": True, "c": 1}, {"a": 1}, {"a": True, "b": 0}, []]),
    (Record({}, more=True), [{}, {"z": object()}], [None, []]),
    (OBJECT, [{}, {"a": 1}], [[], None, 1]),
]  # fmt: skip


@pytest.mark.parametrize(("shape", "good", "bad"), GOOD_AND_BAD)
def test_shapes_take_what_they_say_and_nothing_else(shape, good, bad) -> None:
    for value in good:
        shape.check(value, "it")
    for value in bad:
        with pytest.raises(DamageError, match=r"it|unknown|lacks"):
            shape.check(value, "it")


def test_a_message_says_where_what_and_how() -> None:
    shape = Record({"rows": ListOf(Record({"n": Whole(1, 9)}), 3)})
    with pytest.raises(DamageError) as error:
        shape.check({"rows": [{"n": 1}, {"n": "x" * 1000}]}, "file")
    text = str(error.value)
    assert text.startswith("file.rows[1].n is 'xxx") and text.endswith("a whole number from 1 to 9")
    assert len(text) < 200
