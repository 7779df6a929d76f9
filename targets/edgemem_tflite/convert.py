"""Host half: a network to a TFLite flatbuffer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgemem.artefact import COMMON_PARTS, LABELS
from edgemem.errors import UnsupportedOpError
from edgemem.ir.passes import fold
from edgemem.quantize import build
from edgemem.quantize.scheme import choose
from edgemem.quantize.steps import steps
from edgemem.reading import DamageError
from edgemem.target import Converted

from .flatbuffer import Program, serialize
from .lower import lower
from .lower_float import lower_float
from .metadata import ENTRY, FileNote, model_metadata
from .names import NEXT
from .verifier import check

if TYPE_CHECKING:
    from edgemem.ir import Graph
    from edgemem.target import Features, Source

    from . import TFLiteOptions


def convert(model: Source, options: TFLiteOptions, calibration: Features) -> Converted:
    """The flatbuffer of ``model``, with TFLite Metadata."""
    graph, mode = model.graph(), options.quantize
    if mode == "none":
        graph = fold(graph)
        program = lower_float(graph, steps(graph))
    else:
        scheme = choose(model.scheme, mode, options.weights)
        program = lower(build(graph, scheme, calibration).program)
    payload = serialize(program, {ENTRY: _metadata(model, program)})
    try:
        check(payload)  # what is written here must be what is read there
    except DamageError as error:
        raise UnsupportedOpError(
            f"{model.name}: no TFLite file that edgemem opens holds this network ({error}); "
            "make it smaller or take another target"
        ) from error
    return Converted(payload, facts={"quantize": mode, "states": _states(graph, program)})


def _states(graph: Graph, program: Program) -> list[dict[str, Any]]:
    """What a program that carries the states itself must know."""
    table = []
    for state in graph.states:
        tensor = program.tensors[program.inputs[state]]
        row: dict[str, Any] = {
            "name": state,
            "next": state + NEXT,
            "shape": list(tensor.shape),
            "dtype": tensor.dtype,
        }
        if tensor.format is not None:
            row["scale"] = float(tensor.format.scale)
        table.append(row)
    return table


def _metadata(model: Source, program: Program) -> bytes:
    files = [FileNote(name) for name in COMMON_PARTS if name != LABELS]
    return model_metadata(
        model.name, list(program.inputs), list(program.outputs), labels=LABELS, files=files
    )
