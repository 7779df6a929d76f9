"""Everything that can be seen inside a model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgemem.cells import LMU
from edgemem.errors import ConfigError, DataError
from edgemem.inspect.counts import LayerCounts, layer_counts, total
from edgemem.inspect.layers import Layer, layers
from edgemem.inspect.timescales import GATES, TimeScales, time_scales
from edgemem.inspect.window import Window, window
from edgemem.model import Model


@dataclass(frozen=True)
class Inside:
    """A model, looked at.

    Parameters
    ----------
    name : str
    period : float or None
        Seconds between two steps; None where the steps of the model have no time.
    layers : tuple of LayerCounts
    along : str
        Sequences along which the rest was measured; empty without any.
    sequences, n_steps : int
        How many, and how long.
    scales : tuple of TimeScales
        Of every gate of a LEM, GRU or LSTM.
    windows : tuple of Window
        Of every LMU.
    """

    name: str
    period: float | None
    layers: tuple[LayerCounts, ...]
    along: str = ""
    sequences: int = 0
    n_steps: int = 0
    scales: tuple[TimeScales, ...] = ()
    windows: tuple[Window, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Everything, as JSON values."""
        return {
            "model": self.name,
            "step_seconds": self.period,
            "layers": [each.to_dict(self.period) for each in self.layers],
            "total": total(self.layers).to_dict(self.period),
            "along": self.along,
            "sequences": self.sequences,
            "steps": self.n_steps,
            "time_scales": [each.to_dict(self.period) for each in self.scales],
            "windows": [each.to_dict(self.period) for each in self.windows],
        }


def looks_along(model: Model) -> bool:
    """Whether a layer has gates or a window, so that sequences show something."""
    return any(_shows(layer) for layer in layers(model))


def report(
    model: Model,
    x: npt.NDArray[np.float32] | None = None,
    along: str = "",
    seed: int = 0,
    shown: int = 0,
) -> Inside:
    """Look inside a model.

    Parameters
    ----------
    model : Model
        Its float arrays are looked at, whatever it is converted to later.
    x : (n, n_steps, n_in) array, optional
        Sequences; without them layers are counted and nothing else.
    along : str
        Where they come from.
    seed : int
        Of the fresh arrays that trained ones are compared with.
    shown : int
        The sequence whose window is kept for a picture.

    Raises
    ------
    ConfigError
        If there is no sequence of that number.
    DataError
        If the sequences are not what the model reads.
    """
    found = layers(model)
    period = None if model.frontend.kind == "values" else model.frontend.frame_period
    counted = tuple(map(layer_counts, found))
    if x is None:
        return Inside(model.name, period, counted)
    _check(model, x, along, shown)
    scales: list[TimeScales] = []
    windows: list[Window] = []
    last = max((i for i, layer in enumerate(found) if _shows(layer)), default=-1)
    read = np.asarray(x, np.float64)
    for i, layer in enumerate(found[: last + 1]):
        for part in layer.passes:
            scales += time_scales(part, read, seed)
            seen = window(part, read, shown)
            windows += [] if seen is None else [seen]
        if i < last:
            read = layer.outputs(read)
    n, n_steps = x.shape[:2]
    return Inside(model.name, period, counted, along, n, n_steps, tuple(scales), tuple(windows))


def _shows(layer: Layer) -> bool:
    return any(type(part.cell) in (LMU, *GATES) for part in layer.passes)


def _check(model: Model, x: npt.NDArray[np.float32], along: str, shown: int) -> None:
    if x.ndim != 3 or not x.size or x.shape[2] != model.cell.n_in:
        raise DataError(
            f"{along}: sequences of shape {x.shape}; the network reads "
            f"(sequences, steps, {model.cell.n_in})"
        )
    if not np.isfinite(x).all():
        raise DataError(f"{along}: a value is no finite number; sequences must be complete")
    if not 0 <= shown < len(x):
        raise ConfigError(f"there is no sequence {shown}; known: 0 to {len(x) - 1}")
