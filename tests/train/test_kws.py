"""What a trained model carries for its conversion: calibration, validation, decision rule."""

from __future__ import annotations

import numpy as np
import pytest

from edgemem.data.protocols import SILENCE, UNKNOWN
from edgemem.ir import trace
from edgemem.train import kws
from edgemem.train.augment import Augmentation
from edgemem.train.batches import Batches
from edgemem.train.recipes import Recipe

pytestmark = pytest.mark.training

WORDS = (SILENCE, UNKNOWN, "yes", "no")
RECIPE = Recipe("gru", ({"n_units": 2},), batch=4, augmentation=Augmentation(level=(-9.0, -6.0)))


def batches_of(data):
    return Batches(data, RECIPE, 0)


def sources(sample, clips):
    """Which clip each stretch of a calibration sample is, -1 for none."""
    pieces = sample.features.reshape(-1, 12, 8)
    gaps = np.abs(pieces[:, None] - clips[None]).max(axis=(2, 3))
    return np.where(gaps.min(axis=1) < 1e-4, gaps.argmin(axis=1), -1)


def test_calibration_is_clips_one_after_the_other_some_varied_some_noise(made_set):
    data = made_set(WORDS, (0, 40, 40, 40), background=5)
    sample = kws.calibration_sample(data, batches_of(data), 0)
    assert sample.features.shape == (12, 4 * 6, 16)
    assert sample.labels.shape == (0,)
    assert np.isfinite(sample.features).all()
    found = sources(sample, data.train.features)
    varied = [row for row in range(48) if row % 3 == 0 or row % 8 == 1]
    assert (found[varied] == -1).all()
    plain = np.delete(found, varied)
    assert (plain >= 0).all()
    assert len(set(plain)) == len(plain)


def test_calibration_makes_do_with_few_clips_and_no_background(made_set):
    data = made_set(train=2)
    sample = kws.calibration_sample(data, batches_of(data), 0)
    assert sample.features.shape == (12, 4 * 6, 16)
    assert (np.delete(sources(sample, data.train.features), np.s_[::3]) >= 0).all()


def test_samples_follow_from_the_seed(made_set):
    data = made_set(WORDS, (0, 40, 40, 40), 100, background=5)
    batches = batches_of(data)
    for take in (
        lambda seed: kws.calibration_sample(data, batches, seed),
        lambda seed: kws.validation_sample(data.validation, batches, seed),
    ):
        np.testing.assert_array_equal(take(0).features, take(0).features)
        assert (take(0).features != take(1).features).any()


def test_validation_has_every_label_alike_and_the_clips_labels(made_set):
    data = made_set(("a", "b", "c"), 20, 200)
    sample = kws.validation_sample(data.validation, batches_of(data), 0)
    assert sample.features.shape == (240, 6, 16)
    assert np.bincount(sample.labels).tolist() == [80, 80, 80]
    clips = sample.features.reshape(-1, 12, 8)
    gaps = np.abs(clips[:, None] - data.validation.features[None]).max(axis=(2, 3))
    assert gaps.min(axis=1).max() == 0.0
    np.testing.assert_array_equal(data.validation.labels[gaps.argmin(axis=1)], sample.labels)


def test_few_validation_clips_are_all_taken(made_set):
    data = made_set(("a", "b", "c"), 20, 10)
    sample = kws.validation_sample(data.validation, batches_of(data), 0)
    assert np.bincount(sample.labels).tolist() == [10, 10, 10]


def test_the_rule_ignores_what_is_no_keyword_and_keeps_noise_below_its_threshold(made_set):
    data = made_set(WORDS, (0, 40, 40, 40), 50, background=5)
    batches = batches_of(data)
    stack = RECIPE.stack(16, 4)
    graph = trace(stack, stack.init(np.random.default_rng(0)))
    rule = kws.choose_detector(graph, data, batches, 0)
    assert rule.ignore == (SILENCE, UNKNOWN)
    assert rule.window == batches.window
    assert 0.5 <= rule.threshold <= 0.9
    assert 0.0 < rule.release < rule.threshold


def test_without_silence_and_unknown_the_rule_has_a_threshold_of_its_own(made_set):
    data = made_set(train=20)
    stack = RECIPE.stack(16, 4)
    graph = trace(stack, stack.init(np.random.default_rng(0)))
    rule = kws.choose_detector(graph, data, batches_of(data), 0)
    assert rule.ignore == ()
    assert 0.5 < rule.threshold < 0.9
