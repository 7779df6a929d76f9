"""What of quantisation-aware training can be chosen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from edgemem.cells import Cell
from edgemem.errors import ConfigError, UnknownNameError
from edgemem.quantize.prepare import absorbed
from edgemem.quantize.rounding import sources
from edgemem.quantize.scheme import WEIGHTS, Scheme
from edgemem.reading import DamageError, read_bytes, read_json
from edgemem.train.last import LastPart


@dataclass(frozen=True)
class Qat(LastPart):
    """How a network goes on in rounded form.

    Parameters
    ----------
    epochs, learning_rate
        See :class:`~edgemem.train.last.LastPart`.
    weights : {8, 4, 2}
        Bits of the trained matrices.
    layers : mapping of int
        Bits of single matrices, by the names of the network before it is prepared.

    Raises
    ------
    ConfigError
        If a number cannot work.
    """

    name: ClassVar[str] = "qat"
    form: ClassVar[str] = "rounded form"
    option: ClassVar[str] = "--qat-epochs"

    weights: int = 8
    layers: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        Scheme("int8", self.weights, self.layers)  # refuses widths that there are not
        super().__post_init__()

    def to_dict(self) -> dict[str, Any]:
        return {**super().to_dict(), "layers": dict(self.layers)}

    def check(self, cell: Cell, params: Mapping[str, Any]) -> None:
        """Refuse names that no matrix of ``cell`` has, and a cell that cannot go on in this form.

        Raises
        ------
        UnknownNameError
        UnsupportedOpError
            If an array of the form that is trained comes from no array of the network.
        """
        matrices = [name for name, shape in cell.params.items() if len(shape) == 2]
        for name in self.layers:
            if name not in matrices:
                raise UnknownNameError("trained matrix", name, matrices)
        sources(absorbed(cell, params).cell)


def read_layers(path: Path) -> dict[str, int]:
    """Widths of single matrices from a JSON file such as ``{"1.lmu.W_m": 4}``.

    They may also stand under ``"layers"``, as ``edgemem quantize`` writes what it found.

    Raises
    ------
    ConfigError
        If the file holds something else.
    """
    try:
        found = read_json(read_bytes(path))
    except (OSError, DamageError) as error:
        raise ConfigError(f"{path}: no JSON file that can be read ({error})") from error
    if isinstance(found, dict):
        found = found.get("layers", found)
    if not isinstance(found, dict) or not all(type(bits) is int for bits in found.values()):
        raise ConfigError(
            f'{path}: expected a JSON object of names and bits, such as {{"1.lmu.W_m": 4}}; '
            f"known: {', '.join(map(str, WEIGHTS))} bits"
        )
    return found
