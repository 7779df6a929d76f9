"""What is told of a simulated execution, against numbers worked out by hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from edgemem.energy import Activity, Counts, Execution
from edgemem.errors import ConfigError, DataError
from edgemem.evaluate import simulation
from edgemem.evaluate.settings import settings
from edgemem.evaluate.simulation import Clips, measure
from edgemem.evaluate.simulation_picture import draw_clip, draw_curve
from edgemem.evaluate.subject import Subject, clips_of, open_subject
from edgemem.model import Model


class Echo:
    """Its outputs are its inputs; each unit sends one message for each input of 1."""

    def simulate(self, x: np.ndarray, probes: Sequence[str] = ()) -> Execution:
        n, t, _ = x.shape
        sent = (x == 1.0).sum(axis=(0, 1))
        return Execution(
            outputs=x,
            counts=Counts(frames=n * t, messages=int(sent.sum()), synaptic_operations=3 * n),
            populations=(Activity("y", sent, n * t, seconds=0.5 * n),),
            probes={"m": 2.0 * x},
            spikes={"y": (x == 1.0).astype(np.int8)[:, :, None, :]},
        )


# three clips of two frames and two classes; the last frame decides
X = np.array([[[0, 1], [1, 0]], [[0, 1], [0, 1]], [[1, 0], [1, 0]]], np.float32)


def test_points_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulation, "CHUNK", 2)
    clips = Clips(X, np.array([0, 1, 1]), "three clips")
    trained = X.copy()
    trained[2, 1] = (0, 2)
    point = measure(Echo(), clips, 1, trained, "here")
    assert point.name == "here"
    assert point.clips == 3
    assert point.accuracy == pytest.approx(2 / 3)
    assert point.accuracy_trained == 1.0
    assert point.agreement == pytest.approx(2 / 3)
    # squares of the difference: 1 + 4; of the trained logits: 5 + 4
    assert point.distance == pytest.approx(np.sqrt(5 / 9))
    assert point.counts == Counts(frames=6, messages=6, synaptic_operations=9)
    assert point.per_clip()["messages"] == 2.0
    assert point.counts.per_frame()["synaptic_operations"] == 1.5
    (y,) = point.populations
    assert list(y.sent) == [3, 3] and y.chances == 6 and y.share == 0.5
    assert list(y.rates()) == [2.0, 2.0] and y.dead == 0


def test_without_labels_or_a_trained_network() -> None:
    point = measure(Echo(), Clips(X, np.zeros(0, np.int64), "no labels"), 1)
    assert point.accuracy is point.accuracy_trained is point.agreement is point.distance is None
    assert point.to_dict()["per_clip"]["messages"] == 2.0


def test_values_are_not_decided() -> None:
    point = measure(Echo(), Clips(X, np.array([0, 1, 1]), "three"), None, 2 * X)
    assert point.accuracy is point.accuracy_trained is point.agreement is None
    assert point.distance == pytest.approx(0.5)


def test_no_clip_is_refused() -> None:
    with pytest.raises(DataError, match="no clip to run"):
        Clips(np.zeros((0, 3, 2), np.float32), np.zeros(0, np.int64), "nothing")


def test_pictures(tmp_path: Path) -> None:
    execution = Echo().simulate(X[:1])
    terms = {"": X[0], "m": X[0]}
    draw_clip(execution, ["m"], terms, ("a", "b"), 0.02, "clip", tmp_path / "clip.png")
    points = [
        measure(Echo(), Clips(X, np.array([0, 1, 1]), "three"), 1, X, f"k={k}") for k in (1, 2)
    ]
    draw_curve(points, "spikes", "sweep", tmp_path / "curve.png")
    for name in ("clip.png", "curve.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")


@pytest.fixture
def subject(tone_file: Path) -> Subject:
    return open_subject(str(tone_file), "fixed")


def test_a_sweep_reads_the_options_of_the_target(subject: Subject) -> None:
    runs = settings(subject, {"quantize": "int8", "weights": "8"}, "weights=8,4", None)
    assert [run.name for run in runs] == ["weights=8", "weights=4"]
    assert [run.options for run in runs] == [
        {"quantize": "int8", "weights": "8"},
        {"quantize": "int8", "weights": "4"},
    ]


@pytest.mark.parametrize(
    ("sweep", "message"),
    [
        ("width=1,2", "unknown field 'width'; known: quantize, weights"),
        ("weights=8,7", "'7' is no such value; expected model, 8, 4, 2"),
        ("weights", "expected OPTION=A,B,..."),
        ("weights=", "expected OPTION=A,B,..."),
    ],
)
def test_sweeps_that_cannot_be_read(subject: Subject, sweep: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        settings(subject, {"quantize": "int8", "weights": "8"}, sweep, None)
    assert message in str(caught.value)


def test_a_step_must_divide_a_frame(subject: Subject) -> None:
    period = subject.frontend.frame_period
    (run,) = settings(subject, {}, None, period / 20)
    assert run.options["steps_per_frame"] == 20
    for dt in (0.0, -1.0, float("nan"), period / 2.5, 3 * period):
        with pytest.raises(ConfigError, match="--dt"):
            settings(subject, {}, None, dt)


def test_a_recording_and_a_data_set_exclude_each_other(subject: Subject, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="choose one"):
        clips_of(subject, tmp_path / "a.wav", tmp_path)


def test_recordings_carry_their_labels(subject: Subject, tone_set: Path, tone_model: Model) -> None:
    clips = clips_of(subject, root=tone_set)
    assert len(clips.features) == 12 and clips.labelled
    trained = subject.trained(clips.features)
    assert trained is not None
    # the network knows tones: decided by the mean of the last frames
    window = tone_model.detector.window
    assert np.mean(trained[:, -window:].mean(axis=1).argmax(axis=1) == clips.labels) == 1.0
    some = clips_of(subject, root=tone_set, limit=5)
    assert len(some.features) == 5
