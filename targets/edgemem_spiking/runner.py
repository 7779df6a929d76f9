"""Device half: frames in NumPy, with the spikes that a simulation step by step would send."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from edgemem.errors import ArtefactError, ConfigError, GraphError, ShapeError
from edgemem.ir import INPUT
from edgemem.ir.values import Values
from edgemem.reading import DamageError
from edgemem.spiking import Frames, SpikingNetwork, simulate

from .names import ARRAYS, NETWORK

if TYPE_CHECKING:
    from edgemem.artefact import Artefact
    from edgemem.energy import Execution
    from edgemem.ops import Array
    from edgemem.target import Features


class SpikingRunner:
    """See :class:`edgemem.target.Inspectable` and :class:`edgemem.energy.Simulated`.

    Parameters
    ----------
    artefact : Artefact

    Attributes
    ----------
    network : SpikingNetwork
    """

    def __init__(self, artefact: Artefact) -> None:
        try:
            text, arrays = artefact.part(NETWORK), artefact.arrays(ARRAYS)
            self.network = SpikingNetwork.from_parts(text, arrays)
        except (DamageError, GraphError, ConfigError) as error:
            raise ArtefactError(
                f"{artefact.origin}: {NETWORK} holds no network ({error}); convert the model again"
            ) from error
        self.n_in, self.n_out = self.network.n_in, self.network.n_out
        self.probes = self.network.probes
        self.engine = f"numpy {np.__version__}, spikes in closed form"
        self.output_scale = None
        self._frames = Frames(self.network)
        self.reset()

    def reset(self) -> None:
        self._state = self._frames.start()
        self._values: dict[str, Array] = {}

    def step(self, x: Features) -> Features:
        if x.shape != (self.n_in,):
            raise ShapeError(f"step: got an input of shape {x.shape}, expected ({self.n_in},)")
        self._state, frame = self._frames.step(self._state, np.asarray(x, np.float64))
        self._values = frame.values
        return frame.values[self.network.graph.output].astype(np.float32)

    def simulate(self, x: Features, probes: Sequence[str] = ()) -> Execution:
        return simulate(self.network, x, probes)

    def tensors(self) -> dict[str, Values]:
        """Input and nodes of the last step."""
        if not self._values:
            return {}
        nodes = {n.name: Values(self._values[n.name], n.op) for n in self.network.graph.nodes}
        return {INPUT: Values(self._values[INPUT]), **nodes}
