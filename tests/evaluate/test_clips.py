"""Accuracy on clips: reset or carried-on state, what is skipped, what is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from edgemem.data.types import Clip
from edgemem.errors import DataError, EdgememError
from edgemem.evaluate.clips import evaluate_clips, score_clips
from edgemem.frontend import FrontEnd
from edgemem.runtime.network import Network, open_network
from edgemem.runtime.rule import DetectorConfig

Samples = npt.NDArray[np.int16]


def test_a_network_that_hears_every_tone_is_right_every_time(
    tone_file: Path, tone_set: Path
) -> None:
    scores = evaluate_clips(open_network(tone_file), tone_set)
    np.testing.assert_array_equal(scores.confusion, 3 * np.eye(4, dtype=int))
    assert (scores.accuracy, scores.clips, scores.report.skipped) == (1.0, 12, ())
    assert scores.to_dict()["confusion"] == (3 * np.eye(4, dtype=int)).tolist()


def test_errors_stand_in_the_row_of_the_label_and_the_column_of_the_decision(
    tone_file: Path, tone_set: Path, tone: Callable[..., Samples], write_wav: Callable[..., Path]
) -> None:
    write_wav(tone_set / "low" / "ab0_nohash_0.wav", tone("high"))
    scores = evaluate_clips(open_network(tone_file), tone_set)
    assert scores.confusion[2].tolist() == [0, 0, 2, 1]
    assert scores.accuracy == pytest.approx(11 / 12)


def test_bad_clips_are_skipped_and_counted(
    tone_file: Path, tone_set: Path, tone: Callable[..., Samples], write_wav: Callable[..., Path]
) -> None:
    (tone_set / "low" / "ab0_nohash_0.wav").write_bytes(b"RIFF")
    write_wav(tone_set / "high" / "ab0_nohash_0.wav", tone("high"), rate=100)
    scores = evaluate_clips(open_network(tone_file), tone_set)
    assert scores.clips == 10
    assert {skip.name for skip in scores.report.skipped} == {
        "low/ab0_nohash_0.wav",
        "high/ab0_nohash_0.wav",
    }
    assert any("truncated" in line for line in scores.report.lines())


COUNTS = ("_silence_", "_unknown_", "many")


class Counter:
    """Says how many steps it took since its reset: 'few' up to 97, then 'many'."""

    n_in, n_out = 40, 3

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.steps = 0

    def step(self, x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        self.steps += 1
        return np.array([98.5, 0.0, self.steps], np.float32)


def network_of(runner: Counter, labels: tuple[str, ...] = COUNTS) -> Network:
    rule = DetectorConfig(window=1, ignore=())
    return Network(Path("counter"), labels, FrontEnd(), rule, "folders", runner)


@pytest.fixture
def quiet_set(tmp_path: Path, write_wav: Callable[..., Path]) -> Path:
    for label in COUNTS:
        write_wav(tmp_path / "quiet" / label / "cat_a_nohash_1.wav", np.zeros(16000, np.int16))
    return tmp_path / "quiet"


def test_state_is_reset_before_each_clip_or_carried_on(quiet_set: Path) -> None:
    reset = evaluate_clips(network_of(Counter()), quiet_set)
    # 98 frames a second: never above 98.5 after a reset, always above it after half a second more.
    assert reset.confusion.tolist() == [[1, 0, 0]] * 3
    carried = evaluate_clips(network_of(Counter()), quiet_set, carry=0.5)
    assert carried.confusion.tolist() == [[0, 0, 1]] * 3


def test_background_recordings_come_before_the_clips(
    quiet_set: Path, tmp_path: Path, write_wav: Callable[..., Path]
) -> None:
    write_wav(tmp_path / "noise" / "hum.wav", np.full(16000 * 30, 5, np.int16))
    scores = evaluate_clips(
        network_of(Counter()), quiet_set, carry=2.0, background=tmp_path / "noise"
    )
    assert scores.confusion.tolist() == [[0, 0, 1]] * 3


def test_without_background_nothing_can_be_carried(quiet_set: Path) -> None:
    network = network_of(Counter())
    with pytest.raises(DataError, match=r"no background of 1.5 s .* among 0 recordings"):
        evaluate_clips(network, quiet_set, carry=1.5)


def test_a_label_that_the_network_does_not_know_is_named() -> None:
    listener = network_of(Counter(), ("yes", "no", "go")).listener()
    clip = Clip(Path("a.wav"), "up", "up/a.wav")
    with pytest.raises(DataError, match=r"up/a\.wav has the label 'up'.* its labels: yes, no, go"):
        score_clips(listener, [clip], lambda clip: np.zeros(16000, np.int16))


def test_clips_too_short_for_a_frame_leave_nothing_to_score() -> None:
    listener = network_of(Counter(), ("yes", "no", "go")).listener()
    clip = Clip(Path("a.wav"), "yes", "yes/a.wav")
    with pytest.raises(DataError, match=r"no clip could be used.*shorter than one feature vector"):
        score_clips(listener, [clip], lambda clip: np.zeros(100, np.int16))


def test_an_unknown_split_and_a_missing_folder_are_refused(
    tone_file: Path, tone_set: Path, tmp_path: Path
) -> None:
    network = open_network(tone_file)
    with pytest.raises(EdgememError, match="no split named 'dev'; known:"):
        evaluate_clips(network, tone_set, split="dev")
    with pytest.raises(DataError, match="no folder"):
        evaluate_clips(network, tmp_path / "none")


def test_decisions_do_not_depend_on_the_order_of_the_clips(tone_file: Path, tone_set: Path) -> None:
    def backwards(clips: Sequence[Clip]) -> Iterable[Clip]:
        return reversed(clips)

    scores = evaluate_clips(open_network(tone_file), tone_set, progress=backwards)
    np.testing.assert_array_equal(scores.confusion, 3 * np.eye(4, dtype=int))
