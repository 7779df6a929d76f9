"""Names of pretrained networks and the files behind them."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgemem.errors import UnknownNameError
from edgemem.pretrained import CONVERTED, MODEL, names, resolve, summary


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "pretrained"
    folder.mkdir()
    for file in ("kws-lmu.model", "kws-lmu.tflite", "kws-lem.model", "__init__.py"):
        (folder / file).write_bytes(b"")
    (folder / "kws-lmu.md").write_text("# kws-lmu\n\nTwelve words.\nMore.\n")
    return folder


def test_names_are_those_of_the_networks(folder: Path) -> None:
    assert names(folder) == ("kws-lem", "kws-lmu")


def test_a_name_picks_the_right_file_of_the_two(folder: Path) -> None:
    assert resolve("kws-lmu", CONVERTED, folder) == folder / "kws-lmu.tflite"
    assert resolve("kws-lmu", MODEL, folder) == folder / "kws-lmu.model"


def test_a_path_comes_before_a_name(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("kws-lmu").write_bytes(b"")
    assert resolve("kws-lmu", CONVERTED, folder) == Path("kws-lmu")
    assert resolve(folder / "kws-lem.model", CONVERTED, folder) == folder / "kws-lem.model"


@pytest.mark.parametrize("name", ["kws", "nowhere/kws-lmu.tflite", "kws-lem", ""])
def test_what_is_neither_file_nor_name_lists_the_names(folder: Path, name: str) -> None:
    with pytest.raises(UnknownNameError, match=r"no .*\.tflite.* named '.*'; known: kws-lmu$"):
        resolve(name, CONVERTED, folder)


def test_the_summary_is_the_first_line_of_the_card(folder: Path) -> None:
    assert summary("kws-lmu", folder) == "Twelve words."
    assert summary("kws-lem", folder) == ""
