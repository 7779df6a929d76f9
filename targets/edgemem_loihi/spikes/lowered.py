"""A design with its frames, and as parts of a converted file."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgemem.errors import ArtefactError, GraphError
from edgemem.files import npz_bytes
from edgemem_loihi.spikes.code import Code
from edgemem_loihi.spikes.design import Design, Relay, Span, Value

if TYPE_CHECKING:
    from edgemem.artefact import Artefact

DESIGN = "spikes.json"
ARRAYS = "spikes.npz"

OUTPUT = "output"
"""Name of the population of the output."""

WRITTEN = "x written"
"""Lines of the input that write memories: they are silent while these hold."""

_CODE = ("unit", "sign", "level", "spacing", "worth", "offset", "step")


@dataclass(frozen=True)
class Frames:
    """How frames of a network lie on steps of the chip.

    Parameters
    ----------
    steps : int
        Steps of each frame.
    written : tuple of int
        Steps in which the lines :data:`WRITTEN` speak.
    read : tuple of int
        Steps over whose spikes the output is a mean.
    """

    steps: int
    written: Span
    read: Span


@dataclass(frozen=True)
class Lowered:
    """A network ready to be assembled; its output is the value :data:`OUTPUT`."""

    design: Design
    frames: Frames


def design_parts(lowered: Lowered, strict: bool) -> dict[str, bytes]:
    """The design as JSON and arrays, each under the name of its part."""
    design, frames = lowered.design, lowered.frames
    arrays: dict[str, NDArray[Any]] = {}
    for name, coded in {**design.inputs, **{n: v.code for n, v in design.values.items()}}.items():
        arrays.update({f"code/{name}/{field}": getattr(coded, field) for field in _CODE})
    for name, value in design.values.items():
        arrays[f"bias/{name}"] = value.bias
        arrays.update({f"drive/{name}/{s}": matrix for s, matrix in value.drives.items()})
    plan = {
        "inputs": list(design.inputs),
        "values": [[name, list(v.drives), v.holds, v.biased] for name, v in design.values.items()],
        "relays": [[name, relay.source, *relay.open] for name, relay in design.relays.items()],
        "period": design.period,
        "steps": design.steps,
        "written": frames.written,
        "read": frames.read,
        "strict": strict,
    }
    return {
        DESIGN: json.dumps(plan, separators=(",", ":")).encode(),
        ARRAYS: npz_bytes(arrays),
    }


def read_design(artefact: Artefact) -> tuple[Lowered, bool]:
    """What :func:`design_parts` put into a file.

    Raises
    ------
    ArtefactError
        If it is missing or damaged.
    """
    text, arrays = artefact.part(DESIGN), artefact.arrays(ARRAYS)
    try:
        plan = json.loads(text)
        return _lowered(plan, arrays), bool(plan["strict"])
    except (ValueError, KeyError, TypeError, AttributeError, GraphError) as error:
        raise ArtefactError(
            f"{artefact.origin}: {DESIGN} holds no network on spikes ({error}); "
            "convert the model again"
        ) from error


def _lowered(plan: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Lowered:
    def coded(name: str) -> Code:
        return Code(*(arrays[f"code/{name}/{field}"] for field in _CODE))

    design = Design(
        inputs={name: coded(name) for name in plan["inputs"]},
        values={
            name: Value(
                {s: np.asarray(arrays[f"drive/{name}/{s}"], np.float64) for s in drives},
                arrays[f"bias/{name}"],
                coded(name),
                bool(holds),
                None if biased is None else (int(biased[0]), int(biased[1])),
            )
            for name, drives, holds, biased in plan["values"]
        },
        relays={name: Relay(s, (int(a), int(b))) for name, s, a, b in plan["relays"]},
        period=int(plan["period"]),
        steps=int(plan["steps"]),
    )
    (a, b), (c, d) = plan["written"], plan["read"]
    return Lowered(design, Frames(design.steps, (int(a), int(b)), (int(c), int(d))))
