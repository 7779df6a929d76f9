"""Decisions: the mean of the last logits, threshold, hysteresis, refractory time."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import scipy.special
from hypothesis import given, settings
from hypothesis import strategies as st

from edgemem.errors import ConfigError, ShapeError, UnknownNameError
from edgemem.runtime.detector import Detector, Event, decide, softmax
from edgemem.runtime.rule import DetectorConfig

LABELS = ("_silence_", "yes", "no")
SHARP = DetectorConfig(window=1, threshold=0.9, release=0.5, refractory=0.0, ignore=("_silence_",))


def logits_for(label: str | None, height: float = 10.0) -> np.ndarray:
    return np.array([height if name == label else 0.0 for name in LABELS], np.float32)


def events_of(config: DetectorConfig, heard: list[str | None]) -> list[tuple[int, str]]:
    """Frame (from 1) and label of each event, with a frame of one second."""
    detector = Detector(config, LABELS, 1.0)
    found = [detector.push(logits_for(label)) for label in heard]
    return [(round(event.time), event.label) for event in found if event is not None]


def test_an_event_says_when_what_and_how_surely() -> None:
    detector = Detector(SHARP, LABELS, 0.02, lead=0.03)
    assert detector.push(logits_for(None)) is None
    event = detector.push(logits_for("yes", 5.0))
    assert event == Event(pytest.approx(0.07), "yes", pytest.approx(np.exp(5) / (np.exp(5) + 2)))


def test_a_label_that_holds_fires_once_and_again_after_its_release() -> None:
    assert events_of(SHARP, ["yes"] * 4 + [None] + ["yes"] * 2) == [(1, "yes"), (6, "yes")]


def test_a_posterior_between_release_and_threshold_does_not_arm_again() -> None:
    detector = Detector(SHARP, LABELS, 1.0)
    between = np.log(np.array([0.2, 0.7, 0.1]))
    fired = [detector.push(x) for x in (logits_for("yes"), between, logits_for("yes"))]
    assert [event is not None for event in fired] == [True, False, False]


def test_another_label_fires_at_once_without_a_refractory_time() -> None:
    assert events_of(SHARP, ["yes", "no", "yes"]) == [(1, "yes"), (2, "no"), (3, "yes")]


def test_nothing_fires_within_the_refractory_time() -> None:
    config = replace(SHARP, refractory=3.0)
    assert events_of(config, ["yes", "no", "no", "no", "no"]) == [(1, "yes"), (4, "no")]


def test_nothing_fires_before_the_window_is_full() -> None:
    config = replace(SHARP, window=3)
    assert events_of(config, ["yes", "yes"]) == []
    assert events_of(config, ["yes", "yes", "yes", "yes"]) == [(3, "yes")]


def test_ignored_labels_never_fire() -> None:
    assert events_of(SHARP, ["_silence_"] * 5) == []


def test_smoothing_waits_until_the_mean_is_sure() -> None:
    config = replace(SHARP, window=4)
    # Mean of four: 10, 20, 30, 40 over 4 against 0; softmax above 0.9 needs ln(18) = 2.9.
    assert events_of(config, [None] * 4 + ["yes"] * 4) == [(6, "yes")]


@given(st.integers(1, 9), st.integers(1, 40), st.integers(0, 999))
@settings(max_examples=40)
def test_posteriors_are_the_softmax_of_the_mean(window: int, count: int, seed: int) -> None:
    logits = np.random.default_rng(seed).standard_normal((count, 3)).astype(np.float32) * 20
    detector = Detector(replace(SHARP, window=window), LABELS, 0.01)
    for row in logits:
        detector.push(row)
    mean = logits[-window:].astype(np.float64).mean(axis=0)
    np.testing.assert_allclose(detector.posteriors, scipy.special.softmax(mean), atol=1e-12)
    assert decide(logits, window) == mean.argmax()


def test_the_running_sum_does_not_drift() -> None:
    detector = Detector(replace(SHARP, window=7), LABELS, 0.01)
    for row in np.random.default_rng(0).standard_normal((20000, 3)) * 1e9:
        detector.push(row)
    for _ in range(7):
        detector.push(np.array([1.0, 2.0, 3.0]))
    np.testing.assert_allclose(detector.posteriors, scipy.special.softmax([1.0, 2.0, 3.0]))


def test_reset_forgets_logits_events_and_time() -> None:
    detector = Detector(replace(SHARP, window=3, refractory=9.0), LABELS, 0.5)
    first = [detector.push(logits_for("yes")) for _ in range(3)]
    detector.reset()
    np.testing.assert_allclose(detector.posteriors, 1 / 3)
    assert [detector.push(logits_for("yes")) for _ in range(3)] == first


def test_posteriors_survive_huge_logits() -> None:
    np.testing.assert_array_equal(softmax(np.array([1e4, 0.0, -1e4])), [1.0, 0.0, 0.0])


def test_the_decision_on_a_batch_of_clips() -> None:
    logits = np.zeros((2, 5, 3))
    logits[0, :3, 1] = 9.0
    logits[0, 3:, 2] = 1.0
    logits[1, 4, 0] = 1.0
    np.testing.assert_array_equal(decide(logits, 2), [2, 0])
    np.testing.assert_array_equal(decide(logits, 5), [1, 0])
    np.testing.assert_array_equal(decide(logits, 50), [1, 0])


def test_no_logits_no_decision() -> None:
    with pytest.raises(ShapeError, match=r"shape \(0, 3\); expected \(\.\.\., t, n_labels\)"):
        decide(np.zeros((0, 3)), 5)


def test_a_wrong_number_of_logits_is_refused() -> None:
    with pytest.raises(ShapeError, match=r"shape \(4,\); expected \(3,\)"):
        Detector(SHARP, LABELS, 0.01).push(np.zeros(4))


def test_windows_that_no_memory_holds_are_refused() -> None:
    labels = tuple(map(str, range(1000)))
    with pytest.raises(ConfigError, match="more than 4,194,304 posteriors; take shorter"):
        Detector(replace(SHARP, window=1 << 16), labels, 0.01)
    own = {label: {"window": n + 1} for n, label in enumerate(labels)}
    many = replace(SHARP, keywords=own)
    Detector(many, labels, 0.01)
    with pytest.raises(ConfigError, match="more than"):
        Detector(many, (*labels, *(f"more {n}" for n in range(2000))), 0.01)


def test_a_detector_that_ignores_everything_is_refused() -> None:
    with pytest.raises(ConfigError, match="every label is ignored: yes, no"):
        Detector(replace(SHARP, ignore=("yes", "no")), ("yes", "no"), 0.01)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"window": 0}, "window is 0"),
        ({"window": 2.0}, "window is 2.0"),
        ({"threshold": 1.5}, "threshold is 1.5; it must lie in"),
        ({"threshold": float("nan")}, "threshold is nan"),
        ({"threshold": "high"}, "threshold is 'high'; it must be a number"),
        ({"release": 0.95}, "release is 0.95; it must lie between 0 and the threshold, 0.9"),
        ({"refractory": -1}, "refractory is -1.0; it must be 0 seconds or more"),
        ({"refractory": float("inf")}, "refractory is inf"),
        ({"ignore": "yes"}, "ignore is 'yes'; it must be a list of labels"),
    ],
)
def test_values_that_cannot_work_are_named(change: dict, message: str) -> None:
    with pytest.raises(ConfigError) as raised:
        replace(SHARP, **change)
    assert message in str(raised.value)


def test_json_brings_the_same_rule_back() -> None:
    assert DetectorConfig.from_dict(json.loads(json.dumps(SHARP.to_dict()))) == SHARP
    with pytest.raises(ConfigError, match=r"unknown field 'treshold'; known: .*threshold"):
        DetectorConfig.from_dict({"treshold": 0.5})


# Rules per keyword, against the definition written out frame by frame.

RULES = st.fixed_dictionaries(
    {},
    optional={
        "window": st.integers(1, 6),
        "threshold": st.sampled_from([0.35, 0.5, 0.8]),
        "refractory": st.sampled_from([0.0, 1.0, 3.0]),
    },
)


def meant(config: DetectorConfig, logits: np.ndarray) -> list[tuple[int, str, float]]:
    """Frame (from 1), label and score of every event, from the whole past at every frame."""
    found: list[tuple[int, str, float]] = []
    armed = {label: label not in config.ignore for label in LABELS}
    for frame in range(1, len(logits) + 1):
        possible = []
        for place, label in enumerate(LABELS):
            rule = config.rule(label)
            past = logits[max(0, frame - rule.window) : frame].astype(np.float64)
            posteriors = scipy.special.softmax(past.mean(axis=0))
            own = posteriors[place]
            if own < rule.release and label not in config.ignore:
                armed[label] = True
            rested = not found or frame - found[-1][0] >= rule.refractory
            if (
                armed[label]
                and rested
                and frame >= rule.window
                and own >= rule.threshold
                and place == posteriors.argmax()
            ):
                possible.append((own, -place, label))
        if possible:
            score, _, label = max(possible)
            armed[label] = False
            found.append((frame, label, score))
    return found


@given(RULES, RULES, st.integers(1, 5), st.integers(0, 9999))
@settings(max_examples=80)
def test_rules_per_keyword_mean_what_they_say(
    yes: dict[str, float], no: dict[str, float], window: int, seed: int
) -> None:
    config = replace(
        SHARP, window=window, threshold=0.6, release=0.4, keywords={"yes": yes, "no": no}
    )
    rng = np.random.default_rng(seed)
    logits = np.repeat(rng.standard_normal((15, 3)), 3, axis=0).astype(np.float32) * 3
    detector = Detector(config, LABELS, 1.0)
    found = [event for event in map(detector.push, logits) if event]
    expected = meant(config, logits)
    assert [(round(e.time), e.label) for e in found] == [(f, label) for f, label, _ in expected]
    assert [e.score for e in found] == pytest.approx([score for _, _, score in expected])


def test_what_a_keyword_does_not_say_is_the_common_value() -> None:
    config = replace(SHARP, keywords={"yes": {"threshold": 0.3}, "no": {"window": 4}})
    assert config.rule("yes") == (1, 0.3, 0.3, 0.0)  # a release above its threshold comes down
    assert config.rule("no") == (4, 0.9, 0.5, 0.0)
    assert DetectorConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    assert "keywords" not in SHARP.to_dict()  # files of before stay as they are


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"yes": {"treshold": 1}}, "keyword 'yes': unknown field 'treshold'; known: refractory"),
        ({"yes": {"threshold": 2.0}}, "keyword 'yes': threshold is 2.0; it must lie in"),
        ({"yes": {"window": 1.5}}, "keyword 'yes': window is 1.5; it must be a whole number"),
        ({"yes": {"release": 0.95}}, "keyword 'yes': release is 0.95; it must lie between"),
        ({"yes": {"threshold": "high"}}, "keyword 'yes': threshold is 'high'; it must be a number"),
        ({"yes": 0.5}, "keyword 'yes' is 0.5; it must have fields such as threshold"),
        (["yes"], "it must map labels to rules"),
    ],
)
def test_a_keyword_rule_that_cannot_work_is_refused(keywords: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        replace(SHARP, keywords=keywords)


def test_a_rule_for_a_word_that_is_no_label_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="no label named 'nein'; known: _silence_, no, yes"):
        Detector(replace(SHARP, keywords={"nein": {}}), LABELS, 1.0)


@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 20), st.integers(0, 999))
@settings(max_examples=40)
def test_another_rule_goes_on_with_the_logits_that_are_there(
    before: int, after: int, count: int, seed: int
) -> None:
    logits = np.random.default_rng(seed).standard_normal((count + 9, 3)).astype(np.float32) * 3
    detector = Detector(replace(SHARP, window=before, threshold=1.0), LABELS, 1.0)
    for frame in logits[:count]:
        detector.push(frame)
    detector.adopt(replace(SHARP, window=after, threshold=1.0))
    kept = min(count, before, after)
    for number, frame in enumerate(logits[count:], 1):
        detector.push(frame)
        seen = logits[: count + number][-min(after, kept + number) :].astype(np.float64)
        assert detector.posteriors == pytest.approx(scipy.special.softmax(seen.mean(axis=0)))


def test_another_rule_changes_neither_time_nor_what_has_fired() -> None:
    detector = Detector(SHARP, LABELS, 1.0)
    assert detector.push(logits_for("yes")) is not None
    detector.adopt(replace(SHARP, threshold=0.7))
    assert detector.push(logits_for("yes")) is None  # it never fell below its release
    assert detector.push(logits_for("no")) == Event(3.0, "no", pytest.approx(0.9999, abs=1e-4))
    with pytest.raises(ConfigError, match="every label is ignored"):
        detector.adopt(replace(SHARP, ignore=LABELS))
    assert detector.config.threshold == 0.7


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"window": 10**12}, "window is more than 65,536 frames"),
        ({"ignore": 5}, "ignore is 5; it must be a list of labels"),
        ({"ignore": {"a": 1}}, "it must be a list of labels"),
        ({"refractory": 1e308}, r"refractory is 1e\+308; it must be 0 seconds or more"),
        ({"threshold": 10**400}, "threshold is inf; it must lie in"),
    ],
)
def test_numbers_beyond_all_use_are_refused(values: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        DetectorConfig.from_dict({**SHARP.to_dict(), **values})
