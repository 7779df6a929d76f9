"""What every command that trains needs."""

from __future__ import annotations

import json
import logging
from importlib import import_module
from pathlib import Path
from typing import Any

from edgemem.errors import ConfigError, MissingExtraError


def layer_values(text: str) -> dict[str, Any]:
    """What ``NAME=VALUE,...`` says, in JSON values."""
    values: dict[str, Any] = {}
    for item in text.split(","):
        key, found, value = item.partition("=")
        if not found:
            raise ConfigError(f"--layer: {item!r} is not NAME=VALUE, in {text!r}")
        try:
            values[key.strip()] = json.loads(value)
        except json.JSONDecodeError:
            values[key.strip()] = value.strip()
    return values


def check_extras() -> None:
    """Refuse to start without what training needs, to its very end.

    Raises
    ------
    MissingExtraError, PackageError
        See :mod:`edgemem.frameworks`.
    """
    from edgemem import frameworks

    frameworks.check()
    try:
        import_module("matplotlib")
    except ImportError:
        raise MissingExtraError("training", "matplotlib", "train") from None
    # a layer that is measured on splits of other lengths is traced for each, and says so at length
    logging.getLogger("tensorflow").setLevel(logging.ERROR)


def stopped(out: Path) -> str:
    """What a person should know of a run that was interrupted."""
    from edgemem.train.checkpoint import checkpoints

    if any(path.exists() for path in checkpoints(out)):
        return "stopped; the same command with --resume goes on after the last whole epoch"
    return "stopped before the first epoch was over; nothing was kept"
