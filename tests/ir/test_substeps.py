"""Frames in smaller steps, against the frame."""

from __future__ import annotations

import numpy as np
import pytest

from edgemem.cells.lmu import legendre_delay
from edgemem.errors import ConfigError, UnsupportedOpError
from edgemem.ir.substeps import in_substeps, start_from_mean
from edgemem.ops import Array


@pytest.mark.parametrize(("order", "theta", "steps"), [(6, 9.0, 8), (10, 30.0, 16), (4, 50.0, 1)])
def test_steps_make_a_frame_and_their_mean_its_start(order: int, theta: float, steps: int) -> None:
    A, B = legendre_delay(order, theta)
    root, drive = in_substeps("m", A, B, steps)
    rng = np.random.default_rng(0)
    m: Array = rng.normal(size=order)
    v: Array = rng.normal(size=1)
    now, seen = m.copy(), []
    for _ in range(steps):
        now = root @ now + drive @ v
        seen.append(now)
    np.testing.assert_allclose(now, A @ m + B @ v, atol=1e-9)
    of_mean, of_drive = start_from_mean(root, drive, steps)
    np.testing.assert_allclose(of_mean @ np.mean(seen, axis=0) + of_drive @ v, m, atol=1e-8)


def test_refuses_what_has_no_real_root() -> None:
    with pytest.raises(UnsupportedOpError, match="the state 'm' has no real root"):
        in_substeps("m", np.diag([-0.5, 0.5]), np.ones((2, 1)), 4)


@pytest.mark.parametrize("steps", [0, 3])
def test_refuses_other_numbers_of_steps(steps: int) -> None:
    with pytest.raises(ConfigError, match="power of two"):
        in_substeps("m", np.eye(2), np.ones((2, 1)), steps)
