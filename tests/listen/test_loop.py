"""The loop: times that stay true, rules that change, silence, clipping, losses that are told."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from edgemem.listen.buffer import Block, Buffer
from edgemem.listen.loop import Loop, resident_memory
from edgemem.listen.sources import Reader, Sound
from edgemem.listen.types import Controls, Heard, Moment
from edgemem.listen.watchdog import Notifier
from edgemem.runtime.network import Network, open_network

Samples = npt.NDArray[np.int16]
Tone = Callable[..., Samples]


class Kept:
    """A sink that keeps everything."""

    def __init__(self, wants_frames: bool = False) -> None:
        self.wants_frames = wants_frames
        self.moments: list[Moment] = []

    def take(self, moment: Moment) -> None:
        self.moments.append(moment)

    def close(self) -> None: ...

    @property
    def events(self) -> list[Heard]:
        return [heard for moment in self.moments for heard in moment.events]


class Still:
    """A source that gives nothing; what is heard stands in the buffer already."""

    live = True

    def blocks(self, stop):
        return iter(())


@pytest.fixture
def network(tone_file: Path) -> Network:
    return open_network(tone_file)


def hear(
    network: Network,
    blocks: list[Block],
    *sinks: Kept,
    buffer: Buffer | None = None,
    controls: Controls | None = None,
    said: list[str] | None = None,
    chores: tuple[Callable[[], None], ...] = (),
) -> Loop:
    """Let a loop hear blocks that are all there."""
    buffer = buffer or Buffer(10**9, dropping=False)
    for block in blocks:
        buffer.put(block)
    buffer.end()
    loop = Loop(
        network.listener(),
        buffer,
        Reader(Still(), buffer),
        sinks,
        controls or Controls(network.detector),
        Notifier(),
        (said if said is not None else []).append,
        chores,
    )
    loop.run()
    return loop


def cut(sound: Samples, size: int = 640, begin: int = 0, at: float = 1000.0) -> list[Block]:
    """Blocks of a sound, each with the date of its last sample."""
    return [
        Block(begin + i, sound[i : i + size], at + (i + len(sound[i : i + size])) / 16000)
        for i in range(0, len(sound), size)
    ]


def words(tone: Tone, *labels: str) -> Samples:
    return np.concatenate([tone(label, 0.5) for label in labels])


def test_events_are_the_listener_s_with_a_date(network: Network, tone: Tone) -> None:
    sound = words(tone, "_silence_", "low", "_silence_", "high", "_silence_")
    kept = Kept()
    hear(network, cut(sound), kept)
    expected = network.listener().push(sound)
    assert [(e.time, e.label, e.score) for e in kept.events] == expected
    assert [e.at - 1000.0 for e in kept.events] == pytest.approx([e.time for e in kept.events])
    np.testing.assert_array_equal(np.concatenate([m.samples for m in kept.moments]), sound)
    assert all(m.features is None and m.posteriors is None for m in kept.moments)


def test_dates_go_forward_where_sound_is_faster_than_time(network: Network, tone: Tone) -> None:
    """Blocks of 0.4 s that come every millisecond, as from a file that is heard --fast."""
    sound = words(tone, *(5 * ("_silence_", "low", "_silence_", "high")))
    kept = Kept()
    blocks = [b._replace(at=1000.0 + 0.001 * n) for n, b in enumerate(cut(sound, 6400))]
    hear(network, blocks, kept)
    dates = [e.at for e in kept.events]
    assert len(dates) == 10 and dates == sorted(dates)
    assert dates[0] > 999.5 and dates[-1] <= blocks[-1].at


def test_frames_are_given_where_a_sink_wants_them(network: Network, tone: Tone) -> None:
    sound = words(tone, "_silence_", "low", "_silence_")
    kept = Kept(wants_frames=True)
    hear(network, cut(sound, 1000), kept)
    features = np.concatenate([m.features for m in kept.moments])
    posteriors = np.concatenate([m.posteriors for m in kept.moments])
    np.testing.assert_array_equal(features, network.frontend.features(sound))
    assert posteriors.shape == (len(features), 4)
    np.testing.assert_allclose(posteriors.sum(axis=1), 1.0, rtol=1e-5)
    assert [e.label for e in kept.events] == ["low"]


@pytest.mark.parametrize("lost", [1, 3200, 15999, 16000, 160000])
def test_time_stays_true_over_lost_samples(network: Network, tone: Tone, lost: int) -> None:
    before = words(tone, "_silence_", "low", "_silence_")
    after = words(tone, "_silence_", "high", "_silence_")
    begin = len(before) + lost
    kept = Kept()
    hear(network, cut(before) + cut(after, begin=begin, at=5000.0), kept)
    low, high = kept.events
    assert (low.label, high.label) == ("low", "high")
    # The tone itself begins half a second behind the gap, and is heard within 0.12 s.
    onset = begin / 16000 + 0.5
    assert onset < high.time < onset + 0.12
    assert 5000.5 < high.at < 5000.62


def test_after_a_long_loss_the_network_starts_anew(network: Network, tone: Tone) -> None:
    sound = tone("low", 1.0)
    kept = Kept()
    hear(network, cut(sound) + cut(sound, begin=16000 + 16000), kept)
    # Without the new start the tone would never have ended, and be no second event.
    assert len(kept.events) == 2
    first, second = kept.events
    assert second.time - first.time == pytest.approx(2.0)
    assert second.score == pytest.approx(first.score)


def test_a_short_loss_is_no_new_start(network: Network, tone: Tone) -> None:
    sound = tone("low", 1.0)
    kept = Kept()
    hear(network, cut(sound) + cut(sound, begin=16000 + 3200), kept)
    assert len(kept.events) == 1


def test_a_rule_that_is_proposed_holds_from_the_next_block_on(network: Network, tone: Tone) -> None:
    sound = words(tone, "_silence_", "low", "_silence_", "high", "_silence_")
    controls = Controls(network.detector)
    deaf = replace(network.detector, ignore=("_silence_", "_unknown_", "high"))
    kept = Kept()
    blocks = itertools.count()

    def propose() -> None:
        if next(blocks) == 25:  # after one second
            controls.propose(deaf)

    hear(network, cut(sound), kept, controls=controls, chores=(propose,))
    assert [e.label for e in kept.events] == ["low"]
    assert controls.current == deaf


def test_a_rule_that_cannot_hold_is_told_and_the_old_one_stays(
    network: Network, tone: Tone
) -> None:
    controls = Controls(network.detector)
    controls.propose(replace(network.detector, ignore=("_silence_", "_unknown_", "low", "high")))
    said: list[str] = []
    kept = Kept()
    hear(network, cut(words(tone, "_silence_", "low")), kept, controls=controls, said=said)
    assert [e.label for e in kept.events] == ["low"]
    assert len(said) == 1 and "every label is ignored" in said[0]
    assert controls.current == network.detector


def test_the_newest_of_several_rules_counts() -> None:
    first, second, third = (replace_threshold(t) for t in (0.6, 0.7, 0.8))
    controls = Controls(first)
    controls.propose(second)
    controls.propose(third)
    assert controls.current == third
    assert controls.take() == third
    assert controls.take() is None
    assert controls.current == third


def replace_threshold(threshold: float):
    from edgemem.runtime.rule import DetectorConfig

    return DetectorConfig(threshold=threshold)


def test_clipped_sound_is_heard_without_a_word(network: Network, tone: Tone) -> None:
    sound = words(tone, "_silence_", "low", "_silence_").astype(np.float64)
    clipped = np.clip(50.0 * sound, -32768, 32767).astype(np.int16)
    square = np.where(np.arange(16000) % 2, 32767, -32768).astype(np.int16)
    kept = Kept(wants_frames=True)
    said: list[str] = []
    hear(
        network,
        cut(np.concatenate([clipped, square, np.full(16000, -32768, np.int16)])),
        kept,
        said=said,
    )
    assert all(
        np.isfinite(m.features).all() and np.isfinite(m.posteriors).all() for m in kept.moments
    )
    assert not said


def test_drops_are_told_with_their_seconds(network: Network) -> None:
    buffer = Buffer(8000, dropping=True)
    said: list[str] = []
    loop = hear(network, cut(np.zeros(32000, np.int16), 1600), Kept(), buffer=buffer, said=said)
    assert said == ["the loop was too slow: 1.50 s of sound were dropped (1.50 s in all)"]
    assert loop.health.dropped == 24000
    assert loop.health.heard == 0.5


def test_health_is_a_sentence_and_values(network: Network) -> None:
    loop = hear(network, cut(np.zeros(32000, np.int16)), Kept())
    assert str(loop.health).startswith("2 s heard, 0 events, ")
    assert loop.health.to_dict()["heard"] == 2.0
    memory = resident_memory()
    assert memory is not None and memory > 5


class Notes(Notifier):
    """What the service manager would have been told."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []

    def ready(self, status: str) -> None:
        self.said.append("ready")

    def alive(self) -> None:
        self.said.append("alive")


class Away:
    """A microphone that takes a while to come back."""

    live = True

    def blocks(self, stop) -> Iterator[Sound]:
        yield Sound(np.zeros(640, np.int16))
        stop.wait(1.0)
        yield Sound(np.zeros(640, np.int16), missing=16000)


def test_the_watchdog_is_fed_while_no_sound_comes(network: Network) -> None:
    buffer = Buffer(16000, dropping=True)
    reader = Reader(Away(), buffer)
    notes = Notes()
    loop = Loop(network.listener(), buffer, reader, (), Controls(network.detector), notes, print)
    reader.start()
    loop.run()
    reader.close()
    assert notes.said[0] == "ready" and notes.said.count("ready") == 1
    assert notes.said.count("alive") >= 4  # two blocks, and the looks while it waited


class Stuck(Kept):
    """A sink that does what none may."""

    def take(self, moment: Moment) -> None:
        time.sleep(0.5)


def test_a_loop_that_is_stuck_does_not_feed_the_watchdog(network: Network) -> None:
    buffer = Buffer(16000, dropping=True)
    buffer.put(Block(0, np.zeros(640, np.int16), 0.0))
    buffer.end()
    notes = Notes()
    Loop(
        network.listener(),
        buffer,
        Reader(Still(), buffer),
        (Stuck(),),
        Controls(network.detector),
        notes,
        print,
    ).run()
    assert notes.said == ["ready", "alive"]  # none during the half second
