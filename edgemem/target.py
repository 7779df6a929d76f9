"""What a target is, and which ones are installed.

A target is where a network is deployed. Each is a package ``edgemem_<name>`` that says
``edgemem.targets: <name> = edgemem_<name>:TARGET`` among its entry points; nothing here imports
one before it is asked for.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from edgemem.errors import ArtefactError, UnknownTargetError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint
    from pathlib import Path

    from edgemem.artefact import Artefact
    from edgemem.ir import Graph
    from edgemem.ir.values import Values
    from edgemem.quantize import Format, Scheme

GROUP = "edgemem.targets"

Features = NDArray[np.float32]


class Runner(Protocol):
    """A converted network, one time step at a time."""

    @property
    def n_in(self) -> int:
        """Size of the input."""
        ...

    @property
    def n_out(self) -> int:
        """Size of the output."""
        ...

    def reset(self) -> None:
        """Back to the zero state."""
        ...

    def step(self, x: Features) -> Features:
        """One time step.

        Parameters
        ----------
        x : (n_in,) float32 array

        Returns
        -------
        y : (n_out,) float32 array
            Its own memory: the next step leaves it as it is.
        """
        ...


@runtime_checkable
class Inspectable(Runner, Protocol):
    """A runner that lets itself be looked into; no runner has to."""

    @property
    def engine(self) -> str:
        """What computes the steps, with its version."""
        ...

    @property
    def output_scale(self) -> float | None:
        """Size of one step of the output's integers; None where the output is no integer."""
        ...

    def tensors(self) -> Mapping[str, Values]:
        """Tensors of the last step by the names of the program or graph, in order of computation.

        As many as can be had. States and constants are left out: what holds a state after the
        step is there as the result that it is.
        """
        ...


class IntegerRunner(Protocol):
    """A runner that takes and gives integers as well, and so is to hear by integers alone.

    With the integer front end before it and the integer detector behind it, the same sound brings
    the same events on every machine.
    """

    @property
    def input_format(self) -> Format: ...

    @property
    def output_format(self) -> Format: ...

    def step_integers(self, x: NDArray[Any]) -> NDArray[Any]:
        """One time step from the integers of the input, (n_in,), to those of the output."""
        ...


class Places(Protocol):
    """Where on a chip a network lies."""

    def lines(self) -> Iterator[str]:
        """What every core holds of what it has, as text."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """Everything, as JSON values."""
        ...

    def draw(self, out: Path, title: str = "") -> None:
        """Write a picture of the chip."""
        ...


@runtime_checkable
class Placed(Protocol):
    """A runner whose network lies on the cores of a chip."""

    @property
    def placement(self) -> Places: ...


class Source(Protocol):
    """What a target reads of a model."""

    @property
    def name(self) -> str: ...

    @property
    def labels(self) -> tuple[str, ...]: ...

    @property
    def scheme(self) -> Scheme | None:
        """Widths and formats that training fixed, if any."""
        ...

    def graph(self) -> Graph:
        """One step of the network."""
        ...

    def reference(self) -> Graph:
        """One step of the network as it was trained, what a converted form is measured against."""
        ...


@dataclass(frozen=True)
class Tolerance:
    """How far a converted form may be from the trained network.

    Parameters
    ----------
    distance : float
        Greatest RMS error of the logits, over the RMS of the logits.
    agreement : float
        Least share of clips with the same decision.
    replay : float
        Greatest distance between two machines that run the same file.
    """

    distance: float
    agreement: float
    replay: float

    def replayed_within(self, replay: float) -> Tolerance:
        """The same with another greatest distance between two machines."""
        return replace(self, replay=replay)

    def to_dict(self) -> dict[str, float]:
        """The fields, as JSON values."""
        return asdict(self)


Activations = Literal["int8", "int16"]
"""Integer forms of a network: what the large products read and give."""

Weights = Literal["model", "8", "4", "2"]
"""Bits of trained matrices; ``"model"`` stands for what training fixed, or 8."""


@dataclass(frozen=True)
class IntegerOptions:
    """How an integer target holds a network."""

    quantize: Activations = field(
        default="int8",
        metadata={"help": "int8: 8-bit products, 16-bit states; int16: 16-bit values."},
    )
    weights: Weights = field(
        default="model",
        metadata={"help": "Bits of the trained matrices; model: what training fixed, or 8."},
    )


_ROUNDED = {
    # 8 bits of each product are 0.02 to 0.07 of a trained network's logits; networks with random
    # weights, which no training taught to be sure, reach twice that
    ("int8", 8): Tolerance(distance=0.2, agreement=0.95, replay=0.2),
    # no stricter than the coarser form, so that who is refused there may go on to this one
    ("int16", 8): Tolerance(distance=0.2, agreement=0.95, replay=0.1),
    # matrices plainly rounded to 4 bits are 0.35 to 0.6 of the logits, and one decision in ten may
    # fall otherwise; 2 bits leave no more than a search's few, harmless matrices
    (None, 4): Tolerance(distance=0.7, agreement=0.9, replay=0.2),
    (None, 2): Tolerance(distance=0.8, agreement=0.9, replay=0.2),
}


def rounding_tolerance(options: Any, trained: Scheme | None) -> Tolerance:
    """What rounding may cost, whichever target runs the integers.

    Kernels that round one value in some hundred otherwise by one step, as fast ones do, come back
    as far from the golden outputs as rounding itself is from floats: hence the replay.

    Parameters
    ----------
    options
        With the fields ``quantize`` (:data:`Activations`) and ``weights`` (:data:`Weights`).
    trained : Scheme, optional
        What training fixed. A network that was trained in its own roundings is held to the
        tolerance of 8 bits, since it is measured against itself with these roundings.
    """
    from edgemem.quantize.scheme import choose

    scheme = choose(trained, options.quantize, options.weights)
    narrowest = 8 if scheme.plan is not None else min(scheme.weights, *scheme.layers.values(), 8)
    return _ROUNDED[options.quantize if narrowest == 8 else None, narrowest]


def finer_integers(options: Any) -> tuple[str, ...]:
    """What of ``quantize`` and ``weights`` could be wider; see :class:`Advising`."""
    wider = ("--quantize int16",) if options.quantize == "int8" else ()
    return wider if options.weights in ("model", "8") else (*wider, "--weights 8")


@dataclass(frozen=True)
class Converted:
    """What a target makes of a model.

    Parameters
    ----------
    payload : bytes
        What stands at the front of the file; may be empty.
    parts : mapping
        Files of its own that ride along, by name.
    facts : mapping
        What its runner needs to know, as JSON values; goes into the manifest.
    """

    payload: bytes
    parts: Mapping[str, bytes] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)


class Target(Protocol):
    """Where a network is deployed."""

    @property
    def name(self) -> str: ...

    @property
    def summary(self) -> str:
        """One line."""
        ...

    @property
    def ops(self) -> frozenset[str]:
        """The ops that it can lower."""
        ...

    @property
    def integer(self) -> bool:
        """Whether it computes the integers of :mod:`edgemem.quantize`, bit for bit (TFLite: with
        its reference kernels)."""
        ...

    @property
    def Options(self) -> type[Any]:  # noqa: N802
        """A frozen dataclass of what can be chosen.

        The command line and the docs are made from its fields: name, type (``bool``, ``int``,
        ``float``, ``str`` or a ``Literal`` of strings), default, and ``metadata["help"]``.
        """
        ...

    def tolerance(self, options: Any, trained: Scheme | None = None) -> Tolerance:
        """What a conversion with ``options`` must keep; ``trained`` is the model's scheme."""
        ...

    def convert(self, model: Source, options: Any, calibration: Features) -> Converted:
        """The network in this target's form.

        Parameters
        ----------
        model : Source
        options : Options
        calibration : (n, t, n_in) float32 array
            Input sequences along which ranges are measured.
        """
        ...

    def load(self, artefact: Artefact, reference_kernels: bool = False) -> Runner:
        """The network, ready to run; ``reference_kernels`` asks for the slow, plain ones."""
        ...


@runtime_checkable
class Advising(Protocol):
    """A target that knows what brings a conversion nearer to the network; no target has to."""

    def remedies(self, options: Any) -> tuple[str, ...]:
        """Options that make the form finer than ``options`` does, each as ``--name value``."""
        ...

    @property
    def training(self) -> str:
        """The option of ``edgemem train kws`` that trains a network in this form; may be empty."""
        ...


@runtime_checkable
class Graduated(Protocol):
    """A target whose forms come in degrees of fineness that are measured fast; no target has to."""

    def coarser(self, options: Any, graph: Graph) -> Iterator[Any]:
        """Options of every coarser form of the same kind, the finest first."""
        ...


@runtime_checkable
class Explaining(Protocol):
    """A target that says why it cannot lower a network; no target has to."""

    def refusal(self, graph: Graph) -> str:
        """What of ``graph`` cannot be lowered and why, without a full stop."""
        ...


def available() -> dict[str, EntryPoint]:
    """The entry point of each installed target, by name."""
    from importlib.metadata import entry_points

    if sys.version_info >= (3, 10):
        found = list(entry_points(group=GROUP))
    else:  # 3.9 gives a mapping of groups
        found = list(entry_points().get(GROUP, ()))
    return {entry.name: entry for entry in found}


def get(name: str) -> Target:
    """The target of that name.

    Raises
    ------
    UnknownTargetError
        If no installed distribution offers it.
    """
    known = available()
    if name not in known:
        raise UnknownTargetError(name, known)
    target: Target = known[name].load()
    return target


def load(artefact: Artefact, reference_kernels: bool = False) -> Runner:
    """The network in ``artefact``, ready to run.

    Raises
    ------
    UnknownTargetError
        If its target is not installed.
    ArtefactError
        If its parts do not fit together.
    """
    runner = get(artefact.target).load(artefact, reference_kernels)
    labels = artefact.labels
    if labels and len(labels) != runner.n_out:
        raise ArtefactError(
            f"{artefact.origin}: {len(labels)} labels for {runner.n_out} outputs; convert again"
        )
    return runner
