"""The Neuromorphic Intermediate Representation: networks written as NIR files, and read back."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from edgemem.errors import ArtefactError, ConfigError
from edgemem.ops import OP_NAMES
from edgemem.target import Converted, Tolerance

if TYPE_CHECKING:
    from edgemem.artefact import Artefact
    from edgemem.ir import Graph
    from edgemem.quantize import Scheme
    from edgemem.spiking.lif import LIFNetwork
    from edgemem.target import Features, Runner, Source

    from .network import Network


def read(path: Path | str) -> Network:
    """The network in a NIR file of whatever origin.

    Run it with :class:`edgemem_nir.executor.Executor`, or turn it into populations with
    :func:`edgemem_nir.lif.populations`.

    Raises
    ------
    ArtefactError
        If the file is missing, damaged, foreign, or has nodes that are not run here.
    """
    from .hdf5 import parse

    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise ArtefactError(f"{path} cannot be read: {error.strerror or error}") from error
    return parse(data, str(path))


def write(network: LIFNetwork, path: Path | str) -> None:
    """Write populations of spiking neurons as a NIR file.

    Raises
    ------
    UnsupportedOpError
        If NIR cannot say something about them.
    """
    from edgemem.files import write_atomic

    from .lif import network_of
    from .writing import to_bytes

    write_atomic(Path(path), to_bytes(network_of(network)))


MOST_LEVELS = 1024


@dataclass(frozen=True)
class NirOptions:
    """How the network is held."""

    dt: float = field(
        default=0.0,
        metadata={"help": "Seconds per step of the network; 0: the hop of the model's front end."},
    )
    levels: int = field(
        default=64,
        metadata={"help": "Neurons that stand for each relu or tanh unit, one a level."},
    )

    def __post_init__(self) -> None:
        if not 0 <= self.dt < np.inf:
            raise ConfigError(f"dt: must be a number of seconds, 0 or greater (got {self.dt})")
        if not 1 <= self.levels <= MOST_LEVELS:
            raise ConfigError(f"levels: must be from 1 to {MOST_LEVELS} (got {self.levels})")


class NirTarget:
    """See :class:`edgemem.target.Target`."""

    name: ClassVar[str] = "nir"
    summary: ClassVar[str] = "a file that neuromorphic simulators read (NIR)"
    ops: ClassVar[frozenset[str]] = OP_NAMES - {"sigmoid"}
    integer: ClassVar[bool] = False
    training: ClassVar[str] = ""
    Options: ClassVar[type[NirOptions]] = NirOptions

    def tolerance(self, options: NirOptions, trained: Scheme | None = None) -> Tolerance:
        # half a level in each unit is 0.07 to 0.14 of a trained network's logits at 64 levels;
        # networks without activations are within 1e-6, whatever the levels. The same for all
        # levels: what a coarse form may lose, a finer one may as well
        return Tolerance(distance=0.4, agreement=0.9, replay=0.05)

    def remedies(self, options: NirOptions) -> tuple[str, ...]:
        return ("a greater --levels",) if options.levels < MOST_LEVELS else ()

    def refusal(self, graph: Graph) -> str:
        """Why NIR cannot say ``graph`` (:class:`edgemem.target.Explaining`)."""
        from .refusal import unsupported

        return "; ".join(unsupported(graph))

    def convert(self, model: Source, options: NirOptions, calibration: Features) -> Converted:
        from .convert import convert

        return convert(model, options, calibration)

    def load(self, artefact: Artefact, reference_kernels: bool = False) -> Runner:
        from .runner import NirRunner

        return NirRunner(artefact)


TARGET = NirTarget()
