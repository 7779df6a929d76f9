"""What is to run on spikes, still in real numbers: coded values and what drives them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from edgemem.errors import GraphError
from edgemem.ops import Array
from edgemem_loihi.spikes.code import Code


@dataclass(frozen=True)
class Value:
    """A population of comparators and the sums that drive them.

    A value that ``holds`` is a state: in each chip step it becomes the sum of its drives, one of
    which may be itself. One that does not is a function of the sum of this step's drives.

    Parameters
    ----------
    drives : mapping of (n, n_source) array
        Matrices, by the name of the value or input that they read.
    bias : (n,) array
    code : Code
    holds : bool
    """

    drives: Mapping[str, Array]
    bias: Array
    code: Code
    holds: bool = False


@dataclass(frozen=True)
class Design:
    """Coded values, in an order in which each reads inputs, itself and earlier values.

    Parameters
    ----------
    inputs : mapping of Code
        Values that come as spikes of the host.
    values : mapping of Value
    period : int
        Steps of one period of the dither.

    Raises
    ------
    GraphError
        If a drive reads what does not exist or comes later, or shapes do not meet.
    """

    inputs: Mapping[str, Code]
    values: Mapping[str, Value]
    period: int

    def __post_init__(self) -> None:
        sizes = {name: code.size for name, code in self.inputs.items()}
        for name, value in self.values.items():
            sizes[name] = value.code.size
            for source, matrix in value.drives.items():
                expected = (value.code.size, sizes.get(source, -1))
                if matrix.shape != expected or (source == name and not value.holds):
                    raise GraphError(
                        f"value {name!r}: its drive by {source!r} has shape {matrix.shape}; "
                        f"values before it: {', '.join(sizes)}"
                    )
            if np.shape(value.bias) != (value.code.size,):
                raise GraphError(f"value {name!r}: bias of shape {np.shape(value.bias)}")

    @property
    def codes(self) -> dict[str, Code]:
        """Codes of inputs and values, by name."""
        return {**self.inputs, **{name: value.code for name, value in self.values.items()}}

    def latency(self, name: str) -> int:
        """Chip steps from a spike of an input to the first spike of a value that it causes.

        An input's spikes act in their own step, those of a population in the next one.
        """
        latest = dict.fromkeys(self.inputs, -1)
        for value, described in self.values.items():
            latest[value] = max((latest[s] + 1 for s in described.drives if s != value), default=0)
        return latest[name]
