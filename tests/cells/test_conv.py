"""The causal convolution and the cell of both directions."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import lfilter

from edgemem import cells
from edgemem.errors import ConfigError
from edgemem.ir import trace


@pytest.mark.parametrize("kernel", [1, 2, 5])
def test_a_convolution_is_a_sum_of_filters(kernel):
    rng = np.random.default_rng(0)
    cell = cells.Conv(3, 4, kernel)
    arrays = {name: rng.normal(size=shape) for name, shape in cell.params.items()}
    x = rng.normal(size=(20, 3))
    y, _ = trace(cell, arrays).scan(x)
    expected = np.tile(arrays["b"], (20, 1))
    for out in range(4):
        for channel in range(3):
            taps = [arrays[f"W_{k}"][out, channel] for k in range(kernel)]
            expected[:, out] += lfilter(taps, [1.0], x[:, channel])
    np.testing.assert_allclose(y, expected, atol=1e-12)


def test_a_convolution_goes_on_where_it_stopped():
    rng = np.random.default_rng(0)
    cell = cells.Conv(2, 3, 4, "relu")
    graph = trace(cell, cell.init(rng))
    x = rng.normal(size=(11, 2))
    whole, _ = graph.scan(x)
    first, states = graph.scan(x[:5])
    second, _ = graph.scan(x[5:], states)
    assert np.array_equal(whole, np.concatenate([first, second]))


def test_a_kernel_needs_a_step():
    with pytest.raises(ConfigError, match=r"conv\.kernel: must be greater than 0 \(got 0\)"):
        cells.Conv(1, 1, 0)


def test_both_directions_have_arrays_of_their_own_and_come_back_from_json():
    cell = cells.Stack((cells.Bidirectional(cells.LMU(2, 3, 4, 5.0)), cells.Dense(6, 2)))
    assert cell.params["0.bidirectional.forward.W_m"] == (3, 4)
    arrays = cell.init(np.random.default_rng(0))
    one, other = (arrays[f"0.bidirectional.{side}.W_m"] for side in ("forward", "backward"))
    assert not np.array_equal(one, other)
    assert set(cell.constants) == {
        f"0.bidirectional.{side}.{name}" for side in ("forward", "backward") for name in "AB"
    }
    assert cells.from_dict(cell.to_dict()) == cell


def test_both_directions_have_no_step():
    cell = cells.Bidirectional(cells.LEM(2, 3))
    with pytest.raises(ConfigError, match="whole sequence and cannot run step by step; train one"):
        trace(cell, cell.init(np.random.default_rng(0)))
