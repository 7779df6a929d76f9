"""TFLite target: one ``.tflite`` file that any TFLite interpreter opens."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal, get_args

from edgemem.errors import ConfigError, MissingExtraError
from edgemem.ops import OP_NAMES
from edgemem.target import Converted, Tolerance, Weights, finer_integers, rounding_tolerance

if TYPE_CHECKING:
    from edgemem.artefact import Artefact
    from edgemem.quantize import Scheme
    from edgemem.target import Features, Runner, Source

Mode = Literal["int8", "int16", "none"]

FLOATS = Tolerance(distance=1e-3, agreement=0.99, replay=1e-3)


@dataclass(frozen=True)
class TFLiteOptions:
    """How the network is held."""

    quantize: Mode = field(
        default="int8",
        metadata={
            "help": "int8: 8-bit products, 16-bit states; int16: 16-bit values, 8-bit weights; "
            "none: 32-bit floats."
        },
    )
    weights: Weights = field(
        default="model",
        metadata={
            "help": "Bits of the trained matrices; model: what training fixed, or 8. Fewer than 8 "
            "take no less room in this file."
        },
    )

    def __post_init__(self) -> None:
        if self.quantize not in get_args(Mode):
            raise ConfigError(
                f"quantize: no form named {self.quantize!r}; "
                f"known: {', '.join(sorted(get_args(Mode)))}"
            )


class TFLiteTarget:
    """See :class:`edgemem.target.Target`."""

    name: ClassVar[str] = "tflite"
    summary: ClassVar[str] = "integer or float TFLite, for any machine with an interpreter of it"
    ops: ClassVar[frozenset[str]] = OP_NAMES
    integer: ClassVar[bool] = True
    training: ClassVar[str] = "--qat"
    Options: ClassVar[type[TFLiteOptions]] = TFLiteOptions

    def tolerance(self, options: TFLiteOptions, trained: Scheme | None = None) -> Tolerance:
        return FLOATS if options.quantize == "none" else rounding_tolerance(options, trained)

    def remedies(self, options: TFLiteOptions) -> tuple[str, ...]:
        if options.quantize == "none":
            return ()
        return (*finer_integers(options), "--quantize none")

    def convert(self, model: Source, options: TFLiteOptions, calibration: Features) -> Converted:
        try:
            from .convert import convert
        except ModuleNotFoundError as error:
            if error.name not in ("flatbuffers", "tflite"):
                raise
            raise MissingExtraError("converting to TFLite", str(error.name), "convert") from error
        return convert(model, options, calibration)

    def load(self, artefact: Artefact, reference_kernels: bool = False) -> Runner:
        from .runner import TFLiteRunner

        return TFLiteRunner(artefact, reference_kernels)


TARGET = TFLiteTarget()
