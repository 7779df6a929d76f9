"""Models of layers with values that a test chooses."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from edgemem.cells import Cell
from edgemem.frontend import FrontEnd
from edgemem.model import Model, Sample
from edgemem.ops import Array
from edgemem.runtime.rule import DetectorConfig


@pytest.fixture
def make_model() -> Callable[..., Model]:
    """``make_model(cell, params=None)``: a model of what is no sound; drawn arrays without any."""

    def make(cell: Cell, params: dict[str, Array] | None = None) -> Model:
        rng = np.random.default_rng(3)
        arrays = params or {n: rng.normal(0, 0.3, shape) for n, shape in cell.params.items()}
        none = Sample(np.zeros((0, 1, cell.n_in), np.float32), np.zeros(0, np.int64))
        return Model(
            name="made",
            frontend=FrontEnd(n_mels=cell.n_in, f_max=8000.0),
            cell=cell,
            params={**arrays, **cell.constants},
            labels=tuple(f"l{i}" for i in range(cell.n_out)),
            protocol="folders",
            detector=DetectorConfig(),
            calibration=none,
            validation=none,
        )

    return make
