"""Sliders to decision rules, and these to the rule file that the page shows."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from edgemem.errors import ConfigError
from edgemem.listen.rules import read_rules
from edgemem.listen.types import Controls
from edgemem.listen.web_rules import Reset, Sliders, Wish, as_toml, dialled, parse_wish
from edgemem.runtime.rule import DetectorConfig, KeywordRule

LABELS = ("yes", "no")


def wish(label: str | None, value: float | None) -> str:
    return json.dumps({"kind": "threshold", "label": label, "value": value})


def test_a_wish_is_read() -> None:
    assert parse_wish(wish("yes", 1), LABELS) == Wish("yes", 1.0)
    assert parse_wish(wish(None, None), LABELS) == Wish(None, None)
    assert parse_wish(b'{"kind": "reset"}', LABELS) == Reset()


def test_thresholds_change_and_nothing_else() -> None:
    base = DetectorConfig(
        window=29, threshold=0.8, release=0.5, keywords={"no": KeywordRule(refractory=2.0)}
    )
    rule = dialled(base, {None: 0.9, "no": 0.7})
    assert (rule.window, rule.threshold, rule.release, rule.refractory) == (29, 0.9, 0.5, 0.5)
    assert rule.keywords == {"no": KeywordRule(threshold=0.7, refractory=2.0)}


def test_a_release_comes_down_with_its_threshold() -> None:
    base = DetectorConfig(
        threshold=0.8, release=0.6, keywords={"no": KeywordRule(threshold=0.9, release=0.7)}
    )
    low = dialled(base, {None: 0.3, "no": 0.2})
    assert (low.release, low.rule("no").release, low.rule("yes").release) == (0.3, 0.2, 0.3)
    # a keyword whose release is its own, under a common threshold that falls below it
    base = DetectorConfig(threshold=0.8, release=0.6, keywords={"no": KeywordRule(release=0.7)})
    assert dialled(base, {None: 0.4}).rule("no").release == 0.4


def test_sliders_stand_over_the_rule_that_they_found() -> None:
    base = DetectorConfig(threshold=0.8, release=0.6)
    controls = Controls(base)
    sliders = Sliders(controls, LABELS)
    sliders.hear(wish(None, 0.3))
    assert controls.current.release == 0.3
    sliders.hear(wish(None, 0.7))  # the release was only held down
    assert controls.current.release == 0.6
    sliders.hear(wish("yes", 0.4))
    sliders.hear(wish("yes", None))
    assert controls.current == dialled(base, {None: 0.7})
    read_again = DetectorConfig(threshold=0.5, release=0.5)
    controls.propose(read_again)
    sliders.hear(wish("no", 0.9))
    assert controls.current == dialled(read_again, {"no": 0.9})
    sliders.hear('{"kind": "reset"}')
    assert controls.current == read_again


def test_a_refused_wish_moves_nothing() -> None:
    controls = Controls(DetectorConfig())
    sliders = Sliders(controls, LABELS)
    with pytest.raises(ConfigError):
        sliders.hear(wish("maybe", 0.5))
    assert controls.take() is None


@pytest.mark.parametrize("label", ["no", "käse brot", 'a"b\\c', "a.b", "line\nbreak", "👂"])
def test_the_rule_file_says_the_rule(label: str) -> None:
    tomllib: Any = pytest.importorskip("tomllib" if sys.version_info >= (3, 11) else "tomli")
    config = DetectorConfig(
        window=30,
        threshold=0.123457,
        release=0.0,
        refractory=1.0,
        ignore=("_silence_", label),
        keywords={label: KeywordRule(window=12, threshold=0.9), "quiet": KeywordRule()},
    )
    assert tomllib.loads(as_toml(config)) == {
        "window": 30,
        "threshold": 0.123457,
        "release": 0.0,
        "refractory": 1.0,
        "ignore": ["_silence_", label],
        "keywords": {label: {"window": 12, "threshold": 0.9}},
    }


@pytest.mark.parametrize("threshold", [1e-300, 1e-7, 0.1234567, 1.0])
def test_a_threshold_of_the_rule_file_is_never_another(tmp_path: Path, threshold: float) -> None:
    path = tmp_path / "rule.toml"
    path.write_text(as_toml(DetectorConfig(threshold=threshold, release=0.0)))
    assert read_rules(path, DetectorConfig(), LABELS, 0.02).threshold == pytest.approx(
        threshold, rel=1e-5
    )


def test_the_rule_file_is_read_back_by_config(tmp_path: Path) -> None:
    config = DetectorConfig(
        window=30, threshold=0.7, release=0.3, keywords={"no": KeywordRule(threshold=0.9)}
    )
    file = tmp_path / "kws.toml"
    file.write_text(as_toml(config), encoding="utf-8")
    assert read_rules(file, DetectorConfig(), LABELS, 0.02) == config
