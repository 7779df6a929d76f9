"""Other words that a network takes for keywords: which they are, and how often they then come."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgemem.cells import Dense
from edgemem.data.protocols import SILENCE, UNKNOWN
from edgemem.ir import trace
from edgemem.train.augment import Augmentation
from edgemem.train.batches import Batches
from edgemem.train.hard import hardest
from edgemem.train.recipes import Recipe

STILL = Augmentation(0.0, 0.0, (0.0, 0.0), 0.0, floor=0.0, time_masks=0, band_masks=0)
RECIPE = Recipe("gru", ({"n_units": 2},), batch=10, unknown=1.0, augmentation=STILL)
WORDS = (SILENCE, UNKNOWN, "yes", "no")


def network(wanted):
    """A layer that finds the keyword ``wanted`` where the first band is loud."""
    weights = np.zeros((4, 16))
    weights[wanted, 0] = 0.1
    return trace(Dense(16, 4), {"W": weights, "b": np.zeros(4)})


def louder(data, rows):
    features = data.train.features.copy()
    features[rows, :, 0] = np.arange(len(rows), 0, -1)[:, None] * 5.0
    return replace(data, train=replace(data.train, features=features))


def test_the_tenth_most_like_a_keyword_is_found_the_hardest_first(made_set):
    data = made_set(WORDS, (0, 40, 20, 20), background=2)
    others = np.flatnonzero(data.train.labels == 1)
    loud = others[[7, 3, 30, 12]]
    batches = Batches(louder(data, loud), RECIPE, 0)
    np.testing.assert_array_equal(hardest(network(2), batches), loud)
    # what is like silence or like other words is not hard
    assert set(hardest(network(1), batches)).isdisjoint(loud)


def test_without_other_words_there_are_none(made_set):
    assert len(hardest(network(2), Batches(made_set(), RECIPE, 0))) == 0


def test_they_come_more_often(made_set):
    data = made_set(WORDS, (0, 40, 25, 25), background=2)
    others = np.flatnonzero(data.train.labels == 1)
    hard = others[:2]
    batches = Batches(data, replace(RECIPE, unknown=1.6), 0, more=np.repeat(hard, 5))
    features, labels = map(np.concatenate, zip(*batches.epoch(0)))
    # all 40 once, as 1.6 times 25 are asked for, and two of them five times more: 125 with silence
    assert len(labels) == 120
    assert 45 <= np.bincount(labels)[1] <= 50
    for position in hard:
        clip = data.train.features[position].reshape(6, 16)
        times = (np.abs(features - clip).max(axis=(1, 2)) < 1e-3).sum()
        assert 4 <= times <= 6  # the last ones fill no batch
    np.testing.assert_allclose(batches.frequencies, np.array([25, 50, 25, 25]) / 31.25)
