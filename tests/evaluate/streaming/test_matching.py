"""Events against truth, by hand; rates, areas and intervals from their definitions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgemem.evaluate.streaming.curve import Curve
from edgemem.evaluate.streaming.matching import Kind, Matched, match
from edgemem.evaluate.streaming.poisson import interval
from edgemem.evaluate.streaming.scores import StreamScores
from edgemem.evaluate.streaming.truth import NO_KEYWORD, Truth

LABELS = ("_silence_", "yes", "no")
YES, NO = 1, 2
CLEAN = math.inf

# noise alone up to 9 s, then yes 10.2-10.6 s, no 15.1-15.5 s, from 18 s on at 10 dB an other word
# 20-20.4 s, and yes right after it 21.0-21.4 s
TRUTH = Truth(
    starts=np.array([10.2, 15.1, 20.0, 21.0]),
    ends=np.array([10.6, 15.5, 20.4, 21.4]),
    labels=np.array([YES, NO, NO_KEYWORD, YES]),
    said=("yes", "no", "bird", "yes"),
    conditions=(CLEAN, 10.0),
    word_conditions=np.array([0, 0, 1, 1]),
    borders=np.array([0.0, 9.0, 18.0]),
    stretch_conditions=np.array([0, 0, 1]),
    hours=np.array([18.0, 18.0]) / 3600.0,
    empty=np.array([True, False, False]),
)


def judged(*events: tuple[float, int]) -> Matched:
    times, labels = zip(*events) if events else ((), ())
    return match(np.array(times, float), np.array(labels, np.int64), TRUTH)


def kinds(*events: tuple[float, int]) -> list[Kind]:
    return [Kind(kind) for kind in judged(*events).kinds]


def test_every_kind_by_hand() -> None:
    assert kinds((10.5, YES)) == [Kind.HIT]  # before the word is over
    assert kinds((11.59, YES)) == [Kind.HIT]  # up to a second after
    assert kinds((11.61, YES)) == [Kind.FALSE_NOISE]
    assert kinds((10.1, YES)) == [Kind.FALSE_NOISE]  # before it starts
    assert kinds((10.5, YES), (11.2, YES)) == [Kind.HIT, Kind.REPEAT]
    assert kinds((15.4, YES)) == [Kind.SUBSTITUTION]
    assert kinds((15.2, YES), (15.8, NO)) == [Kind.SUBSTITUTION, Kind.HIT]
    assert kinds((20.3, NO)) == [Kind.FALSE_WORD]
    assert kinds() == []


def test_an_event_belongs_to_the_word_that_started_last() -> None:
    # 21.2 s is within a second of the other word, and in the keyword
    assert kinds((21.2, YES)) == [Kind.HIT]
    assert kinds((21.2, NO)) == [Kind.SUBSTITUTION]
    assert judged((21.2, NO)).words.tolist() == [3]
    assert kinds((20.9, YES)) == [Kind.FALSE_WORD]


def test_heard_words() -> None:
    found = judged((10.5, YES), (15.4, YES), (21.5, YES))
    assert found.heard.tolist() == [True, False, False, True]


@settings(max_examples=60)
@given(
    events=st.lists(st.tuples(st.floats(0, 36), st.sampled_from([YES, NO])), max_size=20),
    tolerance=st.floats(0.1, 5.0),
)
def test_what_always_holds(events: list[tuple[float, int]], tolerance: float) -> None:
    events = sorted(events)
    times, labels = (np.array([event[i] for event in events]) for i in (0, 1))
    found = match(times.astype(float), labels.astype(np.int64), TRUTH, tolerance)
    hits = found.words[found.kinds == Kind.HIT]
    assert len(set(hits.tolist())) == len(hits) == found.heard.sum()
    for time, label, kind, word in zip(times, labels, found.kinds, found.words):
        inside = [w for w in range(4) if TRUTH.starts[w] <= time <= TRUTH.ends[w] + tolerance]
        assert (kind == Kind.FALSE_NOISE) == (not inside)
        assert kind == Kind.FALSE_NOISE or word in inside
        if kind in (Kind.HIT, Kind.REPEAT):
            assert TRUTH.labels[word] == label
        if kind == Kind.FALSE_WORD:
            assert TRUTH.labels[word] == NO_KEYWORD


def scores(*events: tuple[float, int]) -> StreamScores:
    said = np.array([[0, 1, 1], [0, 1, 0]])
    none = np.zeros((1, 2, 3), np.int64)
    curve = Curve(np.zeros(1), none, none, said, TRUTH.hours)
    return StreamScores(LABELS, TRUTH, judged(*events), curve)


def test_tallies_by_hand() -> None:
    found = scores((5.0, NO), (10.8, YES), (11.5, YES), (15.4, YES), (20.3, NO), (21.3, YES))
    total = found.total()
    assert (total.said, total.missed, total.accepts) == (3, 1, 2)
    assert (total.substitutions, total.repeats) == (1, 1)
    assert total.accept_rate == pytest.approx(2 / 0.01)
    assert sorted(total.latencies) == pytest.approx([-0.1, 0.2])
    clean, noisy = found.conditions()
    assert (clean.name, clean.said, clean.missed, clean.accepts) == ("clean", 2, 1, 1)
    assert (noisy.name, noisy.said, noisy.missed, noisy.accepts) == ("10 dB", 1, 0, 1)
    noise = found.noise()
    assert (noise.hours, noise.said, noise.accepts) == (pytest.approx(9 / 3600), 0, 1)
    yes, no = found.keywords()
    assert (yes.said, yes.missed, yes.accepts, yes.repeats) == (2, 0, 0, 1)
    assert (no.said, no.missed, no.accepts, no.substitutions) == (1, 1, 2, 1)
    assert found.confusion() == {
        "(other)": {"no": 1},
        "no": {"yes": 1},
        "yes": {"yes": 2},
    }
    assert sorted(found.false_accepts()) == [("(noise)", "no", 1), ("bird", "no", 1)]


def test_nothing_heard() -> None:
    total = scores().total()
    assert (total.missed, total.accepts) == (3, 0)
    assert math.isnan(total.latency(0.5))
    assert total.to_dict()["latency_median"] is None
    assert total.to_dict()["false_accepts_per_hour_95"][1] == pytest.approx(3.689 / 0.01, rel=1e-3)
    assert list(scores().lines())


def test_curve_read_and_area_by_hand() -> None:
    accepts = np.array([40, 20, 10, 0]).reshape(4, 1, 1)
    rejects = np.array([10, 20, 30, 80]).reshape(4, 1, 1)
    curve = Curve(np.arange(4.0), accepts, rejects, np.array([[100]]), np.array([10.0]))
    assert curve.accept_rates.tolist() == [4, 2, 1, 0]
    assert curve.rejects_at(0.5) == 0.8
    assert curve.rejects_at(1.0) == 0.3
    assert curve.rejects_at(9.0) == 0.1
    # 0.8 up to 1, 0.3 up to 2, 0.2 up to 4, 0.1 up to 5
    assert curve.area(5.0) == pytest.approx((0.8 + 0.3 + 2 * 0.2 + 0.1) / 5)
    strict = Curve(np.zeros(1), accepts[:1], rejects[:1], np.array([[100]]), np.array([10.0]))
    assert math.isnan(strict.rejects_at(1.0))
    assert strict.area(8.0) == pytest.approx((4 * 1.0 + 4 * 0.1) / 8)


@pytest.mark.parametrize("count", [0, 1, 3, 10, 150])
def test_interval_against_chi_squares(count: int) -> None:
    stats = pytest.importorskip("scipy.stats", reason="scipy comes with the extra train")
    low, high = interval(count)
    assert low == pytest.approx(stats.chi2.ppf(0.025, 2 * count) / 2 if count else 0.0, abs=1e-6)
    assert high == pytest.approx(stats.chi2.ppf(0.975, 2 * count + 2) / 2, rel=1e-6)
