"""Metrics against hand-computed cases, and added up from parts."""

from __future__ import annotations

import math

import numpy as np
import pytest

from edgemem.train.tasks.metrics import METRICS

LOGITS = np.log(np.array([[0.5, 0.25, 0.25], [0.125, 0.125, 0.75], [0.1, 0.8, 0.1]]))
CLASSES = np.array([0, 0, -1])
OUTPUTS = np.array([[1.0], [3.0], [7.0]])
VALUES = np.array([[2.0], [1.0], [np.nan]])


def test_what_does_not_count_is_left_out():
    assert METRICS["accuracy"].of(LOGITS, CLASSES) == 0.5
    # half a bit short of two: -log2(0.5) = 1, -log2(0.125) = 3
    assert METRICS["bpc"].of(LOGITS, CLASSES) == pytest.approx(2.0)
    assert METRICS["perplexity"].of(LOGITS, CLASSES) == pytest.approx(4.0)
    assert METRICS["mse"].of(OUTPUTS, VALUES) == pytest.approx((1.0 + 4.0) / 2)
    assert METRICS["rmse"].of(OUTPUTS, VALUES) == pytest.approx(math.sqrt(2.5))
    assert METRICS["nrmse"].of(OUTPUTS, VALUES) == pytest.approx(math.sqrt(5.0 / 5.0))


@pytest.mark.parametrize("name", ["accuracy", "bpc", "perplexity"])
def test_sums_of_parts_are_those_of_the_whole(name):
    metric = METRICS[name]
    parts = [metric.sums(LOGITS[i : i + 1], CLASSES[i : i + 1]) for i in range(3)]
    assert metric.finish(sum(parts)) == pytest.approx(metric.of(LOGITS, CLASSES))


def test_better_is_higher_or_lower_and_no_figure_is_worst():
    assert METRICS["accuracy"].is_better(0.9, 0.8)
    assert METRICS["mse"].is_better(0.8, 0.9)
    assert METRICS["mse"].is_better(0.8, math.nan)
    assert not METRICS["mse"].is_better(math.nan, 0.8)
    assert METRICS["accuracy"].shown(0.98765) == "98.77%"
    assert METRICS["nrmse"].shown(0.0487654) == "0.04877"
