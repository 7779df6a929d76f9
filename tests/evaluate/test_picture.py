"""The picture of a stream."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from click.testing import CliRunner, Result

from edgemem.cli import main
from edgemem.errors import AudioError
from edgemem.evaluate.picture import hear
from edgemem.runtime.network import Network, open_network

Samples = npt.NDArray[np.int16]


@pytest.fixture
def network(tone_file: Path) -> Network:
    return open_network(tone_file)


@pytest.fixture
def sound(tone: Callable[..., Samples]) -> Samples:
    return np.concatenate([tone(label, 0.5) for label in ("_silence_", "low", "high", "_silence_")])


@pytest.fixture
def clip(sound: Samples, tmp_path: Path, write_wav: Callable[..., Path]) -> Path:
    return write_wav(tmp_path / "a.wav", sound)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["run", *map(str, arguments)])


def test_every_stage_is_what_the_listener_has(network: Network, sound: Samples) -> None:
    heard = hear(network, sound)
    listener = network.listener()
    events = []
    for start in range(0, len(sound), 777):
        events += listener.push(sound[start : start + 777])
    assert list(heard.events) == events
    assert [event.label for event in events] == ["low", "high"]
    np.testing.assert_allclose(heard.posteriors[-1], listener.detector.posteriors)
    np.testing.assert_allclose(heard.posteriors.sum(axis=1), 1.0)
    assert heard.features.shape == (len(heard.times), 4)


def test_an_event_stands_where_its_posterior_crosses_the_threshold(
    network: Network, sound: Samples
) -> None:
    heard = hear(network, sound)
    for event in heard.events:
        (place,) = np.flatnonzero(np.isclose(heard.times, event.time))
        column = heard.posteriors[:, network.labels.index(event.label)]
        assert column[place] == event.score >= network.detector.threshold > column[place - 1]


def test_a_recording_without_a_feature_vector_is_refused(network: Network) -> None:
    with pytest.raises(AudioError, match="has 10 samples, fewer than one feature vector"):
        hear(network, np.zeros(10, np.int16))


def test_run_draws_and_prints_the_same_events(tone_file: Path, clip: Path, tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    result = run(tone_file, clip, "--plot", tmp_path / "new" / "heard.png")
    assert result.exit_code == 0, result.output
    assert result.stdout == run(tone_file, clip).stdout
    assert [json.loads(line)["label"] for line in result.stdout.splitlines()] == ["low", "high"]
    with image.open(tmp_path / "new" / "heard.png") as picture:
        assert picture.format == "PNG"
        assert np.asarray(picture.convert("L")).std() > 10


@pytest.mark.parametrize("clips", [["-"], ["a.wav", "b.wav"]])
def test_a_picture_shows_one_file(tone_file: Path, tmp_path: Path, clips: list[str]) -> None:
    result = run(tone_file, *clips, "--plot", tmp_path / "heard.png")
    assert result.exit_code == 1
    assert result.stderr == "Error: --plot draws one recording; name one wav or FLAC file\n"
    assert list(tmp_path.glob("*.png")) == []


def test_without_matplotlib_the_extra_is_named(
    tone_file: Path, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    result = run(tone_file, clip, "--plot", tmp_path / "heard.png")
    assert result.exit_code == 1
    assert "pip install 'edgemem-toolkit[plot]'" in result.stderr


def test_a_folder_that_cannot_be_written_is_one_sentence(
    tone_file: Path, clip: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    result = run(tone_file, clip, "--plot", tmp_path / "file" / "heard.png")
    assert result.exit_code == 1
    assert "cannot write" in result.stderr
    assert "Traceback" not in result.stderr
