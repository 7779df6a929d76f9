"""Device half: one step of a TFLite network, its states carried over as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgemem.errors import ArtefactError, ShapeError

from .interpreter import memory, open_interpreter, signature
from .names import INPUT, NEXT, OUTPUT

if TYPE_CHECKING:
    from edgemem.artefact import Artefact
    from edgemem.target import Features


class TFLiteRunner:
    """See :class:`edgemem.target.Runner`.

    Tensors are found by their names in the signature, never by position. A state comes back in
    the format in which it went in, so that carrying it over copies bytes.

    Parameters
    ----------
    artefact : Artefact
    reference_kernels : bool
        Whether to run TFLite's plain kernels instead of the fast ones.

    Attributes
    ----------
    interpreter
        The interpreter beneath; to be looked at only.
    """

    def __init__(self, artefact: Artefact, reference_kernels: bool = False) -> None:
        origin = artefact.origin
        self.interpreter = open_interpreter(artefact.payload, origin, reference_kernels)
        self._inputs, self._outputs = signature(self.interpreter, origin)
        states = [name for name in self._inputs if name != INPUT]
        wanted = {OUTPUT, *(state + NEXT for state in states)}
        if INPUT not in self._inputs or wanted != set(self._outputs):
            raise ArtefactError(
                f"{origin}: the signature has inputs {', '.join(sorted(self._inputs))} and outputs "
                f"{', '.join(sorted(self._outputs))}; expected {INPUT!r}, {OUTPUT!r} and for each "
                f"state its name and its name with {NEXT!r}; convert the model again"
            )
        self._states = states
        self._invoke = self.interpreter.invoke
        self._invoke()  # kernels settle where their memory is
        self.reset()

    @property
    def n_in(self) -> int:
        return int(self._x.shape[0])

    @property
    def n_out(self) -> int:
        return int(self._y.shape[0])

    def reset(self) -> None:
        self._x = memory(self.interpreter, self._inputs[INPUT]).reshape(-1)
        self._y = memory(self.interpreter, self._outputs[OUTPUT]).reshape(-1)
        self._shape = self._x.shape
        self._carry = []
        for state in self._states:
            before = memory(self.interpreter, self._inputs[state])
            after = memory(self.interpreter, self._outputs[state + NEXT])
            self._carry.append((before, after))
            before.fill(0)

    def step(self, x: Features) -> Features:
        if x.shape != self._shape:
            raise ShapeError(f"step: got an input of shape {x.shape}, expected {self._shape}")
        np.copyto(self._x, x)
        self._invoke()
        for before, after in self._carry:
            np.copyto(before, after)
        return self._y.copy()
