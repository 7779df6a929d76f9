"""A picture of where two networks part."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from edgemem import drawing
from edgemem.evaluate.compare import Comparison
from edgemem.evaluate.tally import Distance

_LEAST = 1e-6
"""Distances below this, 0 among them, have one colour."""


def draw(comparison: Comparison, out: Path) -> None:
    """Write a picture: distance of each tensor over the frames, and that of the outputs.

    Parameters
    ----------
    comparison : Comparison
    out : Path
        PNG file.

    Raises
    ------
    MissingExtraError
        Without matplotlib.
    OutputError
        If the file cannot be written.
    """
    tensors = comparison.tensors
    figure = drawing.figure(9.0, 3.5 + 0.16 * len(tensors))
    if tensors:
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=(len(tensors), 16))
        _draw_tensors(figure, above, tensors)
    else:
        above = below = figure.subplots()
    above.set_title(" and ".join(Path(n).name for n in comparison.names), fontsize="medium")
    _draw_output(below, comparison)
    drawing.save(figure, out)


def _draw_tensors(figure: Any, axes: Any, tensors: tuple[Distance, ...]) -> None:
    shades = np.log10(np.maximum([tensor.by_frame for tensor in tensors], _LEAST))
    image = axes.imshow(shades, aspect="auto", cmap="magma", vmin=np.log10(_LEAST), vmax=0.0)
    names = [tensor.tensor + (" (gain)" if tensor.gain else "") for tensor in tensors]
    axes.set_yticks(range(len(tensors)), names, fontsize=6)
    figure.colorbar(image, ax=axes, label="log10 of RMS difference / RMS")


def _draw_output(axes: Any, comparison: Comparison) -> None:
    axes.plot(comparison.output.by_frame, color="0.2")
    axes.set_ylim(bottom=0.0)
    axes.set_xlabel("frame")
    axes.set_ylabel("outputs: RMS\ndifference / RMS")
