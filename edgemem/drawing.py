"""Where every picture starts and ends: a matplotlib figure, and its PNG file."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from edgemem.errors import MissingExtraError
from edgemem.files import write_atomic


def figure(width: float, height: float) -> Any:
    """An empty ``matplotlib.figure.Figure`` of that size in inches, with constrained layout.

    Raises
    ------
    MissingExtraError
        Without matplotlib.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtraError("drawing", "matplotlib", "plot") from None
    return Figure(figsize=(width, height), layout="constrained")


def save(drawn: Any, out: Path, dpi: int = 110) -> None:
    """Write a figure as PNG; whole or not at all.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    picture = io.BytesIO()
    drawn.savefig(picture, format="png", dpi=dpi)
    write_atomic(out, picture.getvalue())
