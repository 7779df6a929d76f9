"""What is to run on spikes, still in real numbers: coded values and what drives them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from edgemem.errors import GraphError
from edgemem.ops import Array
from edgemem_loihi.spikes.code import Code

Span = tuple[int, int]
"""First step, and the one after the last."""


@dataclass(frozen=True)
class Value:
    """A population of comparators and the sums that drive them.

    A value that ``holds`` is a state: every drive is added to what it is, and a drive by itself
    says what it becomes. One that does not is a function of the sum of this step's drives.

    Parameters
    ----------
    drives : mapping of (n, n_source) array
        Matrices, by the name of the value or input that they read.
    bias : (n,) array
    code : Code
    holds : bool
    biased : tuple of int, optional
        Steps of a frame in which a state's bias is added; all without it.
    """

    drives: Mapping[str, Array]
    bias: Array
    code: Code
    holds: bool = False
    biased: Span | None = None


@dataclass(frozen=True)
class Relay:
    """The spikes of a value one step later, in some steps of a frame only.

    Parameters
    ----------
    source : str
    open : tuple of int
    """

    source: str
    open: Span


@dataclass(frozen=True)
class Design:
    """Coded values and relays of them.

    Parameters
    ----------
    inputs : mapping of Code
        Values that come as spikes of the host.
    values : mapping of Value
    relays : mapping of Relay
    period : int
        Steps of one period of the dither.
    steps : int
        Steps of a frame, after which relays open again: a multiple of the period.

    Raises
    ------
    GraphError
        If a drive or relay reads what does not exist, or shapes do not meet.
    """

    inputs: Mapping[str, Code]
    values: Mapping[str, Value]
    relays: Mapping[str, Relay]
    period: int
    steps: int

    def __post_init__(self) -> None:
        if self.steps % self.period:
            raise GraphError(f"frames of {self.steps} steps with a dither of {self.period}")
        for name, relay in self.relays.items():
            if relay.source not in self.values:
                raise GraphError(f"relay {name!r} of {relay.source!r}, which is no value")
        codes = self.codes
        for name, value in self.values.items():
            n = value.code.size
            for source, matrix in value.drives.items():
                if source not in codes or matrix.shape != (n, codes[source].size):
                    raise GraphError(
                        f"value {name!r}: its drive by {source!r} has shape {matrix.shape}; "
                        f"known: {', '.join(codes)}"
                    )
            if np.shape(value.bias) != (n,):
                raise GraphError(f"value {name!r}: bias of shape {np.shape(value.bias)}")

    @property
    def codes(self) -> dict[str, Code]:
        """Codes of inputs, values and relays, by name."""
        values = {name: value.code for name, value in self.values.items()}
        relays = {name: values[relay.source] for name, relay in self.relays.items()}
        return {**self.inputs, **values, **relays}
