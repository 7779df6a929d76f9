"""Decisions in integers: against the float detector, scipy's softmax, and cases by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
import scipy.special
from hypothesis import given, settings
from hypothesis import strategies as st

from edgemem.errors import ConfigError, ShapeError
from edgemem.runtime.detector import Detector, Event, frames_in
from edgemem.runtime.integer_detector import (
    POWER_BITS,
    IntegerDetector,
    IntegerRule,
    power_of_half,
)
from edgemem.runtime.rule import DetectorConfig

LABELS = ("_silence_", "yes", "no")
SHARP = DetectorConfig(window=1, threshold=0.9, release=0.5, refractory=0.0, ignore=("_silence_",))
STEP = 2.0**-15


def heard(label: str | None, height: int = 100) -> npt.NDArray[np.int8]:
    return np.array([height if name == label else 0 for name in LABELS], np.int8)


def events_of(config: DetectorConfig, labels: list[str | None]) -> list[tuple[int, str]]:
    """Frame (from 1) and label of each event; a height of 100 is a logit of 10."""
    detector = IntegerDetector(config, LABELS, 1.0, scale=0.1)
    found = [detector.push(heard(label)) for label in labels]
    return [(round(event.time), event.label) for event in found if event is not None]


def test_an_event_says_when_what_and_how_surely() -> None:
    detector = IntegerDetector(SHARP, LABELS, 0.02, lead=0.03, scale=0.1)
    assert detector.push(heard(None)) is None
    event = detector.push(heard("yes", 50))
    score = np.exp(5) / (np.exp(5) + 2)
    assert event == Event(pytest.approx(0.07), "yes", pytest.approx(score, abs=STEP))


@pytest.mark.parametrize(
    ("config", "labels", "events"),
    [
        (SHARP, ["yes"] * 4 + [None] + ["yes"] * 2, [(1, "yes"), (6, "yes")]),
        (SHARP, ["yes", "no", "yes"], [(1, "yes"), (2, "no"), (3, "yes")]),
        (replace(SHARP, refractory=3.0), ["yes"] + 4 * ["no"], [(1, "yes"), (4, "no")]),
        (replace(SHARP, window=3), ["yes", "yes"], []),
        (replace(SHARP, window=3), ["yes"] * 4, [(3, "yes")]),
        (SHARP, ["_silence_"] * 5, []),
        # means 2.5, 5, 7.5: a posterior of 0.9 needs ln(18) = 2.9
        (replace(SHARP, window=4), [None] * 4 + ["yes"] * 4, [(6, "yes")]),
    ],
)
def test_rules_by_hand(
    config: DetectorConfig, labels: list[str | None], events: list[tuple[int, str]]
) -> None:
    assert events_of(config, labels) == events


def test_a_posterior_between_release_and_threshold_does_not_arm_again() -> None:
    detector = IntegerDetector(SHARP, LABELS, 1.0, scale=0.01)
    between = np.rint(100 * np.log([0.2, 0.7, 0.1])).astype(np.int16)
    sure = np.array([0, 1000, 0], np.int16)
    fired = [detector.push(x) is not None for x in (sure, between, sure)]
    assert fired == [True, False, False]


def test_reset_forgets_logits_events_and_time() -> None:
    detector = IntegerDetector(replace(SHARP, refractory=9.0, window=2), LABELS, 1.0, scale=0.1)
    first = [detector.push(heard("yes")) for _ in range(3)]
    detector.reset()
    np.testing.assert_allclose(detector.posteriors * STEP, 1 / 3, atol=STEP)
    assert [detector.push(heard("yes")) for _ in range(3)] == first


@given(st.integers(0, 40 * 2**20))
@settings(max_examples=500)
def test_powers_are_right_to_their_stated_error(octaves: int) -> None:
    got = int(power_of_half(np.array([octaves]))[0])
    exact = 2.0**POWER_BITS * 2.0 ** -(octaves / 2**20)
    assert -1.5 <= got - exact <= 1.5 + 1.5e-5 * exact


@given(
    n_labels=st.integers(2, 64),
    window=st.integers(1, 200),
    bits=st.sampled_from([8, 16]),
    spread=st.floats(0.01, 60.0),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=300)
def test_posteriors_are_right_to_one_step(
    n_labels: int, window: int, bits: int, spread: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    scale = spread / 2 ** (bits - 1)
    labels = [str(k) for k in range(n_labels)]
    rule = IntegerRule.of(DetectorConfig(window=window), labels, 0.01, scale).averages[0]
    reach = window << (bits - 1)
    sums = rng.integers(-reach, reach, (50, n_labels))
    got = rule.posteriors(sums, window)
    exact = scipy.special.softmax(sums * scale / window, axis=-1)
    assert np.abs(got * STEP - exact).max() <= STEP


@pytest.mark.parametrize("window", [29, 100])
def test_posteriors_before_the_window_is_full_are_those_of_the_mean_so_far(window: int) -> None:
    rng = np.random.default_rng(window)
    config = replace(SHARP, window=window)
    detector = IntegerDetector(config, LABELS, 1.0, scale=0.05)
    whole = rng.integers(-128, 128, (window, 3)).astype(np.int8)
    for count, logits in enumerate(whole, 1):
        detector.push(logits)
        exact = scipy.special.softmax(whole[:count].mean(axis=0) * 0.05)
        assert np.abs(detector.posteriors * STEP - exact).max() <= (1 + window / 185) * STEP


def near(posteriors: npt.NDArray[np.float64], config: DetectorConfig) -> bool:
    """Whether a posterior is so near a level that the two detectors may differ."""
    levels = np.array([[config.threshold], [config.release]])
    return bool((np.abs(posteriors - levels) <= 1.5 * STEP).any())


@given(
    bits=st.sampled_from([8, 16]),
    window=st.integers(1, 30),
    threshold=st.floats(0.05, 1.0),
    release=st.floats(0.0, 1.0),
    refractory=st.sampled_from([0.0, 0.1, 0.5, 1.234]),
    peak=st.floats(0.5, 20.0),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=150)
def test_events_are_those_of_the_float_detector(
    bits: int,
    window: int,
    threshold: float,
    release: float,
    refractory: float,
    peak: float,
    seed: int,
) -> None:
    rng = np.random.default_rng(seed)
    labels = ("_silence_", "_unknown_", "yes", "no", "up")
    config = DetectorConfig(window, threshold, release * threshold, refractory)
    scale = float(np.float32(peak / 2 ** (bits - 1)))
    exact = Detector(config, labels, 0.02, 0.01)
    integer = IntegerDetector(config, labels, 0.02, 0.01, scale=scale)
    # a label stands out for some vectors, then another
    speaker = np.repeat(rng.integers(0, 5, 20), rng.integers(1, 30, 20))
    logits = rng.normal(0, 0.1, (len(speaker), 5)) + np.eye(5)[speaker] * rng.uniform(0, 0.9)
    for row in np.rint(logits * 2 ** (bits - 1)).clip(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1):
        got = integer.push(row.astype(f"int{bits}"))
        want = exact.push(row * scale)
        if near(exact.posteriors, config):
            return  # from here on the two may have different pasts
        assert (got is None) == (want is None)
        if got is not None and want is not None:
            assert got[:2] == want[:2]
            assert abs(got.score - want.score) <= STEP


def test_random_streams_bring_events_at_all() -> None:
    config = DetectorConfig(window=3, threshold=0.5, release=0.3, refractory=0.0)
    integer = IntegerDetector(config, ("a", "b", "c"), 0.02, scale=0.1)
    exact = Detector(config, ("a", "b", "c"), 0.02)
    rng = np.random.default_rng(5)
    rows = rng.integers(-60, 60, (2000, 3)).astype(np.int8)
    found = [(integer.push(row), exact.push(row * 0.1)) for row in rows]
    assert sum(got is not None for got, _ in found) > 100
    assert [got and got[:2] for got, _ in found] == [want and want[:2] for _, want in found]


def test_the_first_of_equal_labels_is_heard() -> None:
    config = replace(SHARP, threshold=0.3, release=0.2, ignore=())
    detector = IntegerDetector(config, LABELS, 1.0, scale=0.1)
    event = detector.push(np.zeros(3, np.int8))
    assert event is not None and event.label == "_silence_"


@pytest.mark.parametrize(
    ("seconds", "period", "frames"),
    [(0.5, 0.02, 25), (0.5, 0.01, 50), (0.3, 0.1, 3), (0.51, 0.02, 26), (0.0, 0.02, 0), (1, 3, 1)],
)
def test_a_refractory_time_is_a_number_of_vectors(
    seconds: float, period: float, frames: int
) -> None:
    assert frames_in(seconds, period) == frames


def test_the_widest_sums_do_not_overflow() -> None:
    detector = IntegerDetector(replace(SHARP, window=300), LABELS, 1.0, scale=1e-3)
    for row in [[-32768, 32767, -32768]] * 300:
        event = detector.push(np.array(row, np.int16))
    assert event is not None and event.label == "yes"
    assert detector.posteriors.tolist() == [0, 1 << 15, 0]


@pytest.mark.parametrize(
    ("config", "labels", "scale", "message"),
    [
        (DetectorConfig(), ("_silence_", "_unknown_"), 0.1, "every label is ignored"),
        (DetectorConfig(window=40000), LABELS, 0.1, "at most 32,767"),
        (DetectorConfig(), [str(k) for k in range(65)], 0.1, "65 labels; .* holds 64"),
        (DetectorConfig(), LABELS, 0.0, "scale of the logits is 0.0; it must be greater than 0"),
        (DetectorConfig(), LABELS, float("nan"), "scale of the logits is nan"),
        (DetectorConfig(), LABELS, 1e6, "scale of the logits is 1000000.0"),
    ],
)
def test_what_has_no_integer_form_is_refused(
    config: DetectorConfig, labels: tuple[str, ...], scale: float, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        IntegerDetector(config, labels, 0.02, scale=scale)


@pytest.mark.parametrize("logits", [np.zeros(2, np.int8), np.zeros(3), np.zeros(3, np.int32)])
def test_logits_of_another_kind_are_refused(logits: npt.NDArray[np.int8]) -> None:
    with pytest.raises(ShapeError, match=r"expected int8 or int16 \(3,\)"):
        IntegerDetector(SHARP, LABELS, 1.0, scale=0.1).push(logits)


@pytest.mark.parametrize("seed", range(6))
def test_rules_per_keyword_bring_the_events_of_the_float_detector(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = ("_silence_", "_unknown_", "yes", "no", "up")
    keywords = {
        "yes": {"window": 4, "threshold": 0.41, "refractory": 0.1},
        "no": {"window": 11, "threshold": 0.93, "release": 0.2},
        "up": {"threshold": 0.37},
    }
    config = DetectorConfig(6, 0.5, 0.3, 0.04, keywords=keywords)
    exact = Detector(config, labels, 0.02)
    integer = IntegerDetector(config, labels, 0.02, scale=0.1 / 256)
    speaker = np.repeat(rng.integers(0, 5, 80), rng.integers(1, 30, 80))
    rows = np.eye(5)[speaker] * rng.uniform(20, 127, (len(speaker), 1)) + rng.normal(0, 9, (1, 5))
    # in steps so fine that no two sums are equal, which floats would round apart
    rows = np.rint(256 * (rows + rng.normal(0, 3, rows.shape))).clip(-32768, 32767)
    events = []
    for number, row in enumerate(rows.astype(np.int16)):
        if number == len(rows) // 2:
            other = replace(config, window=9, keywords={"up": {"window": 2}})
            exact.adopt(other)
            integer.adopt(other)
        got, want = integer.push(row), exact.push(row * (0.1 / 256))
        assert np.abs(integer.posteriors * STEP - exact.posteriors).max() <= 1.2 * STEP
        assert (got and got[:2]) == (want and want[:2])
        events.append(got)
    heard = [event.label for event in events if event]
    assert len(heard) > 10 and set(heard) == {"yes", "no", "up"}
