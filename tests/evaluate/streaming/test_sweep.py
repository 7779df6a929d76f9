"""Events over whole arrays against the detector that takes one vector after the other."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgemem.evaluate.streaming.curve import Clock, moved
from edgemem.evaluate.streaming.firing import Levels, fire
from edgemem.evaluate.streaming.rules import rule_of
from edgemem.evaluate.streaming.traces import candidates, posteriors
from edgemem.runtime.detector import Detector, Event
from edgemem.runtime.rule import DetectorConfig, KeywordRule

LABELS = ("_silence_", "a", "b", "c")
PERIOD, LEAD = 0.02, 0.02


def trace(seed: int, n: int = 600) -> npt.NDArray[np.float32]:
    """Logits that wander, so that posteriors rise, stay and fall."""
    rng = np.random.default_rng(seed)
    steps = rng.standard_normal((n, len(LABELS)))
    smooth = np.apply_along_axis(np.convolve, 0, steps, np.ones(9) / 3.0, "same")
    return (rng.choice([1.0, 3.0, 6.0]) * smooth).astype(np.float32)


def by_steps(config: DetectorConfig, logits: npt.NDArray[np.float32]) -> list[Event]:
    detector = Detector(config, LABELS, PERIOD, LEAD)
    events = (detector.push(vector) for vector in logits)
    return [event for event in events if event is not None]


def at_once(config: DetectorConfig, logits: npt.NDArray[np.float32]) -> list[Event]:
    rule = rule_of(config, LABELS, PERIOD)
    fired = fire(candidates(logits, rule.windows, rule.fires), rule.levels)
    times = Clock(PERIOD, LEAD).times(fired.frames)
    return [
        Event(float(time), LABELS[label], float(score))
        for time, label, score in zip(times, fired.labels, fired.scores)
    ]


def check(config: DetectorConfig, logits: npt.NDArray[np.float32]) -> int:
    expected = by_steps(config, logits)
    found = at_once(config, logits)
    assert [event.label for event in found] == [event.label for event in expected]
    np.testing.assert_allclose([e.time for e in found], [e.time for e in expected], atol=1e-9)
    np.testing.assert_allclose([e.score for e in found], [e.score for e in expected], rtol=1e-9)
    return len(expected)


thresholds = st.floats(0.25, 0.99)
shares = st.floats(0.0, 1.0)


@settings(max_examples=150)
@given(
    seed=st.integers(0, 10_000),
    window=st.integers(1, 30),
    threshold=thresholds,
    share=shares,
    refractory=st.sampled_from([0.0, 0.02, 0.1, 0.5, 3.0]),
)
def test_one_rule_for_all(
    seed: int, window: int, threshold: float, share: float, refractory: float
) -> None:
    config = DetectorConfig(window, threshold, share * threshold, refractory, ("_silence_",))
    check(config, trace(seed))


@settings(max_examples=150)
@given(
    seed=st.integers(0, 10_000),
    windows=st.tuples(*[st.integers(1, 20)] * 3),
    levels=st.tuples(*[st.tuples(thresholds, shares)] * 3),
    waits=st.tuples(*[st.sampled_from([0.0, 0.1, 0.6])] * 3),
)
def test_a_rule_for_each(
    seed: int,
    windows: tuple[int, ...],
    levels: tuple[tuple[float, float], ...],
    waits: tuple[float, ...],
) -> None:
    keywords = {
        label: KeywordRule(window, level, share * level, wait)
        for label, window, (level, share), wait in zip("abc", windows, levels, waits)
    }
    check(DetectorConfig(ignore=("_silence_",), keywords=keywords), trace(seed))


def test_the_traces_bring_events_at_all() -> None:
    config = DetectorConfig(5, 0.6, 0.4, 0.1, ("_silence_",))
    assert sum(check(config, trace(seed)) for seed in range(5)) > 50


@pytest.mark.parametrize("window", [1, 7, 29])
def test_posteriors_are_the_detectors_to_the_bit(window: int) -> None:
    logits = trace(3, 500)
    detector = Detector(DetectorConfig(window, ignore=()), LABELS, PERIOD)
    expected = []
    for vector in logits:
        detector.push(vector)
        expected.append(detector.posteriors)
    np.testing.assert_array_equal(posteriors(logits, window), np.array(expected)[window - 1 :])


def test_posteriors_over_block_borders(monkeypatch: pytest.MonkeyPatch) -> None:
    logits = trace(4, 500)
    whole = posteriors(logits, 7)
    monkeypatch.setattr("edgemem.evaluate.streaming.traces._BLOCK", 50)
    np.testing.assert_array_equal(posteriors(logits, 7), whole)


def test_a_trace_shorter_than_the_window_brings_nothing() -> None:
    config = DetectorConfig(58, 0.3, 0.2, ignore=())
    assert at_once(config, trace(0, 57)) == []
    assert at_once(config, trace(0, 1)) == []


def test_moved_thresholds() -> None:
    level = Levels(0.5, 0.25, 3)
    up = moved(level, np.log(3.0))  # odds of 1 become odds of 3
    assert (up.threshold, up.release, up.quiet) == pytest.approx((0.75, 0.375, 3))
    assert moved(level, 100.0).threshold == pytest.approx(1 / (1 + np.exp(-9.2)))
    assert moved(level, -100.0).threshold == pytest.approx(0.2)
