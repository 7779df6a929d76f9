"""The Neuromorphic Intermediate Representation: networks written as NIR files, and read back."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from edgemem.errors import ArtefactError, ConfigError
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


@dataclass(frozen=True)
class NirOptions:
    """How the network is held."""

    dt: float = field(
        default=0.0,
        metadata={"help": "Seconds per step of the network; 0: the hop of the model's front end."},
    )

    def __post_init__(self) -> None:
        if not 0 <= self.dt < np.inf:
            raise ConfigError(f"dt: must be a number of seconds, 0 or greater (got {self.dt})")


class NirTarget:
    """See :class:`edgemem.target.Target`."""

    name: ClassVar[str] = "nir"
    summary: ClassVar[str] = "linear networks as a file that neuromorphic simulators read (NIR)"
    ops: ClassVar[frozenset[str]] = frozenset(
        {"matvec", "add", "sub", "mul", "scale", "split", "merge", "slice"}
    )
    integer: ClassVar[bool] = False
    Options: ClassVar[type[NirOptions]] = NirOptions

    def tolerance(self, options: NirOptions, trained: Scheme | None = None) -> Tolerance:
        # weights are float32, sums float64
        return Tolerance(distance=1e-5, agreement=0.99, replay=1e-5)

    def refusal(self, graph: Graph) -> str:
        """Why NIR cannot say ``graph`` (:class:`edgemem.target.Explaining`)."""
        from .lower import unsupported

        return "; ".join(unsupported(graph))

    def convert(self, model: Source, options: NirOptions, calibration: Features) -> Converted:
        from .convert import convert

        return convert(model, options)

    def load(self, artefact: Artefact, reference_kernels: bool = False) -> Runner:
        from .runner import NirRunner

        return NirRunner(artefact)


TARGET = NirTarget()
