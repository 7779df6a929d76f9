from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from edgemem import artefact
from edgemem.artefact import Golden
from edgemem.errors import ArtefactError
from edgemem.files import zip_bytes

GOLDEN = Golden(
    np.arange(12, dtype=np.float32).reshape(1, 3, 4), np.ones((1, 3, 2), dtype=np.float32)
)
PAYLOAD = b"front of the file" * 20


def file(**fields: object) -> bytes:
    made = artefact.build(PAYLOAD, {"target": "t", **fields}, ("a", "b"), GOLDEN, {"more": b"xyz"})
    return artefact.to_bytes(made)


def with_manifest(data: bytes, **changes: object) -> bytes:
    opened = artefact.from_bytes(data, "test")
    manifest = {**opened.manifest, **changes}
    entries = {"manifest.json": json.dumps(manifest).encode(), **opened.parts}
    return zip_bytes(entries, compress=False, prefix=opened.payload)


def test_what_was_written_is_read(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(file(name="n"))
    opened = artefact.read(tmp_path / "f")
    assert opened.payload == PAYLOAD
    assert (opened.target, opened.labels, opened.manifest["name"]) == ("t", ("a", "b"), "n")
    assert opened.part("more") == b"xyz"
    np.testing.assert_array_equal(opened.golden.x, GOLDEN.x)
    np.testing.assert_array_equal(opened.golden.y, GOLDEN.y)


def test_any_zip_tool_lists_the_parts() -> None:
    with zipfile.ZipFile(io.BytesIO(file())) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["manifest.json", "labels.txt", "golden.npz", "more"]
        assert archive.read("labels.txt") == b"a\nb\n"
        assert {entry.compress_type for entry in archive.infolist()} == {zipfile.ZIP_STORED}


def test_equal_contents_give_equal_bytes() -> None:
    assert file() == file()


def test_nothing_before_the_zip() -> None:
    made = artefact.build(b"", {"target": "t"}, (), GOLDEN, {})
    assert artefact.from_bytes(artefact.to_bytes(made), "test").payload == b""


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.99])
def test_cut_short(share: float) -> None:
    data = file()
    with pytest.raises(ArtefactError, match="cut short"):
        artefact.from_bytes(data[: int(share * len(data))], "test")


@pytest.mark.parametrize("data", [b"", b"no zip at all", b"\x1c\0\0\0TFL3" + bytes(500)])
def test_foreign(data: bytes) -> None:
    with pytest.raises(ArtefactError, match="no converted network of edgemem"):
        artefact.from_bytes(data, "test")


def test_foreign_zip() -> None:
    with pytest.raises(ArtefactError, match=r"no manifest\.json"):
        artefact.from_bytes(zip_bytes({"a": b"b"}, compress=False), "test")


def test_parts_are_stored_as_they_are() -> None:
    with pytest.raises(ArtefactError, match="'a' is compressed"):
        artefact.from_bytes(zip_bytes({"a": b"b"}, compress=True), "test")


def test_a_model_is_told_apart() -> None:
    with pytest.raises(ArtefactError, match="trained model: run edgemem convert"):
        artefact.from_bytes(zip_bytes({"model.json": b"{}"}, compress=True), "test")


def test_altered_payload() -> None:
    data = bytearray(file())
    data[3] ^= 1
    with pytest.raises(ArtefactError, match="'payload' does not match its digest"):
        artefact.from_bytes(bytes(data), "test")


def test_altered_part() -> None:
    data = file()
    place = data.index(b"xyz")
    with pytest.raises(ArtefactError, match="damaged"):  # the zip's own check
        artefact.from_bytes(data[:place] + b"xyy" + data[place + 3 :], "test")
    opened = artefact.from_bytes(data, "test")
    entries = {"manifest.json": json.dumps(opened.manifest).encode(), **opened.parts, "more": b"?"}
    with pytest.raises(ArtefactError, match="'more' does not match its digest"):
        artefact.from_bytes(zip_bytes(entries, compress=False, prefix=PAYLOAD), "test")
    del entries["more"]
    with pytest.raises(ArtefactError, match="'more' is missing"):
        artefact.from_bytes(zip_bytes(entries, compress=False, prefix=PAYLOAD), "test")


def test_newer_format() -> None:
    with pytest.raises(ArtefactError, match=r"reads up to 1; upgrade edgemem"):
        artefact.from_bytes(with_manifest(file(), format=2), "test")


@pytest.mark.parametrize("changes", [{"format": None}, {"format": "one"}])
def test_no_format_number(changes: dict[str, object]) -> None:
    with pytest.raises(ArtefactError, match=r"manifest\.format is .*; it must be a whole number"):
        artefact.from_bytes(with_manifest(file(), **changes), "test")


@pytest.mark.parametrize("changes", [{"target": None}, {"sha256": []}])
def test_manifest_that_lacks_something(changes: dict[str, object]) -> None:
    with pytest.raises(ArtefactError, match=rf"manifest\.{next(iter(changes))} is "):
        artefact.from_bytes(with_manifest(file(), **changes), "test")


@pytest.mark.parametrize(
    "changes",
    [
        {"labels": 7},
        {"labels": [1, 2]},
        {"frontend": [1]},
        {"detector": "fast"},
        {"tolerance": []},
        {"tolerance": {"replay": "x"}},
    ],
)
def test_manifest_with_a_field_of_another_kind(changes: dict[str, object]) -> None:
    with pytest.raises(
        ArtefactError, match=rf"manifest\.{next(iter(changes))}.* is .*; it must be"
    ):
        artefact.from_bytes(with_manifest(file(), **changes), "test")


def test_any_flipped_byte_of_a_compressed_archive_is_one_error() -> None:
    data = zip_bytes({"manifest.json": b"{}" * 100, "a": bytes(range(256)) * 4}, compress=True)
    for place in range(len(data)):
        wrong = bytearray(data)
        wrong[place] ^= 0xFF
        with pytest.raises(ArtefactError):
            artefact.from_bytes(bytes(wrong), "test")


def test_manifest_that_is_no_json() -> None:
    with pytest.raises(ArtefactError, match="is no JSON"):
        artefact.from_bytes(zip_bytes({"manifest.json": b"{"}, compress=False), "test")


def test_golden_vectors_of_another_shape() -> None:
    made = artefact.build(b"", {"target": "t"}, (), Golden(GOLDEN.x[0], GOLDEN.y[0]), {})
    with pytest.raises(ArtefactError, match="three axes"):
        _ = artefact.from_bytes(artefact.to_bytes(made), "test").golden


def test_arrays_that_are_none() -> None:
    made = artefact.build(b"", {"target": "t"}, (), GOLDEN, {"a.npz": b"PK no arrays"})
    with pytest.raises(ArtefactError, match=r"'a\.npz' is damaged"):
        made.arrays("a.npz")
    for read in (made.part, made.arrays):
        with pytest.raises(ArtefactError, match=r"^a new file has no part 'b'"):
            read("b")


def test_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match="no such file"):
        artefact.read(tmp_path / "none")
    with pytest.raises(ArtefactError, match="cannot be read"):
        artefact.read(tmp_path)
