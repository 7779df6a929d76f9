"""The event loop: every stage fed in order, block size free, reset complete."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgemem.errors import ArtefactError, ConfigError
from edgemem.frontend import FrontEnd
from edgemem.quantize import Format
from edgemem.runtime.loop import Listener
from edgemem.runtime.rule import DetectorConfig

FRONTEND = FrontEnd(n_mels=4, f_max=8000.0)
RULE = DetectorConfig(window=2, threshold=0.9, release=0.5, refractory=0.0, ignore=("_silence_",))


class Tones:
    """Leaky memory of the lowest and the highest band: 'low' or 'high' when one is loud."""

    n_in, n_out = 4, 3

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.memory = np.zeros(4, np.float32)

    def step(self, x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        self.memory = np.float32(0.5) * self.memory + np.float32(0.5) * (x + 60)
        return np.array([0.0, self.memory[0], self.memory[3]], np.float32)


def listener() -> Listener:
    return Listener(FRONTEND, Tones(), RULE, ("_silence_", "low", "high"))


def tones() -> npt.NDArray[np.int16]:
    """Half a second each: silence, 300 Hz, silence, 6 kHz, silence."""
    t = np.arange(8000) / 16000
    parts = [0 * t, np.sin(2 * np.pi * 300 * t), 0 * t, np.sin(2 * np.pi * 6000 * t), 0 * t]
    return np.asarray(20000 * np.concatenate(parts)).astype(np.int16)


def test_two_tones_are_two_events_just_after_they_begin() -> None:
    events = listener().push(tones())
    assert [event.label for event in events] == ["low", "high"]
    assert 0.5 < events[0].time < 0.6
    assert 1.5 < events[1].time < 1.6
    assert all(event.score >= 0.9 for event in events)


@given(st.lists(st.integers(0, 5000), max_size=10))
@settings(max_examples=15)
def test_any_cutting_gives_the_same_events(cuts: list[int]) -> None:
    samples, ends = tones(), np.cumsum([0, *cuts])
    heard, found = listener(), []
    for start, end in zip(ends, [*ends[1:], len(samples)]):
        found += heard.push(samples[start:end])
    assert found == listener().push(samples)


def test_reset_starts_every_stage_anew() -> None:
    heard = listener()
    expected = heard.push(tones())
    heard.push(tones()[:9000])
    heard.reset()
    assert heard.push(tones()) == expected


def test_logits_carry_the_state_on() -> None:
    whole = listener().logits(tones())
    heard = listener()
    parts = [heard.logits(part) for part in np.split(tones(), 5)]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    assert whole.shape == (FRONTEND.n_frames(len(tones())), 3)


@pytest.mark.parametrize(
    ("frontend", "labels", "message"),
    [
        (FrontEnd(n_mels=5), ("a", "b", "c"), "maps 4 features to 3 logits, but .* 5 features"),
        (FRONTEND, ("a", "b"), "there are 2 labels"),
    ],
)
def test_parts_that_do_not_meet_are_refused(
    frontend: FrontEnd, labels: tuple[str, ...], message: str
) -> None:
    with pytest.raises(ArtefactError, match=message):
        Listener(frontend, Tones(), RULE, labels)


class IntegerTones:
    """The same in integers: features in quarters of a decibel, logits in decibels."""

    n_in, n_out = 4, 3
    input_format, output_format = Format(16, 0.25), Format(16, 1.0)

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.memory = np.zeros(4, np.int64)

    def step(self, x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        raise AssertionError("a runner that speaks integers is never fed floats")

    def step_integers(self, x: npt.NDArray[np.int16]) -> npt.NDArray[np.int16]:
        self.memory = (self.memory + x + 240) // 2
        return np.array([0, self.memory[0] // 4, self.memory[3] // 4], np.int16)


def test_integers_all_the_way_bring_the_events_of_the_floats() -> None:
    heard = Listener(FRONTEND, IntegerTones(), RULE, ("_silence_", "low", "high"))
    events, wanted = heard.push(tones()), listener().push(tones())
    assert [e.label for e in events] == [e.label for e in wanted]
    for event, expected in zip(events, wanted):
        assert event.time == pytest.approx(expected.time, abs=FRONTEND.frame_period)
        assert event.score == pytest.approx(expected.score, abs=0.1)
    heard.reset()
    pieces = [event for part in np.array_split(tones(), 97) for event in heard.push(part)]
    assert pieces == events


def test_logits_of_integers_are_reals() -> None:
    heard = Listener(FRONTEND, IntegerTones(), RULE, ("_silence_", "low", "high"))
    logits = heard.logits(tones())
    np.testing.assert_allclose(logits, listener().logits(tones()), atol=2.0)


def test_a_front_end_without_an_integer_form_is_named() -> None:
    odd = replace(FRONTEND, n_fft=600)
    with pytest.raises(ConfigError, match="must be a power of two"):
        Listener(odd, IntegerTones(), RULE, ("_silence_", "low", "high"))


def test_observing_brings_the_same_events_and_what_led_to_them() -> None:
    sound = tones()
    seen = listener().observe(sound)
    assert seen.events == listener().push(sound)
    features = FRONTEND.features(sound)
    np.testing.assert_array_equal(seen.features, features)
    assert seen.posteriors.shape == (len(features), 3)
    np.testing.assert_allclose(seen.posteriors.sum(axis=1), 1.0, rtol=1e-5)
    first = round((seen.events[0].time - FRONTEND.lead) / FRONTEND.frame_period) - 1
    assert seen.posteriors[first, 1] == pytest.approx(seen.events[0].score)


def test_another_rule_holds_from_the_next_block_on() -> None:
    sound = tones()
    listening = listener()
    assert [event.label for event in listening.push(sound[:20000])] == ["low"]
    listening.adopt(replace(RULE, ignore=("_silence_", "high")))
    assert listening.push(sound[20000:]) == []
