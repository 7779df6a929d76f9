"""An integer program as parts of a converted file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from edgemem.errors import ArtefactError, ConfigError, GraphError
from edgemem.files import npz_bytes
from edgemem.quantize.program import Program

if TYPE_CHECKING:
    from edgemem.artefact import Artefact

PROGRAM = "program.json"
ARRAYS = "program.npz"


def program_parts(program: Program) -> dict[str, bytes]:
    """Operations and integers, each under the name of its part."""
    plan = json.dumps(program.to_dict(), separators=(",", ":"))
    return {PROGRAM: plan.encode(), ARRAYS: npz_bytes(program.to_arrays())}


def read_program(artefact: Artefact) -> Program:
    """The program that :func:`program_parts` put into a file.

    Raises
    ------
    ArtefactError
        If there is none, or it is damaged.
    """
    text, arrays = artefact.part(PROGRAM), artefact.arrays(ARRAYS)
    try:
        return Program.from_dict(json.loads(text), arrays)
    except (ValueError, KeyError, TypeError, GraphError, ConfigError) as error:
        raise ArtefactError(
            f"{artefact.origin}: {PROGRAM} holds no integer program ({error}); "
            "convert the model again"
        ) from error
