"""What of an integer form is chosen beforehand: widths, and formats that training fixed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from edgemem.errors import ConfigError, refuse_unknown_fields
from edgemem.quantize.plan import Plan

ACTIVATIONS = ("int8", "int16")
WEIGHTS = (2, 4, 8)


@dataclass(frozen=True)
class Scheme:
    """How a network is to be held in integers.

    Parameters
    ----------
    activations : {"int8", "int16"}
        Width of what the large products read and give; states have 16 bits in both.
    weights : {8, 4, 2}
        Bits of the trained matrices.
    layers : mapping of int
        Bits of single matrices, by the name of the trained array, such as ``"1.lmu.W_m"``.
    plan : Plan, optional
        Formats of every value, from training in these very formats; without it they are chosen
        along calibration sequences. The graph's arrays are then taken as they are: nothing
        is balanced anew.

    Raises
    ------
    ConfigError
        If a width is unknown.
    """

    activations: str = "int8"
    weights: int = 8
    layers: Mapping[str, int] = field(default_factory=dict)
    plan: Plan | None = None

    def __post_init__(self) -> None:
        if self.activations not in ACTIVATIONS:
            raise ConfigError(
                f"quantize: no integer form named {self.activations!r}; "
                f"known: {', '.join(sorted(ACTIVATIONS))}"
            )
        for name, bits in {"weights": self.weights, **self.layers}.items():
            if isinstance(bits, bool) or bits not in WEIGHTS:
                raise ConfigError(f"quantize: {name} of {bits!r} bits; known: 8, 4, 2")

    def bits_of(self, array: str) -> int:
        """Bits of the trained matrix of that name."""
        return self.layers.get(array, self.weights)

    def to_dict(self) -> dict[str, Any]:
        """The fields, as JSON values."""
        plan = None if self.plan is None else self.plan.to_dict()
        return {
            "activations": self.activations,
            "weights": self.weights,
            "layers": dict(self.layers),
            "plan": plan,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Scheme:
        """The scheme that :meth:`to_dict` described.

        Raises
        ------
        ConfigError
            If a field is unknown or has a value that cannot work.
        """
        refuse_unknown_fields("scheme", values, [field.name for field in fields(cls)])
        plan = values.get("plan")
        return cls(**{**values, "plan": None if plan is None else Plan.from_dict(plan)})


def choose(trained: Scheme | None, activations: str, weights: str) -> Scheme:
    """The scheme of a conversion.

    Parameters
    ----------
    trained : Scheme, optional
        What training fixed.
    activations : str
        As asked for.
    weights : str
        Bits as asked for, or ``"model"`` for what training fixed (8 without it). Asking for
        another width gives up the formats of the training.
    """
    if trained is not None and activations == trained.activations:
        uniform = trained.plan is not None or not trained.layers
        if weights == "model" or (uniform and weights == str(trained.weights)):
            return trained
    return Scheme(activations, 8 if weights == "model" else int(weights))
