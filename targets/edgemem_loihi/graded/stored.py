"""How a network is run on units, as a part of a converted file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
from numpy.typing import NDArray

from edgemem.errors import ArtefactError
from edgemem.files import npz_bytes
from edgemem.reading import DamageError, read_json
from edgemem.shapes import TEXT, ListOf, MapOf, OneOf, Record, Whole

from .emulator import Overflow
from .mapping import Accumulators

if TYPE_CHECKING:
    from edgemem.artefact import Artefact

SETTINGS = "graded.json"
UNITS = "units.npz"

SCHEMA = Record(
    {
        "accumulators": OneOf(get_args(Accumulators)),
        "overflow": OneOf(get_args(Overflow)),
        "thresholds": MapOf(Whole(0, 1 << 24), 1 << 16),
        "labels": ListOf(TEXT, 1 << 16),
    }
)
"""What :func:`settings_parts` writes as JSON."""


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
    units = artefact.arrays(UNITS)
    try:
        plan = read_json(artefact.part(SETTINGS))
        SCHEMA.check(plan, "settings")
        for name, array in units.items():
            if array.dtype.kind not in "fi" or array.ndim > 3 or not np.isfinite(array).all():
                raise DamageError(f"array {name!r} holds no units of a value")
    except DamageError as error:
        raise ArtefactError(
            f"{artefact.origin}: {SETTINGS} is damaged ({error}); convert the model again"
        ) from error
    settings = Settings(
        accumulators=plan["accumulators"],
        overflow=plan["overflow"],
        thresholds=plan["thresholds"],
        labels=tuple(plan["labels"]),
    )
    return settings, units
