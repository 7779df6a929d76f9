"""How a network is run on units, as a part of a converted file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgemem.errors import ArtefactError
from edgemem.files import npz_bytes

from .emulator import Overflow
from .mapping import Accumulators

if TYPE_CHECKING:
    from edgemem.artefact import Artefact

SETTINGS = "graded.json"
UNITS = "units.npz"


@dataclass(frozen=True)
class Settings:
    """What a file says beside its program.

    Parameters
    ----------
    accumulators : {"split", "single"}
    overflow : {"strict", "hardware"}
    thresholds : mapping of int
        By the tensor that is sent, in its integer steps.
    labels : tuple of str
        Tensors that are labelled terms of the equations, in order of computation.
    """

    accumulators: Accumulators = "split"
    overflow: Overflow = "strict"
    thresholds: Mapping[str, int] = field(default_factory=dict)
    labels: tuple[str, ...] = ()


def settings_parts(settings: Settings, units: Mapping[str, NDArray[Any]]) -> dict[str, bytes]:
    """Settings, and what turns values into the units of the trained network, as parts."""
    text = json.dumps(
        {
            "accumulators": settings.accumulators,
            "overflow": settings.overflow,
            "thresholds": dict(settings.thresholds),
            "labels": list(settings.labels),
        },
        separators=(",", ":"),
    )
    return {SETTINGS: text.encode(), UNITS: npz_bytes(dict(units))}


def read_settings(artefact: Artefact) -> tuple[Settings, dict[str, NDArray[np.float64]]]:
    """What :func:`settings_parts` put into a file.

    Raises
    ------
    ArtefactError
        If there is none, or it is damaged.
    """
    text, units = artefact.part(SETTINGS), artefact.arrays(UNITS)
    try:
        plan = json.loads(text)
        settings = Settings(
            accumulators=_one_of(plan["accumulators"], ("split", "single")),
            overflow=_one_of(plan["overflow"], ("strict", "hardware")),
            thresholds={str(name): int(n) for name, n in plan["thresholds"].items()},
            labels=tuple(str(name) for name in plan["labels"]),
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ArtefactError(
            f"{artefact.origin}: {SETTINGS} is damaged ({error!r}); convert the model again"
        ) from error
    return settings, dict(units)


def _one_of(value: Any, known: tuple[str, ...]) -> Any:
    if value not in known:
        raise ValueError(f"{value!r} is none of {', '.join(known)}")
    return value
