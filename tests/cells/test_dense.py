"""Layers without memory against their formulae."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from edgemem import cells
from edgemem.ir import trace

FUNCTIONS = {
    "linear": lambda a: a,
    "relu": lambda a: a * (a > 0),
    "sigmoid": expit,
    "tanh": np.tanh,
}


@pytest.mark.parametrize("activation", FUNCTIONS)
def test_dense(activation):
    rng = np.random.default_rng(0)
    arrays = {"W": rng.normal(size=(4, 3)), "b": rng.normal(size=4)}
    x = rng.normal(size=(5, 3))
    y, _ = trace(cells.Dense(3, 4, activation), arrays).scan(x)
    expected = FUNCTIONS[activation](np.einsum("ij,tj->ti", arrays["W"], x) + arrays["b"])
    np.testing.assert_allclose(y, expected, atol=1e-14)


@pytest.mark.parametrize("activation", FUNCTIONS)
def test_norm(activation):
    rng = np.random.default_rng(0)
    arrays = {"gain": rng.normal(size=3), "offset": rng.normal(size=3)}
    x = rng.normal(size=(5, 3))
    y, _ = trace(cells.Norm(3, activation), arrays).scan(x)
    expected = FUNCTIONS[activation](x * arrays["gain"] + arrays["offset"])
    np.testing.assert_allclose(y, expected, atol=1e-14)


def test_a_fresh_norm_changes_nothing():
    cell = cells.Norm(3)
    x = np.random.default_rng(0).normal(size=(5, 3))
    y, _ = trace(cell, cell.init(np.random.default_rng(0))).scan(x)
    assert np.array_equal(y, x)
