"""A design with its frames, and as parts of a converted file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgemem.errors import ArtefactError, GraphError
from edgemem.files import npz_bytes
from edgemem.ir import INPUT
from edgemem.reading import DamageError, read_json
from edgemem.shapes import FLAG, TEXT, ListOf, Maybe, Record, Row, Whole
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

MOST_COMPARATORS = 1 << 17
MOST_PAIRS = 1 << 24
"""Comparators of a chip, and pairs of them between which synapses lie."""

_LARGEST = 1e12
_STEP = Whole(0, 1 << 12)
_SPAN = Row((_STEP, _STEP))
_NAMES = ListOf(TEXT, 1 << 12)
_VALUE = Row((TEXT, _NAMES, FLAG, Maybe(_SPAN)))

SCHEMA = Record(
    {
        "inputs": _NAMES,
        "values": ListOf(_VALUE, 1 << 12),
        "relays": ListOf(Row((TEXT, TEXT, _STEP, _STEP)), 1 << 12),
        "period": Whole(1, 1 << 12),
        "steps": Whole(1, 1 << 12),
        "written": _SPAN,
        "read": _SPAN,
        "strict": FLAG,
    }
)
"""What :func:`design_parts` writes as JSON."""

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
    arrays = artefact.arrays(ARRAYS)
    try:
        plan = read_json(artefact.part(DESIGN))
        SCHEMA.check(plan, "design")
        lowered = _lowered(plan, arrays)
        _check_design(lowered)
        return lowered, plan["strict"]
    except (DamageError, GraphError) as error:
        raise ArtefactError(
            f"{artefact.origin}: {DESIGN} holds no network on spikes ({error}); "
            "convert the model again"
        ) from error


def _check_design(lowered: Lowered) -> None:
    """Refuse a design that no machine could run: one of other ends, or too large."""
    design = lowered.design
    missing = [name for name in (INPUT, WRITTEN) if name not in design.inputs]
    missing += [] if OUTPUT in design.values else [OUTPUT]
    if missing or design.inputs[INPUT].size != design.inputs[WRITTEN].size:
        raise GraphError(f"no input or value named {missing}, or inputs of two sizes")
    if len(design.codes) != len(design.inputs) + len(design.values) + len(design.relays):
        raise GraphError("inputs, values and relays share a name")
    codes = design.codes
    pairs = sum(
        value.code.comparators * codes[source].comparators
        for value in design.values.values()
        for source in value.drives
    )
    if sum(coded.comparators for coded in codes.values()) > MOST_COMPARATORS or pairs > MOST_PAIRS:
        raise GraphError(f"more than {MOST_COMPARATORS} comparators or {MOST_PAIRS} synapses")
    spans = [lowered.frames.written, lowered.frames.read]
    spans += [relay.open for relay in design.relays.values()]
    spans += [value.biased for value in design.values.values() if value.biased is not None]
    if any(not 0 <= first < last <= design.steps for first, last in spans):
        raise GraphError(f"steps beyond a frame of {design.steps}")


def _code(name: str, arrays: Mapping[str, NDArray[Any]]) -> Code:
    parts = [_array(arrays, f"code/{name}/{field}", 1) for field in _CODE]
    unit, sign, level, spacing, worth, offset, step = parts
    whole = all(part.dtype.kind == "i" for part in (unit, sign))
    if not whole or not {part.shape for part in parts[:5]} == {unit.shape}:
        raise GraphError(f"code of {name!r}: comparators of several numbers")
    if offset.shape != step.shape or not unit.size or not (spacing > 0).all() or (step <= 0).any():
        raise GraphError(f"code of {name!r}: steps that are none")
    if unit.min() < 0 or unit.max() >= len(offset) or not np.isin(sign, (-1, 1)).all():
        raise GraphError(f"code of {name!r}: comparators of units that it does not have")
    return Code(unit.astype(np.int64), sign.astype(np.int64), level, spacing, worth, offset, step)


def _array(arrays: Mapping[str, NDArray[Any]], name: str, ndim: int) -> NDArray[Any]:
    array = arrays.get(name)
    if array is None or array.ndim != ndim or array.dtype.kind not in "if":
        raise GraphError(f"no array {name!r} of {ndim} axes")
    if not (np.abs(array) < _LARGEST).all():
        raise GraphError(f"array {name!r} holds what is no number of a chip")
    return array


def _lowered(plan: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Lowered:
    design = Design(
        inputs={name: _code(name, arrays) for name in plan["inputs"]},
        values={
            name: Value(
                {s: _array(arrays, f"drive/{name}/{s}", 2).astype(np.float64) for s in drives},
                _array(arrays, f"bias/{name}", 1),
                _code(name, arrays),
                holds,
                None if biased is None else (biased[0], biased[1]),
            )
            for name, drives, holds, biased in plan["values"]
        },
        relays={name: Relay(s, (a, b)) for name, s, a, b in plan["relays"]},
        period=plan["period"],
        steps=plan["steps"],
    )
    (a, b), (c, d) = plan["written"], plan["read"]
    return Lowered(design, Frames(design.steps, (a, b), (c, d)))
