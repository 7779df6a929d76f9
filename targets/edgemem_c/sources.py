"""The C sources of a network: what a conversion writes, and what a runner compiles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgemem.frontend import FrontEnd
from edgemem.quantize.program import Program
from edgemem.runtime.rule import DetectorConfig

from . import names
from .network import Network, network_c
from .sound import Sound, sound_c


@dataclass(frozen=True)
class Sources:
    """C99 of a program.

    Parameters
    ----------
    program : Program
    prefix : str
        Begins every name that other files see.
    network : Network
    sound : Sound, optional
        Front end, detector and what joins them; None for a network alone.
    """

    program: Program
    prefix: str
    network: Network
    sound: Sound | None

    @property
    def texts(self) -> Mapping[str, str]:
        """Header, source and constants by the names of their files."""
        return {
            names.header(self.prefix): self.network.header,
            names.source(self.prefix): self.network.source,
            names.weights(self.prefix): self.network.weights,
        }


def sources_of(
    program: Program,
    title: str,
    labels: Sequence[str],
    prefix: str,
    ears: tuple[FrontEnd, DetectorConfig] | None,
) -> Sources:
    """The sources of a network; equal arguments give equal texts.

    Parameters
    ----------
    program : Program
    title : str
        Name of the network, for comments.
    labels : sequence of str
    prefix : str
        A C identifier.
    ears : FrontEnd and DetectorConfig, optional
        To hear with.

    Raises
    ------
    ConfigError
        If the front end or the decision rule has no integer form.
    """
    sound = None if ears is None else sound_c(program, *ears, labels, prefix)
    parts, calls = ((), ()) if sound is None else (sound.parts, sound.calls)
    return Sources(program, prefix, network_c(program, title, labels, prefix, parts, calls), sound)
