"""Host half: a linear network to the arrays of a Nengo model, and the program that runs them."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edgemem.errors import UnsupportedOpError
from edgemem.files import npz_bytes
from edgemem.ir import INPUT, Graph
from edgemem.ir.affine import Affine, affine
from edgemem.ops import Array
from edgemem.quantize.calibration import observe
from edgemem.target import Converted

from .network import Linear, Timing, network
from .standalone import NETWORK

if TYPE_CHECKING:
    from edgemem.target import Features, Source

    from . import NengoLoihiOptions

MAIN = "__main__.py"
"""Python runs a zip archive by the part of this name."""

MARGIN = 1.1
"""Radii over the greatest magnitudes of the calibration: neurons are worst at their ends."""


def convert(model: Source, options: NengoLoihiOptions, calibration: Features) -> Converted:
    """The arrays of a Nengo model and the program that builds and runs it."""
    linear = linear_form(model.graph(), calibration)
    arrays = network(linear, Timing(options.steps, tau=options.tau), options.neurons)
    program = (files(__package__) / "standalone.py").read_bytes()
    facts = {
        "neurons": int(sum(a.size for name, a in arrays.items() if name.endswith("/gain"))),
        "steps_per_frame": options.steps,
        "tau": float(arrays["tau"]),
        "input_radius": [float(r) for r in linear.input_radius],
        "note": _note(linear.input_radius),
    }
    return Converted(b"", {MAIN: program, NETWORK: npz_bytes(arrays)}, facts)


def _note(radius: Array) -> str:
    low, high = float(radius.min()), float(radius.max())
    return (
        f"the host clips inputs beyond {MARGIN:g} times the largest of the calibration "
        f"({low:.3g} to {high:.3g} from element to element): calibrate on the loudest"
    )


def linear_form(graph: Graph, calibration: NDArray[np.float32]) -> Linear:
    """All states of a linear network as one, with radii along the calibration.

    Raises
    ------
    UnsupportedOpError
        If the network is not linear.
    """
    found = affine(graph)
    if found.functions:
        name, (op, _) = next(iter(found.functions.items()))
        raise UnsupportedOpError(
            f"target 'nengo-loihi' cannot lower {op} ({name!r}): it writes linear memories and "
            "affine layers only; --target spiking and --target loihi run the whole network"
        )
    seen = observe(graph, calibration)
    sizes = {name: int(np.prod(shape)) for name, shape in graph.states.items()}
    rows = list(found.states.values())
    if any(np.any(row.bias) for row in rows):
        raise UnsupportedOpError(
            "target 'nengo-loihi': a memory with a bias of its own; train it without use_bias"
        )
    peaks = [seen[name].peaks.reshape(-1) for name in graph.states]
    return Linear(
        A=np.concatenate([_states(row, sizes) for row in rows] or [np.zeros((0, 0))]),
        G=np.concatenate([_input(row, graph.n_in) for row in rows] or [np.zeros((0, graph.n_in))]),
        C=_states(found.output, sizes),
        D=_input(found.output, graph.n_in),
        bias=found.output.bias,
        input_radius=_radius(seen[INPUT].peaks),
        state_radius=_radius(np.concatenate([np.zeros(0), *peaks])),
    )


def _states(row: Affine, sizes: dict[str, int]) -> Array:
    n = len(row.bias)
    blocks = [row.terms.get(name, np.zeros((n, size))) for name, size in sizes.items()]
    return np.concatenate([np.zeros((n, 0)), *blocks], axis=1)


def _input(row: Affine, n_in: int) -> Array:
    return np.asarray(row.terms.get(INPUT, np.zeros((len(row.bias), n_in))))


def _radius(peaks: Array) -> Array:
    # a value that never moved still needs a radius
    least = 1e-3 * float(peaks.max(initial=1e-6))
    return np.asarray(MARGIN * np.maximum(peaks, least))
