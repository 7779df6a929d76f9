"""A placement as a part of a converted file."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import TYPE_CHECKING

from edgemem.errors import ArtefactError, GraphError, PlacementError
from edgemem.reading import DamageError, read_json
from edgemem.shapes import TEXT, ListOf, MapOf, Real, Record, Row, Whole

from .limits import Usage
from .result import Placement

if TYPE_CHECKING:
    from edgemem.artefact import Artefact

PART = "placement.json"

_COUNT = Whole(0, 1 << 24)
_MANY = 1 << 16
_USAGE = Record({}, {field.name: _COUNT for field in fields(Usage)})
_CHIP = Whole(1, 1 << 10)
_RUNS = ListOf(Row((_COUNT, Whole(1, 1 << 20))), _MANY, 1)
_MEAN = Real(0.0, 1e9)

SCHEMA = Record(
    {
        "limits": Record(
            {
                "name": TEXT,
                "core": _USAGE,
                "columns": _CHIP,
                "rows": _CHIP,
                "cores_per_tile": _CHIP,
                "port": Row((_COUNT, _COUNT)),
            }
        ),
        "cores": ListOf(
            Record(
                {
                    "place": _COUNT,
                    "slices": ListOf(Row((TEXT, _COUNT, _COUNT)), _MANY),
                    "usage": _USAGE,
                }
            ),
            _MANY,
        ),
        "routes": MapOf(Record({"cores": _RUNS, "east_west": _RUNS, "north_south": _RUNS}), _MANY),
        "links": ListOf(Row((TEXT, TEXT, _MEAN, _MEAN, _MEAN)), _MANY),
    }
)
"""What :meth:`Placement.to_dict` writes."""


def placement_part(placement: Placement) -> dict[str, bytes]:
    """The part, by its name."""
    return {PART: json.dumps(placement.to_dict(), separators=(",", ":")).encode()}


def read_placement(artefact: Artefact) -> Placement:
    """Where the network lies on the chip.

    Raises
    ------
    ArtefactError
        If the file does not say so, or says it wrongly.
    """
    try:
        values = read_json(artefact.part(PART))
        SCHEMA.check(values, "placement")
        return Placement.from_dict(values)
    except (DamageError, GraphError, PlacementError) as error:
        raise ArtefactError(
            f"{artefact.origin}: {PART} is damaged ({error}); convert the model again"
        ) from error
