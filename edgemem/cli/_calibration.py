"""Calibration sequences of a folder that a person names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from edgemem.frontend import FrontEnd
    from edgemem.target import Features


def recorded(folder: Path, frontend: FrontEnd) -> Features:
    """Features of recordings; those that cannot be used are named on standard error."""
    from edgemem.quantize.clips import sequences

    found, skipped = sequences(folder, frontend)
    if skipped:
        click.echo(f"calibration leaves out {len(skipped)} recordings:", err=True)
    for reason in skipped:
        click.echo(f"  {reason}", err=True)
    return found
