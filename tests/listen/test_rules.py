"""Rule files: what they mean, label by label, and where they are wrong, line by line."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgemem.errors import ConfigError
from edgemem.listen.rules import read_rules
from edgemem.listen.web_rules import as_toml
from edgemem.runtime.rule import DetectorConfig, KeywordRule

LABELS = ("yes", "no", "käse brot", "_silence_")
PERIOD = 0.02
BASE = DetectorConfig(
    window=50,
    threshold=0.8,
    release=0.5,
    refractory=1.0,
    ignore=("_silence_", "_unknown_"),
    keywords={"no": KeywordRule(window=30, threshold=0.9, release=0.7)},
)


@pytest.fixture
def rules(tmp_path: Path) -> Any:
    """Reads a text, or bytes, as a rule file over ``BASE``."""

    def read(text: str | bytes, base: DetectorConfig = BASE) -> DetectorConfig:
        path = tmp_path / "kws.toml"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return read_rules(path, base, LABELS, PERIOD)

    return read


@pytest.mark.parametrize("text", ["", "# nothing\n", "[keywords]\n", "[keywords.yes]\n"])
def test_a_file_that_says_nothing_changes_nothing(rules: Any, text: str) -> None:
    assert rules(text) == BASE


@pytest.mark.parametrize("text", ["", "# nothing\n", "[keywords]\n", "[keywords.yes]\n"])
def test_a_file_that_says_nothing_any_more_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "kws.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match="says nothing"):
        read_rules(path, BASE, LABELS, PERIOD, anew=True)
    path.write_text("[keywords.yes]\nthreshold = 0.9\n")
    assert read_rules(path, BASE, LABELS, PERIOD, anew=True).rule("yes").threshold == 0.9


def test_a_file_as_a_user_writes_it(rules: Any) -> None:
    found = rules(
        """
        window_seconds = 0.5   # for all
        threshold = 0.95
        ignore = ["_silence_", "no"]

        [keywords.yes]
        threshold = 1
        window = 40

        [keywords."käse brot"]
        release = 0.1
        refractory = 2
        """
    )
    assert found.ignore == ("_silence_", "no")
    assert found.rule("yes") == (40, 1.0, 0.5, 1.0)
    assert found.rule("käse brot") == (25, 0.95, 0.1, 2.0)
    # the file's window and threshold are for all: of the network's own for "no" the release is left
    assert found.rule("no") == (25, 0.95, 0.7, 1.0)


@pytest.mark.parametrize(
    ("text", "yes", "no"),
    [
        ("threshold = 0.3", (50, 0.3, 0.3, 1.0), (30, 0.3, 0.3, 1.0)),
        ("release = 0.2", (50, 0.8, 0.2, 1.0), (30, 0.9, 0.2, 1.0)),
        ("keywords.no.threshold = 0.6", (50, 0.8, 0.5, 1.0), (30, 0.6, 0.6, 1.0)),
        ("keywords.yes.threshold = 0.4", (50, 0.4, 0.4, 1.0), (30, 0.9, 0.7, 1.0)),
        ("keywords = {yes = {release = 0.8}}", (50, 0.8, 0.8, 1.0), (30, 0.9, 0.7, 1.0)),
    ],
)
def test_a_release_left_alone_comes_down_to_its_threshold(
    rules: Any, text: str, yes: tuple[float, ...], no: tuple[float, ...]
) -> None:
    found = rules(text)
    assert (found.rule("yes"), found.rule("no")) == (yes, no)


@pytest.mark.parametrize(
    ("seconds", "frames"), [("0.001", 1), ("0.02", 1), ("0.5", 25), ("0.501", 26), ("1", 50)]
)
def test_seconds_become_the_frames_that_last_as_long(rules: Any, seconds: str, frames: int) -> None:
    assert rules(f"window_seconds = {seconds}").window == frames


LEVELS = st.integers(1, 20).map(lambda n: n / 20)
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "window": st.integers(1, 100),
        "threshold": LEVELS,
        "release": LEVELS,
        "refractory": LEVELS,
    },
)
TABLES = st.dictionaries(st.sampled_from(LABELS[:3]), FIELDS)


def config(values: dict[str, Any], own: dict[str, dict[str, Any]]) -> DetectorConfig | None:
    try:
        return DetectorConfig(
            **values, keywords={label: KeywordRule(**rule) for label, rule in own.items()}
        )
    except ConfigError:
        return None


BASES = st.builds(config, FIELDS, TABLES).filter(lambda found: found is not None)


@given(base=BASES, top=FIELDS, tables=TABLES)
def test_of_four_places_the_nearest_one_counts_and_the_file_before_the_network(
    base: DetectorConfig, top: dict[str, Any], tables: dict[str, dict[str, Any]]
) -> None:
    def value(name: str, label: str | None) -> tuple[float, bool]:
        """What holds, and whether a table of the file or the top of it says so."""
        own = base.keywords.get(label or "")
        places = [
            (tables.get(label or "", {}).get(name), True),
            (top.get(name), True),
            (None if own is None else getattr(own, name), False),
            (getattr(base, name), False),
        ]
        return next(found for found in places if found[0] is not None)

    def beyond(table: dict[str, Any], label: str | None) -> bool:
        return table.get("release", 0.0) > value("threshold", label)[0]

    lines = [f"{name} = {number!r}" for name, number in top.items()]
    for label, table in tables.items():
        lines += [f'[keywords."{label}"]', *(f"{name} = {n!r}" for name, n in table.items())]
    with TemporaryDirectory() as folder:
        path = Path(folder, "kws.toml")
        path.write_text("\n".join(lines), encoding="utf-8")
        if beyond(top, None) or any(beyond(table, label) for label, table in tables.items()):
            with pytest.raises(ConfigError, match="must not be above the threshold"):
                read_rules(path, base, LABELS, PERIOD)
            return
        found = read_rules(path, base, LABELS, PERIOD)
    for label in LABELS:
        window, threshold, release, refractory = (
            value(name, label)[0] for name in ("window", "threshold", "release", "refractory")
        )
        own = base.keywords.get(label, KeywordRule()).release
        if "release" not in tables.get(label, {}) and ("release" in top or own is None):
            release = min(release, value("threshold", None)[0])  # the common one came down
        assert found.rule(label) == (window, threshold, min(release, threshold), refractory)
    assert found.ignore == base.ignore


@given(base=BASES, shown=BASES)
def test_what_the_page_shows_is_read_as_what_it_means(
    base: DetectorConfig, shown: DetectorConfig
) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder, "kws.toml")
        path.write_text(as_toml(shown), encoding="utf-8")
        found = read_rules(path, base, LABELS, PERIOD)
    assert [found.rule(label) for label in LABELS] == [shown.rule(label) for label in LABELS]


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        # no TOML
        ("threshold = [\n", 1, "at the end of the file"),
        ("window = 3\nthreshold = yes\n", 2, "invalid value in column 13"),
        ("window = 3\n\nwindow = 4\n", 3, "cannot overwrite a value"),
        ("[keywords.yes]\n[keywords.yes]\n", 2, "twice"),
        ("window = 3\r\nthreshold\r\n", 2, "no valid TOML"),
        (b"window = 3\n# caf\xe9\n", 2, "no text in UTF-8"),
        # names
        ("# all\nthresold = 0.8\n", 2, "unknown field 'thresold'; known: ignore, keywords, re"),
        ("[yes]\nthreshold = 0.8\n", 1, "the rule of a keyword stands under [keywords.yes]"),
        ("[keywords.no]\nwindow = 3\nlevel = 1\n", 3, "keyword 'no': unknown field 'level'"),
        ("[keywords.no]\nignore = []\n", 2, "keyword 'no': unknown field 'ignore'"),
        ("[keywords.no]\n\n# yes!\n[keywords.yess]\n", 4, "no label named 'yess'; known: yes, no"),
        ("keywords.no.window = 3\nkeywords.on.window = 3\n", 2, "no label named 'on'"),
        ('ignore = [\n  "no",\n  "on",\n]\n', 1, "ignore: no label named 'on'"),
        # forms
        ("window = 1\nkeywords = 3\n", 2, "expected tables [keywords.LABEL]"),
        ("[[keywords]]\nyes = 1\n", 1, "expected tables [keywords.LABEL]"),
        ("[keywords]\nno = {}\nyes = 0.7\n", 3, "keyword 'yes' is 0.7; expected a table"),
        ("ignore = 'no'\n", 1, "ignore is 'no'; it must be a list of labels"),
        ("ignore = ['no', 3]\n", 1, "it must be a list of labels"),
        ("ignore = ['yes', 'no', 'käse brot', '_silence_']", 1, "every label is ignored"),
        # values
        ("threshold = '0.8'\n", 1, "threshold is '0.8'; it must be a number above 0, at most 1"),
        ("threshold = true\n", 1, "threshold is True"),
        ("threshold = nan\n", 1, "threshold is nan"),
        ("threshold = 0\n", 1, "threshold is 0;"),
        ("threshold = 80\n", 1, "threshold is 80;"),
        ("threshold = 2026-11-25\n", 1, "threshold is datetime.date"),
        ("window = 3.0\n", 1, "window is 3.0; it must be a whole number of frames, 1 to 3000"),
        ("window = false\n", 1, "window is False"),
        ("window = 0\n", 1, "window is 0"),
        ("window = 1000000000000\n", 1, "window is 1000000000000"),
        ("window_seconds = 0\n", 1, "window_seconds is 0; it must be seconds, above 0, at most 60"),
        ("window = 3\nwindow_seconds = 1\n", 2, "window and window_seconds; name one of them"),
        ("release = -0.1\n", 1, "release is -0.1; it must be a number from 0 to 1"),
        ("refractory = inf\n", 1, "refractory is inf; it must be seconds, 0 to 86400"),
        ("refractory = " + 400 * "9" + "\n", 1, "it must be seconds, 0 to 86400"),
        ("[keywords.no]\nwindow = 3\nrefractory = -1\n", 3, "keyword 'no': refractory is -1"),
        ("keywords = {no = {window = 3}, yes = {release = 2}}\n", 1, "keyword 'yes': release is 2"),
        # a release against the threshold that holds for it
        ("window = 3\nrelease = 0.9\n", 2, "release is 0.9; it must not be above the threshold"),
        ("[keywords.yes]\nrelease = 0.85\n", 2, "keyword 'yes': release is 0.85; it must not be"),
        ("threshold = 0.6\n[keywords.no]\nrelease = 0.65\n", 3, "above the threshold, 0.6"),
        # a value over several lines, and text in it that looks like another
        ('# """\nignore = [\n  """\nwindow = 3\n""",\n]\nwindow = 0\n', 7, "window is 0"),
    ],
)
def test_an_error_is_one_sentence_that_names_the_line(
    rules: Any, tmp_path: Path, text: str | bytes, line: int, said: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        rules(text)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'kws.toml'}, line {line}: ")
    assert said in message
    assert "\n" not in message and len(message) < len(str(tmp_path)) + 300


def test_a_mark_at_the_beginning_and_other_line_ends_do_no_harm(rules: Any) -> None:
    assert rules(b"\xef\xbb\xbfwindow = 3\r\nthreshold = 0.9\r\n").rule("yes").window == 3


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a = " + 3000 * "[" + 3000 * "]", "nested too deeply"),
        ("# " + 20000 * "x", "larger than 16384 bytes"),
        (bytes(20000), "larger than 16384 bytes"),
    ],
)
def test_what_is_no_rule_file_at_all(rules: Any, text: str | bytes, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        rules(text)


def test_a_file_that_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path, said in [
        (tmp_path / "away.toml", "away.toml cannot be read: No such file"),
        (tmp_path, "is a folder, a device or a pipe"),
        (tmp_path / "fifo", "is a folder, a device or a pipe"),  # to open it would wait for ever
        (Path("/dev/zero"), "is a folder, a device or a pipe"),
    ]:
        with pytest.raises(ConfigError, match=said):
            read_rules(path, BASE, LABELS, PERIOD)
