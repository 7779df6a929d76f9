from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgemem.errors import ConfigError, DataError
from edgemem.evaluate.validation import validation_clips
from edgemem.model import Model
from edgemem.runtime.sources import read_clip


@pytest.fixture
def folders(
    tmp_path: Path, tone: Callable[..., np.ndarray], write_wav: Callable[..., Path]
) -> Path:
    """A folder a word with 40 speakers, two clips each."""
    for label in ("low", "high"):
        for number in range(40):
            for take in range(2):
                name = f"s{number:02}_nohash_{take}.wav"
                write_wav(tmp_path / "set" / label / name, tone(label, 1.0, number))
    return tmp_path / "set"


def test_recordings_go_through_the_front_end_of_the_model(
    tone_model: Model, folders: Path, tmp_path: Path
) -> None:
    stacked = replace(tone_model.frontend, stack=2)
    model = replace(tone_model, frontend=stacked, cell=replace(tone_model.cell, n_in=8))
    found = validation_clips(model, [folders], cache=tmp_path / "cache")
    assert 0 < len(found.features) < 160 and found.features.shape[2] == 8
    # every clip is one of the folder's, in the model's order of labels
    whole = {
        label: [model.frontend.features(read_clip(p)) for p in (folders / label).iterdir()]
        for label in ("low", "high")
    }
    for features, label in zip(found.features, found.labels):
        name = model.labels[label]
        assert any(np.array_equal(features, clip) for clip in whole[name])


def test_some_clips_of_several_sets(tone_model: Model, folders: Path, tmp_path: Path) -> None:
    def some(seed: int, count: int | None = 3) -> np.ndarray:
        roots = [folders, folders]
        return validation_clips(
            tone_model, roots, cache=tmp_path / "cache", count=count, seed=seed
        ).features

    assert len(some(0)) == 6
    np.testing.assert_array_equal(some(0), some(0))
    assert not np.array_equal(some(0), some(1))
    assert len(some(0, None)) == len(some(0, 10_000))
    with pytest.raises(ConfigError, match="0 validation clips"):
        some(0, 0)


def test_a_label_that_the_model_does_not_know(
    tone_model: Model, folders: Path, tmp_path: Path
) -> None:
    (folders / "low").rename(folders / "deep")
    with pytest.raises(DataError, match="label 'deep', which the model does not know"):
        validation_clips(tone_model, [folders], cache=tmp_path / "cache")


def test_features_of_another_front_end(tone_model: Model, tmp_path: Path) -> None:
    other = replace(tone_model.frontend, gain=3.0)
    root = tmp_path / "arrays"
    for label in ("low", "high"):
        (root / label).mkdir(parents=True)
        for number in range(40):
            values = np.random.default_rng(number).normal(size=(other.n_frames(16000), 4))
            np.save(root / label / f"s{number:02}_nohash_0.npy", values.astype(np.float32))
    with pytest.raises(DataError, match="front end"):
        validation_clips(tone_model, [root], cache=tmp_path / "cache")
    with pytest.raises(DataError, match="another front end than the model's"):
        validation_clips(tone_model, [root], frontend=other, cache=tmp_path / "cache")
    (root / "frontend.json").write_text(json.dumps(tone_model.frontend.to_dict()))
    found = validation_clips(tone_model, [root], cache=tmp_path / "cache")
    assert len(found.features) and set(found.labels) == {2, 3}
