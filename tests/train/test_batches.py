"""Batches of an epoch: which clips, how many of each kind, and always the same by seed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgemem.data.protocols import SILENCE, UNKNOWN
from edgemem.errors import DataError
from edgemem.train.augment import Augmentation
from edgemem.train.batches import Batches
from edgemem.train.recipes import Recipe

STILL = Augmentation(0.0, 0.0, (0.0, 0.0), 0.0, floor=0.0, time_masks=0, band_masks=0)
RECIPE = Recipe("gru", ({"n_units": 2},), batch=10, augmentation=STILL)


def epoch_of(batches, number=0):
    features, labels = zip(*batches.epoch(number))
    return np.concatenate(features), np.concatenate(labels)


def test_shapes_and_every_clip_once(made_set):
    data = made_set(train=25)
    batches = Batches(data, RECIPE, 0)
    assert (batches.n_batches, batches.n_steps) == (10, 6)
    assert batches.frontend.n_features == 16
    features, labels = epoch_of(batches)
    assert features.shape == (100, 6, 16)
    assert features.dtype == np.float32
    # without variation they are the clips, two frames in a step, in another order
    gaps = features.reshape(100, 1, -1) - data.train.features.reshape(1, 100, -1)
    place = np.abs(gaps).max(axis=2).argmin(axis=1)
    assert np.abs(gaps).max(axis=2).min(axis=1).max() < 1e-3
    assert sorted(place) == list(range(100))
    assert list(place) != list(range(100))
    np.testing.assert_array_equal(data.train.labels[place], labels)


def test_what_does_not_fill_a_batch_is_left_for_another_epoch(made_set):
    batches = Batches(made_set(train=26), RECIPE, 0)
    assert batches.n_batches == 10
    first, second = (set(map(bytes, epoch_of(batches, n)[0])) for n in (0, 1))
    assert len(first) == len(second) == 100
    assert first != second


def test_seed_and_epoch_decide_everything(made_set):
    data = made_set((SILENCE, UNKNOWN, "yes", "no"), (0, 30, 20, 20), background=5)
    recipe = replace(RECIPE, augmentation=Augmentation())
    features, labels = epoch_of(Batches(data, recipe, 1), 3)
    again, same = epoch_of(Batches(data, recipe, 1), 3)
    np.testing.assert_array_equal(again, features)
    np.testing.assert_array_equal(same, labels)
    for other in (epoch_of(Batches(data, recipe, 2), 3), epoch_of(Batches(data, recipe, 1), 4)):
        assert (other[0] != features).any()
    # an epoch does not depend on the ones before it, or a run could not be resumed
    batches = Batches(data, recipe, 1)
    epoch_of(batches, 2)
    np.testing.assert_array_equal(epoch_of(batches, 3)[0], features)


def test_other_words_and_silence_come_in_the_asked_proportion(made_set):
    data = made_set((SILENCE, UNKNOWN, "yes", "no"), (3, 100, 20, 30), background=5)
    recipe = replace(RECIPE, batch=5, unknown=2.0, silence=1.0)
    _, labels = epoch_of(Batches(data, recipe, 0))
    # a word has 25 clips on average
    assert np.bincount(labels).tolist() == [25, 50, 20, 30]
    few = made_set((SILENCE, UNKNOWN, "yes", "no"), (0, 10, 20, 30), background=5)
    _, labels = epoch_of(Batches(few, recipe, 0))
    assert np.bincount(labels).tolist() == [25, 10, 20, 30]


def test_parts_of_words_are_other_words_on_top(made_set):
    data = made_set((SILENCE, UNKNOWN, "yes", "no"), (0, 60, 20, 30), background=5)
    recipe = replace(RECIPE, batch=5, parts=1.0)
    features, labels = epoch_of(Batches(data, recipe, 0))
    assert np.bincount(labels).tolist() == [25, 50 + 25, 20, 30]
    # 25 of them are no clip of the set
    others = features[labels == 1].reshape(75, 1, -1)
    gaps = np.abs(others - data.train.features.reshape(1, 110, -1)).max(axis=2).min(axis=1)
    assert (gaps > 1.0).sum() == 25
    again, _ = epoch_of(Batches(data, recipe, 0))
    np.testing.assert_array_equal(again, features)


def test_there_are_no_parts_of_words_where_nothing_else_is_told_from_words(made_set):
    _, labels = epoch_of(Batches(made_set(train=25), replace(RECIPE, parts=1.0), 0))
    assert np.bincount(labels).tolist() == [25, 25, 25, 25]


def test_how_often_labels_come(made_set):
    data = made_set((SILENCE, UNKNOWN, "yes", "no"), (3, 100, 20, 30), background=5)
    recipe = replace(RECIPE, batch=5, unknown=2.0, silence=1.0, parts=1.0)
    batches = Batches(data, recipe, 0)
    _, labels = epoch_of(batches)
    counts = np.bincount(labels)
    np.testing.assert_allclose(batches.frequencies, counts / counts.mean())
    few = made_set((SILENCE, "yes", "no"), (0, 10, 10))
    np.testing.assert_allclose(
        Batches(few, RECIPE, 0).frequencies, np.array([1, 10, 10]) / (20 / 3)
    )


def test_silence_is_made_of_background(made_set):
    data = made_set((SILENCE, UNKNOWN, "yes", "no"), (0, 100, 20, 30), background=5)
    features, labels = epoch_of(Batches(data, replace(RECIPE, batch=5), 0))
    pieces = features[labels == 0].reshape(25, 12, 8).astype(float)
    shapes = [np.sort(b.astype(float), axis=0) for b in data.background]
    for piece in pieces:
        gaps = [np.ptp(np.sort(piece, axis=0) - shape) for shape in shapes]
        assert min(gaps) < 1e-3


def test_silence_of_the_set_itself_is_used_where_there_is_no_background(made_set):
    data = made_set((SILENCE, "yes", "no"), (10, 20, 20))
    _, labels = epoch_of(Batches(data, RECIPE, 0))
    assert np.bincount(labels).tolist() == [10, 20, 20]


def test_the_window_is_seconds_of_the_end(made_set):
    data = made_set()
    # steps of 20 ms, six of them
    assert Batches(data, replace(RECIPE, window=0.06), 0).window == 3
    assert Batches(data, replace(RECIPE, window=0.001), 0).window == 1
    assert Batches(data, replace(RECIPE, window=9.0), 0).window == 6


def test_too_few_clips_are_refused(made_set):
    with pytest.raises(DataError, match="8 training clips do not fill one batch of 10; give more"):
        Batches(made_set(train=2), RECIPE, 0)


def test_too_short_clips_are_refused(made_set):
    with pytest.raises(DataError, match="12 frames are too short for a network that reads 13"):
        Batches(made_set(), replace(RECIPE, frames=13), 0)
