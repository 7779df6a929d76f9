"""A trained network in its spiking form."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from edgemem.errors import ConfigError, GraphError
from edgemem.ir import Graph
from edgemem.ir.passes import fold, residual
from edgemem.ir.stored import read_graph
from edgemem.ops import Array, FloatOps
from edgemem.quantize.calibration import observe
from edgemem.reading import read_json
from edgemem.shapes import FLAG, OBJECT, OneOf, Real, Record, Whole
from edgemem.spiking.populations import Plan, Population, plan

STEPS = 64
"""Simulator steps that a frame takes, unless somebody chooses otherwise."""

Code = Literal["delta", "rate"]
"""What spikes say: how a value changed since the frame before, or the value itself."""

SMALLEST = 1e-2
"""Least amplitude of a unit, as a share of its population's largest: quiet units may wake up."""

HOP = 0.01
"""Seconds that a frame takes where nobody says so."""

SCHEMA = Record(
    {
        "graph": OBJECT,
        "steps": Whole(1, 1 << 16),
        "code": OneOf(get_args(Code)),
        "input_spikes": FLAG,
        "hop": Real(1e-6, 1e6),
    }
)
"""What :meth:`SpikingNetwork.to_parts` writes."""


@dataclass(frozen=True, eq=False)
class SpikingNetwork:
    """A graph whose travelling values are spikes.

    A frame takes ``steps`` simulator steps, cut into as many windows as populations wait for each
    other (:attr:`depth`). A unit fires in its own window, when all that drives it is there, and
    ``n`` spikes in a window of ``w`` steps stand for ``amplitude * n / w``. By the code ``rate``
    they are the value. By ``delta`` they are added to what receivers hold since the frames before,
    and the unit sends what the sum lacks (delta modulation with the sender's own decoder in its
    loop, so that errors do not add up).

    Parameters
    ----------
    graph : Graph
        After :func:`~edgemem.ir.passes.fold` and :func:`~edgemem.ir.passes.residual`.
    amplitudes : mapping of array
        By population, in the shape of its value: the value, or change, for which a unit spikes in
        every step of its window. Larger ones are sent as if they were that large.
    steps : int
        Simulator steps of a frame.
    code : {"delta", "rate"}
    input_spikes : bool
        Whether the input is sent as spikes as well; otherwise it is injected as a current.
    hop : float
        Length of a frame, in seconds.

    Raises
    ------
    ConfigError
        If the steps are fewer than the windows, or the length of a frame is not a time.
    GraphError
        If the amplitudes are not those of the graph's populations.
    """

    graph: Graph
    amplitudes: Mapping[str, Array]
    steps: int = STEPS
    code: Code = "delta"
    input_spikes: bool = False
    hop: float = HOP

    def __post_init__(self) -> None:
        if self.steps < self.depth:
            raise ConfigError(
                f"steps-per-frame is {self.steps}: {self.depth} populations of this network wait "
                f"for each other in a frame, so that it takes {self.depth} steps or more"
            )
        if self.code not in get_args(Code):
            raise ConfigError(f"code is {self.code!r}; known: {', '.join(get_args(Code))}")
        if not 0.0 < self.hop < np.inf:
            raise ConfigError(f"hop is {self.hop}; expected a time greater than 0, in seconds")
        for population in self.populations:
            amplitude = self.amplitudes.get(population.name, np.zeros(0))
            if amplitude.shape != population.shape:
                raise GraphError(
                    f"population {population.name!r}: amplitudes of shape {amplitude.shape}, "
                    f"expected {population.shape}"
                )
            if not (np.isfinite(amplitude) & (amplitude > 0.0)).all():
                raise GraphError(
                    f"population {population.name!r}: an amplitude is not greater than 0"
                )

    @cached_property
    def plan(self) -> Plan:
        """What travels as spikes."""
        return plan(self.graph, self.input_spikes)

    @property
    def populations(self) -> tuple[Population, ...]:
        """In order of computation."""
        return self.plan.populations

    @property
    def depth(self) -> int:
        """Windows of a frame."""
        return self.plan.depth

    @property
    def window(self) -> int:
        """Steps in which a unit may fire; those that are left over at a frame's end are idle."""
        return self.steps // self.depth

    @property
    def dt(self) -> float:
        """Length of a simulator step, in seconds."""
        return self.hop / self.steps

    @property
    def n_in(self) -> int:
        return self.graph.n_in

    @property
    def n_out(self) -> int:
        return self.graph.n_out

    @property
    def probes(self) -> tuple[str, ...]:
        """Values that a simulation can be asked for."""
        return self.plan.terms

    def to_parts(self) -> tuple[bytes, dict[str, Array]]:
        """A description as JSON, and the arrays: those of the graph and the amplitudes."""
        about = {
            "graph": self.graph.to_dict(),
            "steps": self.steps,
            "code": self.code,
            "input_spikes": self.input_spikes,
            "hop": self.hop,
        }
        text = json.dumps(about, separators=(",", ":"), sort_keys=True)
        arrays = {f"{_PARAM}{name}": array for name, array in self.graph.params.items()}
        arrays.update({f"{_AMPLITUDE}{name}": array for name, array in self.amplitudes.items()})
        return text.encode(), arrays

    @classmethod
    def from_parts(cls, text: bytes, arrays: Mapping[str, Array]) -> SpikingNetwork:
        """The network that :meth:`to_parts` described.

        Raises
        ------
        DamageError, GraphError, ConfigError
            If it describes none.
        """
        about = read_json(text)
        SCHEMA.check(about, "network")
        graph = read_graph(about["graph"], _under(_PARAM, arrays))
        return cls(
            graph,
            _under(_AMPLITUDE, arrays),
            about["steps"],
            about["code"],
            about["input_spikes"],
            float(about["hop"]),
        )


_PARAM = "param/"
_AMPLITUDE = "amplitude/"


def _under(prefix: str, arrays: Mapping[str, Array]) -> dict[str, Array]:
    return {k[len(prefix) :]: array for k, array in arrays.items() if k.startswith(prefix)}


def prepare(
    graph: Graph,
    calibration: NDArray[np.float32],
    *,
    steps: int = STEPS,
    scale: float = 1.0,
    code: Code = "delta",
    input_spikes: bool = False,
    hop: float = HOP,
) -> SpikingNetwork:
    """The spiking form of a trained network.

    Parameters
    ----------
    graph : Graph
        As a cell is traced.
    calibration : (n, t, n_in) float32 array
        Sequences along which amplitudes are measured.
    steps, code, input_spikes, hop
        See :class:`SpikingNetwork`.
    scale : float
        Amplitudes are peaks over ``scale``: above 1 units fire more, with smaller steps of their
        values, and the largest values are clipped; below 1 they fire less.

    Raises
    ------
    ConfigError
        If an option cannot work, or the sequences calibrate nothing.
    """
    if not 0.0 < scale < np.inf:
        raise ConfigError(f"scale is {scale}; expected a number greater than 0")
    prepared = residual(fold(graph))
    amplitudes = measured(prepared, calibration, scale, code, input_spikes)
    return SpikingNetwork(prepared, amplitudes, steps, code, input_spikes, hop)


def measured(
    graph: Graph,
    calibration: NDArray[np.float32],
    scale: float = 1.0,
    code: Code = "delta",
    input_spikes: bool = False,
) -> dict[str, Array]:
    """Amplitude of every unit along sequences: its largest magnitude, or change, over ``scale``.

    Parameters
    ----------
    graph : Graph
        As :class:`SpikingNetwork` takes it.
    calibration : (n, t, n_in) float32 array
    scale, code, input_spikes
        See :func:`prepare`.

    Returns
    -------
    dict of array
        By population, in the shape of its value.
    """
    names = [population.name for population in plan(graph, input_spikes).populations]
    # also refuses a graph, or sequences, that nothing can be measured on
    peaks = {name: seen.peaks for name, seen in observe(graph, calibration).items()}
    if code == "delta":
        peaks = largest_changes(graph, calibration, names)
    return {
        name: np.maximum(peaks[name], SMALLEST * max(float(peaks[name].max()), 1e-12)) / scale
        for name in names
    }


def largest_changes(
    graph: Graph, sequences: NDArray[np.float32], names: Sequence[str]
) -> dict[str, Array]:
    """Largest change of values from a frame to the next, from zero states and values on.

    Returns
    -------
    dict of array
        In the shapes of the values.
    """
    shapes = graph.shapes()
    before = {name: np.zeros((len(sequences), *shapes[name])) for name in names}
    largest = {name: np.zeros(shapes[name]) for name in names}
    states = graph.zero_state((len(sequences),))
    for t in range(sequences.shape[1]):
        x = np.asarray(sequences[:, t], np.float64)
        values = graph.run(FloatOps(), graph.params, states, x)
        states = {state: values[name] for state, name in graph.next_states.items()}
        for name in names:
            change = np.abs(values[name] - before[name]).max(axis=0)
            largest[name] = np.maximum(largest[name], change)
            before[name] = values[name]
    return largest
