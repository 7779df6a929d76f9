"""Device half: the NIR graph at the front of the file, by forward Euler."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgemem.errors import ArtefactError, ConfigError, GraphError, ShapeError
from edgemem.ir.values import Values

from .executor import Executor
from .hdf5 import parse

if TYPE_CHECKING:
    from edgemem.artefact import Artefact
    from edgemem.target import Features


class NirRunner:
    """See :class:`edgemem.target.Runner` and :class:`edgemem.target.Inspectable`.

    Parameters
    ----------
    artefact : Artefact

    Attributes
    ----------
    executor : Executor
    """

    def __init__(self, artefact: Artefact) -> None:
        try:
            self.executor = Executor(parse(artefact.payload, artefact.origin))
        except (ConfigError, GraphError) as error:
            raise ArtefactError(f"{artefact.origin}: {error}; convert the model again") from error
        ends = (*self.executor.inputs, *self.executor.outputs)
        if len(ends) != 2:
            raise ArtefactError(
                f"{artefact.origin}: {len(ends)} inputs and outputs ({', '.join(ends)}), expected "
                "one of each; convert the model again"
            )
        self._input, self._output = ends
        self.n_in, self.n_out = (self.executor.sizes[name] for name in ends)
        self.engine = f"numpy {np.__version__}, forward Euler of NIR in float64"
        self.output_scale = None

    def reset(self) -> None:
        self.executor.reset()

    def step(self, x: Features) -> Features:
        if x.shape != (self.n_in,):
            raise ShapeError(f"step: got an input of shape {x.shape}, expected ({self.n_in},)")
        return self.executor.step({self._input: x})[self._output].astype(np.float32)

    def tensors(self) -> dict[str, Values]:
        """What each node gave in the last step."""
        nodes = self.executor.network.nodes
        return {n: Values(v, nodes[n].kind) for n, v in self.executor.values.items()}
