"""A placement as a part of a converted file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from edgemem.errors import ArtefactError

from .result import Placement

if TYPE_CHECKING:
    from edgemem.artefact import Artefact

PART = "placement.json"


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
    text = artefact.part(PART)
    try:
        return Placement.from_dict(json.loads(text))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ArtefactError(
            f"{artefact.origin}: {PART} is damaged ({error!r}); convert the model again"
        ) from error
