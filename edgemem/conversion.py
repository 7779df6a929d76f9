"""A trained model to a file for the device, checked before it gets its name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edgemem import __version__, artefact, target
from edgemem.artefact import Golden
from edgemem.energy import Simulated
from edgemem.errors import ConfigError, ToleranceError, UnsupportedOpError
from edgemem.files import write_atomic
from edgemem.ir import INPUT
from edgemem.quantize.calibration import check_finite
from edgemem.runtime.crop import SECOND, Crop
from edgemem.runtime.detector import decide
from edgemem.target import (
    Converted,
    Explaining,
    Features,
    Inspectable,
    Runner,
    Source,
    Target,
    Tolerance,
)
from edgemem.verification import INTEGERS, distance, replay

if TYPE_CHECKING:
    from edgemem.ir import Graph
    from edgemem.runtime.rule import DetectorConfig

GOLDEN_CLIPS = 2
GOLDEN_VALUES = 1440
"""About how many input values the golden vectors hold, so that they stay small beside a network."""


class Sample(Protocol):
    """Labelled feature sequences: (n, t, n_in) and (n,), the labels empty where there are none."""

    @property
    def features(self) -> Features: ...

    @property
    def labels(self) -> NDArray[np.int64]: ...


class Described(Protocol):
    """Something that says what it is in JSON values."""

    def to_dict(self) -> dict[str, Any]: ...


class Trained(Source, Protocol):
    """What a conversion reads of a :class:`edgemem.model.Model`."""

    @property
    def protocol(self) -> str: ...

    @property
    def frontend(self) -> Described: ...

    @property
    def detector(self) -> DetectorConfig: ...

    @property
    def crop(self) -> Crop: ...

    @property
    def calibration(self) -> Sample: ...

    @property
    def validation(self) -> Sample: ...

    @property
    def digest(self) -> str: ...


@dataclass(frozen=True)
class Report:
    """How far a converted network is from the trained one.

    Parameters
    ----------
    distance : float
        RMS error of the logits over the RMS of the trained network's logits.
    agreement : float
        Share of clips with the same decision.
    clips : int
        Number of clips, the state reset before each.
    accuracy_trained, accuracy_converted : float or None
        Share of correct decisions; None where the clips have no labels.
    step_microseconds : float
        Mean time of one step here, input in and output out.
    size : int
        Bytes of the file.
    note : str
        What a user of the file should know, as its target says it.
    """

    distance: float
    agreement: float
    clips: int
    accuracy_trained: float | None
    accuracy_converted: float | None
    step_microseconds: float
    size: int
    note: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The fields, as JSON values."""
        return asdict(self)


def convert(
    model: Trained,
    target_name: str,
    options: Mapping[str, Any] | None = None,
    calibration: Features | None = None,
) -> tuple[bytes, Report]:
    """The file of ``model`` for a target, and what it does to the validation clips.

    Parameters
    ----------
    model : Model
    target_name : str
    options : mapping, optional
        Values for the target's options; their defaults otherwise.
    calibration : (n, t, n_in) float32 array, optional
        Replaces the sequences that ride in the model.

    Raises
    ------
    UnknownTargetError, ConfigError
        If the target or one of its options is unknown.
    ToleranceError
        If the converted network is further from the trained one than the target allows.
    """
    chosen = target.get(target_name)
    settings = make_options(chosen, options or {})
    sequences = model.calibration.features if calibration is None else calibration
    converted = _lowered(model, chosen, settings, sequences)
    tolerance = chosen.tolerance(settings, model.scheme)
    fields = {**_fields(model, chosen, tolerance), **converted.facts}
    x = golden_inputs(sequences)
    empty = Golden(x, np.zeros((*x.shape[:2], len(model.labels)), np.float32))
    draft = artefact.build(converted.payload, fields, model.labels, empty, converted.parts)
    runner = target.load(draft)
    # fast kernels may round otherwise: what a device must compute is the integer semantics
    plain = target.load(draft, reference_kernels=True) if chosen.integer else runner
    if chosen.integer and isinstance(plain, Inspectable) and plain.output_scale is not None:
        fields["golden"] = INTEGERS
        x = _whole_steps(plain, x)
    golden = Golden(x, replay(plain, x)[0])
    made = artefact.build(converted.payload, fields, model.labels, golden, converted.parts)
    data = artefact.to_bytes(made)
    report = _measure(model, model.reference(), runner, sequences, len(data))
    _check(report, tolerance, chosen.name)
    return data, replace(report, note=str(converted.facts.get("note", "")))


def draft(
    model: Trained, target_name: str, options: Mapping[str, Any] | None = None
) -> artefact.Artefact:
    """``model`` in a target's form, in memory: not measured, and without golden outputs.

    Parameters
    ----------
    model, target_name, options
        As for :func:`convert`.

    Raises
    ------
    UnknownTargetError, ConfigError
        If the target or one of its options is unknown.
    """
    chosen = target.get(target_name)
    settings = make_options(chosen, options or {})
    converted = _lowered(model, chosen, settings, model.calibration.features)
    fields = {"target": chosen.name, **converted.facts}
    none = Golden(np.zeros((0, 0, 0), np.float32), np.zeros((0, 0, 0), np.float32))
    return artefact.build(converted.payload, fields, model.labels, none, converted.parts)


def _lowered(model: Trained, chosen: Target, settings: Any, sequences: Features) -> Converted:
    check_ops(chosen, model.graph())
    check_finite(model.graph())
    if not sequences.size:
        raise ConfigError(
            f"model {model.name!r} holds no calibration sequences; name a folder of recordings "
            "with --calibrate"
        )
    return chosen.convert(model, settings, sequences)


def save(data: bytes, path: Path) -> None:
    """Write a converted file, whole or not at all."""
    write_atomic(path, data)


def golden_inputs(sequences: Features) -> Features:
    """The first steps of the first sequences, few enough to ride along."""
    clips = sequences[:GOLDEN_CLIPS]
    steps = max(4, GOLDEN_VALUES // max(1, clips.shape[0] * clips.shape[2]))
    return np.ascontiguousarray(clips[:, :steps], dtype=np.float32)


def _whole_steps(runner: Inspectable, x: Features) -> Features:
    """``x`` moved to the reals that integers of the input stand for.

    Sequences of pictures have few values, some of which lie half-way between two integers; there
    interpreters round a float otherwise from one processor to the next.
    """
    runner.step(x[0, 0])
    held = runner.tensors().get(INPUT)
    if held is None or held.scale is None:
        return x
    limits = np.iinfo(held.array.dtype)
    steps = np.rint(x / held.scale) + held.zero_point
    integers = np.clip(steps, limits.min, limits.max)
    return np.asarray((integers - held.zero_point) * held.scale, np.float32)


def make_options(chosen: Target, values: Mapping[str, Any]) -> Any:
    """The target's options with these values.

    Raises
    ------
    ConfigError
        If the target has no such option, or a value cannot work.
    """
    known = list(getattr(chosen.Options, "__dataclass_fields__", {}))
    for name in values:
        if name not in known:
            raise ConfigError(
                f"target {chosen.name!r} has no option {name!r}; "
                f"known: {', '.join(known) or 'none'}"
            )
    return chosen.Options(**values)


def check_ops(chosen: Target, graph: Graph) -> None:
    """Refuse a network with an op that the target cannot lower."""
    missing = sorted({node.op for node in graph.nodes} - chosen.ops)
    if missing:
        known = f"it knows: {', '.join(sorted(chosen.ops))}"
        reason = chosen.refusal(graph) if isinstance(chosen, Explaining) else known
        raise UnsupportedOpError(
            f"target {chosen.name!r} cannot lower {', '.join(missing)}; {reason}"
        )


def _fields(model: Trained, chosen: Target, tolerance: Tolerance) -> dict[str, Any]:
    crop = {} if model.crop == SECOND else {"crop": model.crop.to_dict()}
    return {
        "target": chosen.name,
        "name": model.name,
        "versions": {"edgemem": __version__, "numpy": np.__version__},
        "protocol": model.protocol,
        "frontend": model.frontend.to_dict(),
        "detector": model.detector.to_dict(),
        **crop,
        "model": model.digest,
        "tolerance": tolerance.to_dict(),
    }


def _measure(
    model: Trained, graph: Graph, runner: Runner, sequences: Features, size: int
) -> Report:
    labelled = len(model.validation.features) > 0
    x = model.validation.features if labelled else sequences
    labels = model.validation.labels if labelled else np.zeros(0, np.int64)
    trained, _ = graph.scan(x.astype(np.float64))
    y, step_time = _outputs(runner, x)
    window = model.detector.window
    decisions, wanted = decide(y, window), decide(trained, window)
    known = len(labels) == len(x)
    return Report(
        distance=distance(y, trained),
        agreement=float(np.mean(decisions == wanted)),
        clips=len(x),
        accuracy_trained=float(np.mean(wanted == labels)) if known else None,
        accuracy_converted=float(np.mean(decisions == labels)) if known else None,
        step_microseconds=step_time,
        size=size,
    )


def _outputs(runner: Runner, x: Features) -> tuple[Features, float]:
    """Outputs over clips, and the mean time of a step; side by side where a runner can.

    An emulated chip takes the same time for many sequences as for one, and minutes for each.
    """
    if not isinstance(runner, Simulated):
        return replay(runner, x)
    _, step_time = replay(runner, x[:1])
    return runner.simulate(x).outputs, step_time


def _check(report: Report, tolerance: Tolerance, name: str) -> None:
    # also true of NaN
    if not (report.distance <= tolerance.distance and report.agreement >= tolerance.agreement):
        raise ToleranceError(
            f"target {name!r}: the converted network is too far from the trained one: distance "
            f"{report.distance:.3g} (allowed {tolerance.distance:.3g}), the same decision on "
            f"{report.agreement:.1%} of {report.clips} clips (at least {tolerance.agreement:.1%}); "
            "nothing was written; calibrate on more or louder clips, choose a wider form, or train "
            "it in this one (edgemem train kws --from MODEL --qat)"
        )
