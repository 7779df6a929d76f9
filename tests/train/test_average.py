"""The running mean of weights, and the rate while it is taken."""

from __future__ import annotations

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow", reason="the train extra is not installed")
pytest.importorskip("nengo_dl", reason="the train extra is not installed")

from edgemem.train.average import WeightAverage  # noqa: E402
from edgemem.train.trainer import WarmCosine  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")


def test_the_mean_of_three_epochs_stands_in_place_and_goes_again() -> None:
    values = np.random.default_rng(0).normal(size=(3, 4, 2)).astype(np.float32)
    live = tf.Variable(np.zeros((4, 2), np.float32))
    average = WeightAverage([live])
    for value in values:
        live.assign(value)
        average.update()
    with average.in_place():
        np.testing.assert_allclose(live.numpy(), values.mean(axis=0), atol=1e-6)
    np.testing.assert_array_equal(live.numpy(), values[-1])


def test_the_live_values_come_back_after_an_error() -> None:
    live = tf.Variable([1.0])
    average = WeightAverage([live])
    with pytest.raises(RuntimeError), average.in_place():
        raise RuntimeError
    assert live.numpy() == [1.0]


def test_another_average_goes_on_from_the_variables_of_the_first() -> None:
    live = tf.Variable([2.0])
    first, second = WeightAverage([live]), WeightAverage([live])
    first.update()
    for mine, kept in zip(second.variables, first.variables):
        mine.assign(kept)
    live.assign([4.0])
    second.update()
    with second.in_place():
        assert live.numpy() == [3.0]


def test_after_the_cosine_the_rate_is_steady() -> None:
    rate = WarmCosine(1.0, 10, 100, 0.1)
    assert float(rate(99)) == pytest.approx(0.0, abs=1e-3)
    assert [float(rate(step)) for step in (100, 5000)] == pytest.approx([0.1, 0.1])
