"""Parts of words: where they are cut, and what they are made of."""

from __future__ import annotations

import numpy as np

from edgemem.frontend import FrontEnd
from edgemem.train.negatives import negatives, passed

DECIBEL = FrontEnd(n_mels=3)


def clips(n, start, end, level, steps=40):
    """Clips in dB with a word of even loudness between two frames; band 0 tells the frame."""
    frames = np.full((n, steps, 3), -60.0, np.float32)
    frames[:, start:end] = level
    return frames


def test_the_place_where_a_share_of_the_sound_is_over():
    power = np.full((1, 40), 1e-6)
    power[0, 10:20] = 1.0
    for share, frame in ((0.05, 10), (0.45, 14), (0.95, 19)):
        assert passed(power, np.array([share]))[0] == frame


def test_parts_begin_as_the_first_word_and_end_as_the_second_or_not_at_all():
    n = 200
    first, second = clips(n, 10, 20, -10.0), clips(n, 20, 30, -20.0)
    parts = negatives(first, second, DECIBEL, np.random.default_rng(0))
    assert parts.shape == first.shape
    assert parts.dtype == np.float32
    from_first = (parts[:, :, 0] == -10.0).sum(axis=1)
    from_second = (parts[:, :, 0] == -20.0).sum(axis=1)
    spliced = from_second > 0
    assert 0.35 < spliced.mean() < 0.65
    # 35 to 65 % of either word; what has begun is 15 to 40 % of one, at the end of the clip
    assert from_first[spliced].min() >= 3
    assert from_first[spliced].max() <= 7
    assert from_second[spliced].min() >= 3
    assert from_second[spliced].max() <= 7
    assert from_first[~spliced].min() >= 1
    assert from_first[~spliced].max() <= 4
    np.testing.assert_array_equal(parts[~spliced, -1, 0], np.full((~spliced).sum(), -10.0))
    # no gap in a splice: the second word goes on where the first one stops
    loud = parts[spliced, :, 0] > -30.0
    assert ((np.diff(loud.astype(int), axis=1) == 1).sum(axis=1) == 1).all()


def test_the_seed_decides_and_cepstra_are_cut_by_their_first_coefficient():
    first, second = clips(20, 10, 20, 5.0), clips(20, 10, 20, 4.0)
    frontend = FrontEnd(kind="mfcc", n_mels=10, n_mfcc=3)
    one, two = (negatives(first, second, frontend, np.random.default_rng(seed)) for seed in (1, 1))
    np.testing.assert_array_equal(one, two)
    assert (one != negatives(first, second, frontend, np.random.default_rng(2))).any()
    assert ((one[:, :, 0] == 5.0).sum(axis=1) < 10).all()
