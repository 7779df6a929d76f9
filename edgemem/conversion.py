"""A trained model to a file for the device, checked before it gets its name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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
from edgemem.runtime.rule import LONGEST_WINDOW
from edgemem.target import (
    Advising,
    Converted,
    Explaining,
    Features,
    Graduated,
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

VALUES = "values"
"""The kind of front end of a network that hears no sound."""

GOLDEN_CLIPS = 2
GOLDEN_VALUES = 1440
"""About how many input values the golden vectors hold, so that they stay small beside a network."""


class Sample(Protocol):
    """Labelled feature sequences: (n, t, n_in) and (n,), the labels empty where there are none."""

    @property
    def features(self) -> Features: ...

    @property
    def labels(self) -> NDArray[np.int64]: ...


class Hearing(Protocol):
    """A front end, as far as a conversion reads it."""

    @property
    def kind(self) -> str: ...

    @property
    def frame_period(self) -> float: ...

    def to_dict(self) -> dict[str, Any]: ...


class Trained(Source, Protocol):
    """What a conversion reads of a :class:`edgemem.model.Model`."""

    @property
    def protocol(self) -> str: ...

    @property
    def frontend(self) -> Hearing: ...

    @property
    def detector(self) -> DetectorConfig: ...

    @property
    def crop(self) -> Crop: ...

    @property
    def calibration(self) -> Sample: ...

    @property
    def validation(self) -> Sample: ...

    @property
    def card(self) -> Mapping[str, Any]: ...

    @property
    def digest(self) -> str: ...


@dataclass(frozen=True)
class Report:
    """How far a converted network is from the trained one.

    Parameters
    ----------
    distance : float
        RMS error of the logits over the RMS of the trained network's logits.
    agreement : float or None
        Share of clips with the same decision; None where the outputs are values, not classes.
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
    accepted : mapping, optional
        Where it is further from the trained network than its target allows, and that was accepted:
        the reason given, the figures, and what was allowed.
    """

    distance: float
    agreement: float | None
    clips: int
    accuracy_trained: float | None
    accuracy_converted: float | None
    step_microseconds: float
    size: int
    note: str = ""
    accepted: Mapping[str, Any] | None = None

    def to_dict(self) -> dict[str, Any]:
        """The fields, as JSON values."""
        return asdict(self)


def convert(
    model: Trained,
    target_name: str,
    options: Mapping[str, Any] | None = None,
    calibration: Features | None = None,
    accept: str | None = None,
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
    accept : str, optional
        Why a network that is further from the trained one than the target allows will do. Where it
        is, the manifest says so with this reason and the figures.

    Raises
    ------
    UnknownTargetError, ConfigError
        If the target or one of its options is unknown.
    ToleranceError
        If the converted network is further from the trained one than the target allows, and that
        was not accepted, or if it gives NaN.
    """
    if accept is not None and not 0 < len(accept.strip()) <= artefact.LONGEST_TEXT:
        raise ConfigError("--accept needs a reason in a few words: it is written into the file")
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
    report = _measure(model, runner, sequences)
    if not (_within(report, tolerance) or _coarser_passes(model, chosen, settings, sequences)):
        if accept is None or not np.isfinite(report.distance):
            raise _too_far(report, tolerance, model, chosen, settings)
        report = replace(report, accepted=_accepted(accept.strip(), report, tolerance))
        fields["accepted"] = report.accepted
    made = artefact.build(converted.payload, fields, model.labels, golden, converted.parts)
    data = artefact.to_bytes(made)
    return data, replace(report, size=len(data), note=str(converted.facts.get("note", "")))


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
    return _unmeasured(model, chosen, _lowered(model, chosen, settings, model.calibration.features))


def _unmeasured(model: Trained, chosen: Target, converted: Converted) -> artefact.Artefact:
    """What a target made of ``model``, without golden vectors."""
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


def _measure(model: Trained, runner: Runner, sequences: Features) -> Report:
    """The report of a file whose size is not known yet."""
    labelled = len(model.validation.features) > 0
    x = model.validation.features if labelled else sequences
    labels = model.validation.labels if labelled else np.zeros(0, np.int64)
    trained, _ = model.reference().scan(x.astype(np.float64))
    y, step_time = _outputs(runner, x)
    found = Report(distance(y, trained), None, len(x), None, None, step_time, 0)
    window = decision_window(model)
    if window is None:
        return found
    decisions, wanted = decide(y, window), decide(trained, window)
    found = replace(found, agreement=float(np.mean(decisions == wanted)))
    if len(labels) != len(x):
        return found
    return replace(
        found,
        accuracy_trained=float(np.mean(wanted == labels)),
        accuracy_converted=float(np.mean(decisions == labels)),
    )


def decision_window(model: Trained) -> int | None:
    """Newest outputs of a clip on whose mean its decision rests, as training read it.

    None where the outputs are values, not classes, so that nothing is decided. The window of the
    rule is for streams, may be tuned, and is no part of what a conversion must keep.
    """
    goal, recipe = (model.card.get(part) for part in ("goal", "recipe"))
    if len(model.labels) < 2 or (isinstance(goal, Mapping) and goal.get("kind") == "values"):
        return None
    seconds = recipe.get("window") if isinstance(recipe, Mapping) else None
    period = model.frontend.frame_period
    if model.frontend.kind != VALUES and isinstance(seconds, (int, float)) and seconds > period:
        return round(min(seconds / period, float(LONGEST_WINDOW)))
    return model.detector.window


def _outputs(runner: Runner, x: Features) -> tuple[Features, float]:
    """Outputs over clips, and the mean time of a step; side by side where a runner can.

    An emulated chip takes the same time for many sequences as for one, and minutes for each.
    """
    if not isinstance(runner, Simulated):
        return replay(runner, x)
    _, step_time = replay(runner, x[:1])
    return runner.simulate(x).outputs, step_time


def _within(report: Report, tolerance: Tolerance) -> bool:
    # false for NaN
    agrees = report.agreement is None or report.agreement >= tolerance.agreement
    return report.distance <= tolerance.distance and agrees


def _coarser_passes(model: Trained, chosen: Target, settings: Any, sequences: Features) -> bool:
    """Whether a coarser form of the same kind is near enough: then a finer one is not refused.

    What coarse steps lose of a network depends on where its values happen to lie between them.
    """
    if not isinstance(chosen, Graduated):
        return False
    for options in chosen.coarser(settings, model.graph()):
        made = _unmeasured(model, chosen, chosen.convert(model, options, sequences))
        tolerance = chosen.tolerance(options, model.scheme)
        if _within(_measure(model, target.load(made), sequences), tolerance):
            return True
    return False


def _accepted(reason: str, report: Report, tolerance: Tolerance) -> dict[str, Any]:
    """What the manifest says of a file that is further from its network than allowed."""
    found = {"distance": report.distance, "agreement": report.agreement}
    allowed = {"distance": tolerance.distance, "agreement": tolerance.agreement}
    return {
        "reason": reason,
        **{name: value for name, value in found.items() if value is not None},
        "allowed": {name: allowed[name] for name, value in found.items() if value is not None},
    }


def _too_far(
    report: Report, tolerance: Tolerance, model: Trained, chosen: Target, settings: Any
) -> ToleranceError:
    same = ""
    if report.agreement is not None:
        same = (
            f", the same decision on {report.agreement:.1%} of {report.clips} clips "
            f"(at least {tolerance.agreement:.1%})"
        )
    return ToleranceError(
        f"target {chosen.name!r}: the converted network is too far from the trained one: distance "
        f"{report.distance:.3g} (allowed {tolerance.distance:.3g}){same}; nothing was written; "
        + ", or ".join(_remedies(model, chosen, settings))
    )


def _remedies(model: Trained, chosen: Target, settings: Any) -> Iterator[str]:
    """What there is to do about a network that is too far off, for this target and model."""
    hears = model.frontend.kind != VALUES
    rounded = model.scheme is not None and model.scheme.plan is not None
    if rounded and not chosen.integer:
        yield "take a model that was trained in floats, since this one was trained in integers"
    if isinstance(chosen, Advising):
        finer = chosen.remedies(settings)
        if finer and not rounded:
            yield "choose a finer form (" + ", ".join(finer) + ")"
        if hears and chosen.training and not rounded:
            yield f"train it in this form (edgemem train kws --from MODEL {chosen.training})"
    if hears and not rounded:
        yield "calibrate on more or louder clips (--calibrate)"
    yield "accept it as it is (--accept REASON)"
