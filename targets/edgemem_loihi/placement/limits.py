"""What a chip holds, and how many bits synapses take."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemem.errors import PlacementError

WORD = 64
"""The synapse memory is filled in words of so many bits."""

WEIGHTS_PER_BLOCK = 64
BLOCK_HEADER = 10
"""Up to 64 weights of an axon follow a header: 4 bits of format, 6 of count."""

INDEX_BITS = (0, 6, 7, 8, 9, 10, 11, 12)
"""Widths that a synapse format has for the compartment of a weight."""


@dataclass(frozen=True)
class Usage:
    """What one core holds of each thing that is limited, or what it may hold.

    Parameters
    ----------
    compartments : int
    in_axons, out_axons : int
        Sources that the core hears; pairs of a unit on it and a core that hears that unit.
    synapse_bits : int
    compartment_configs, threshold_configs, synapse_formats : int
    """

    compartments: int = 0
    in_axons: int = 0
    out_axons: int = 0
    synapse_bits: int = 0
    compartment_configs: int = 0
    threshold_configs: int = 0
    synapse_formats: int = 0

    def beyond(self, limit: Usage) -> Iterator[tuple[str, int, int]]:
        """What exceeds ``limit``: its name in words, the number here and the number there."""
        for field in fields(self):
            used, most = getattr(self, field.name), getattr(limit, field.name)
            if used > most:
                yield field.name.replace("_", " "), used, most

    def shares(self, limit: Usage) -> dict[str, float]:
        """Each number over that of ``limit``."""
        mine, other = self.to_dict(), limit.to_dict()
        return {name: mine[name] / other[name] for name in mine}

    def to_dict(self) -> dict[str, int]:
        """The fields, as JSON values."""
        return {name: int(value) for name, value in asdict(self).items()}


@dataclass(frozen=True)
class Limits:
    """A chip: a mesh of tiles, the cores on a tile, and what each core holds.

    Messages go east or west first, then north or south, one hop a tile; within a tile they make
    none. What comes from outside enters at ``port``.

    Parameters
    ----------
    name : str
    core : Usage
        The most that a core holds.
    columns, rows : int
        Tiles of the mesh from west to east, and from north to south.
    cores_per_tile : int
    port : (int, int)
        Column and row of the tile where messages from outside enter.
    """

    name: str
    core: Usage
    columns: int
    rows: int
    cores_per_tile: int
    port: tuple[int, int] = (0, 0)

    def __post_init__(self) -> None:
        for what in ("columns", "rows", "cores_per_tile"):
            if getattr(self, what) < 1:
                raise PlacementError(f"chip {self.name!r}: {what} is {getattr(self, what)}")
        for what, most in self.core.to_dict().items():
            if most < 1:
                raise PlacementError(f"chip {self.name!r}: a core of {most} {what}")
        column, row = self.port
        if not (0 <= column < self.columns and 0 <= row < self.rows):
            raise PlacementError(
                f"chip {self.name!r}: the port {self.port} is outside the mesh of "
                f"{self.columns} x {self.rows} tiles"
            )

    @property
    def cores(self) -> int:
        """Cores of the chip."""
        return self.columns * self.rows * self.cores_per_tile

    def tiles(self) -> NDArray[np.int64]:
        """Column and row of the tile of each core, (n_cores, 2); tiles are counted row by row."""
        tile = np.arange(self.cores) // self.cores_per_tile
        return np.stack([tile % self.columns, tile // self.columns], axis=1)

    def to_dict(self) -> dict[str, Any]:
        """The fields, as JSON values."""
        return {**asdict(self), "core": self.core.to_dict(), "port": list(self.port)}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Limits:
        """What :meth:`to_dict` gave."""
        column, row = values["port"]
        return cls(**{**values, "core": Usage(**values["core"]), "port": (column, row)})


LOIHI = Limits(
    name="loihi",
    core=Usage(
        compartments=1024,
        in_axons=4096,
        out_axons=4096,
        synapse_bits=16384 * WORD,
        compartment_configs=32,
        threshold_configs=16,
        synapse_formats=16,
    ),
    columns=8,
    rows=4,
    cores_per_tile=4,
)
"""Loihi: 128 cores (Davies et al. 2018), limits of a core as NengoLoihi 1.1.0 states them.

Four cores on a tile and 32 tiles are published; that the tiles lie in 4 rows of 8, and where
messages enter, is assumed.
"""


def axon_bits(weights: NDArray[Any] | int, bits: int) -> NDArray[np.int64]:
    """Synapse memory of an axon with so many weights of ``bits`` bits, index included.

    Weights lie in blocks of at most 64, each with a header, filled up to whole words: 64 weights
    of 8 bits take 576 bits.

    Parameters
    ----------
    weights : (...) int array
        Number of weights; none take nothing.
    bits : int

    Returns
    -------
    bits : (...) int64 array
    """
    full, rest = np.divmod(np.asarray(weights, np.int64), WEIGHTS_PER_BLOCK)
    whole = _words(np.int64(WEIGHTS_PER_BLOCK * bits + BLOCK_HEADER))
    return np.asarray(full * whole + np.where(rest > 0, _words(rest * bits + BLOCK_HEADER), 0))


def index_bits(compartments: int) -> int:
    """Width of the narrowest index that tells so many compartments apart.

    Raises
    ------
    PlacementError
        If none is wide enough.
    """
    needed = max(compartments - 1, 0).bit_length()
    for width in INDEX_BITS:
        if width >= needed:
            return width
    raise PlacementError(
        f"{compartments} compartments on a core need an index of {needed} bits; "
        f"a synapse format has at most {INDEX_BITS[-1]}"
    )


def _words(bits: Any) -> Any:
    return -(-bits // WORD) * WORD
