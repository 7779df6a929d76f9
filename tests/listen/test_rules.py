"""A rule from a TOML file: what it says, what it leaves, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgemem.errors import ConfigError, UnknownNameError
from edgemem.listen.rules import read_rules
from edgemem.runtime.detector import DetectorConfig

LABELS = ("_silence_", "_unknown_", "yes", "no")
BASE = DetectorConfig(29, 0.6, 0.3, 0.5, keywords={"no": {"threshold": 0.7, "window": 10}})


def read(folder: Path, text: str | bytes, base: DetectorConfig = BASE) -> DetectorConfig:
    file = folder / "kws.toml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_rules(file, base, LABELS, 0.02)


def test_an_empty_file_changes_nothing(tmp_path: Path) -> None:
    assert read(tmp_path, "") == BASE


def test_what_is_said_replaces_and_the_rest_stays(tmp_path: Path) -> None:
    text = """
        threshold = 0.8            # of all keywords
        window_seconds = 0.4
        ignore = ["_silence_"]

        [keywords.yes]
        release = 0.25
        refractory = 2

        [keywords.no]
        window = 12
    """
    rule = read(tmp_path, text)
    assert rule.rule("yes") == (20, 0.8, 0.25, 2.0)
    assert rule.rule("no") == (12, 0.7, 0.3, 0.5)
    assert rule.rule("_unknown_") == (20, 0.8, 0.3, 0.5)
    assert rule.ignore == ("_silence_",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("threshold = \nwindow = 3", "kws.toml: is no TOML: .*line 1"),
        ("threshold = 0.5\nthreshold = 0.6\n\n", "is no TOML: Cannot overwrite"),
        (b"threshold = 0.5 # \xff", "is no TOML: byte 18 is no UTF-8"),
        ("treshold = 0.5", "the rule: unknown field 'treshold'; known: ignore, keywords"),
        ("threshold = 1.5", "threshold is 1.5; it must lie in"),
        ("threshold = 'high'", "threshold is 'high'; it must be a number"),
        ("window = 2.5", "window is 2.5; it must be a whole number of frames"),
        ("window = 3\nwindow_seconds = 1", "has both window and window_seconds; say one"),
        ("window_seconds = -1", "window_seconds is -1; it must be a time"),
        ("window_seconds = nan", "window_seconds is nan; it must be a time"),
        ("keywords = 3", "keywords must be tables"),
        ("[keywords]\nyes = 0.5", r"keyword 'yes' is 0.5; it must be a table, \[keywords.yes\]"),
        ("[keywords.yes]\nignore = []", "keyword 'yes': unknown field 'ignore'; known: refractory"),
        ("[keywords.yes]\nthreshold = inf", "keyword 'yes': threshold is inf"),
        ("ignore = 'yes'", "ignore is 'yes'; it must be a list of labels"),
    ],
)
def test_what_cannot_work_is_refused_with_the_name_of_the_file(
    text: str | bytes, message: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        read(tmp_path, text)
    assert str(tmp_path / "kws.toml") in str(caught.value)


@pytest.mark.parametrize("text", ["[keywords.nein]\nwindow = 3", "ignore = ['nein']"])
def test_a_word_that_the_network_does_not_know_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="no label named 'nein'; known: _silence_"):
        read(tmp_path, text)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none.toml: cannot be read: No such file"):
        read_rules(tmp_path / "none.toml", BASE, LABELS, 0.02)
