"""Say what integers do to each layer of a network, or search for the bits of its weights."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgemem.cli._calibration import recorded
from edgemem.cli._tables import aligned
from edgemem.errors import ConfigError

if TYPE_CHECKING:
    from edgemem.model import Model, Sample
    from edgemem.quantize import Scheme
    from edgemem.quantize.report import FormatReport
    from edgemem.quantize.trials import Found, Limits, Trial
    from edgemem.target import Features

FOLDER = click.Path(exists=True, path_type=Path)
FILE = click.Path(path_type=Path, dir_okay=False)
VALUES = ("value", "kind", "low", "high", "bits", "scale", "zero", "Q", "SQNR dB", "clipped")
MATRICES = (
    *("product", "matrix", "rows", "columns", "bits", "bytes", "SQNR dB"),
    *("least scale", "most"),
)

FEW = 1000
"""On fewer clips than this a clip weighs more than differences that matter."""


@click.command(
    epilog="Example: edgemem quantize kws.model --budget 30kB --max-drop 1 --data DIR --out n.model"
)
@click.argument("model")
@click.option(
    "--activations",
    type=click.Choice(["int8", "int16"]),
    help="What large products read and give; by default what training fixed, or int8.",
)
@click.option(
    "--weights",
    type=click.Choice(["model", "8", "4", "2"]),
    default="model",
    show_default=True,
    help="Bits of trained matrices in the report; model: what training fixed, or 8.",
)
@click.option(
    "--calibrate",
    type=FOLDER,
    help="Folder of recordings that replace the calibration sequences in the model.",
)
@click.option("--plot", type=FILE, help="PNG of the report: noise, ranges and formats.")
@click.option(
    "--budget", metavar="BYTES", help="Search: most bytes of parameters, as 45kB, 45KiB or 45000."
)
@click.option(
    "--max-drop",
    type=float,
    metavar="POINTS",
    help="Search: most points of validation accuracy that may be lost against floats.",
)
@click.option("--out", type=FILE, help="Search: the model to write, or a .json of widths alone.")
@click.option(
    "--trials",
    type=click.IntRange(1),
    default=100,
    show_default=True,
    help="Search: how many assignments of widths are tried.",
)
@click.option(
    "--data",
    "roots",
    multiple=True,
    type=FOLDER,
    help="Search: a data set whose validation clips replace those in the model; may be repeated.",
)
@click.option("--protocol", help="Of --data: 12, 35, folders or words:A,B; the model's own.")
@click.option("--frontend", help="Of features in --data: 'pictures' or a JSON file.")
@click.option("--background", type=FOLDER, help="Of --data: more recordings of background noise.")
@click.option("--cache", type=click.Path(path_type=Path), help="Of --data: folder for features.")
@click.option("--clips", type=click.IntRange(1), help="Of --data: at most so many clips of a set.")
@click.option(
    "--seed",
    type=click.IntRange(0, 2**31 - 1),
    default=0,
    show_default=True,
    help="Search: decides all that is drawn.",
)
@click.option("--resume", is_flag=True, help="Search: go on with the trials beside OUT.")
@click.option("--quiet", is_flag=True, help="Show no progress.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(
    model: str,
    activations: str | None,
    weights: str,
    calibrate: Path | None,
    plot: Path | None,
    budget: str | None,
    max_drop: float | None,
    out: Path | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Say what integers do to each layer of a network, or search for the bits of its weights.

    Without --budget and --max-drop a report: for each value of a step the range along the
    calibration sequences, its format, signal-to-quantisation-noise ratio and clipping; for each
    matrix its bits, bytes and rounding.

    With one of them a search: 8, 4 or 2 bits for each trained matrix, for the best validation
    accuracy within the budget, or for the fewest bytes within the drop. OUT gets the model with
    these widths, OUT.json the widths and all trials, OUT.png size against accuracy, and
    OUT.sqlite the trials from which --resume goes on, also with more --trials.
    """
    from edgemem import pretrained
    from edgemem.model import load
    from edgemem.quantize.scheme import choose

    trained = load(pretrained.resolve(model, pretrained.MODEL))
    sequences = _sequences(trained, calibrate)
    own = "int8" if trained.scheme is None else trained.scheme.activations
    scheme = choose(trained.scheme, activations or own, weights)
    if budget is None and max_drop is None:
        if out is not None or options["resume"] or options["roots"]:
            raise ConfigError("a search needs --budget, --max-drop or both")
        _report(trained, scheme, sequences, plot, as_json)
        return
    if out is None or plot is not None:
        raise ConfigError("a search writes its picture beside --out; name that, and no --plot")
    from edgemem.quantize.size import parse_bytes
    from edgemem.quantize.trials import Limits

    limits = Limits(None if budget is None else parse_bytes(budget), max_drop)
    _search(trained, scheme, sequences, limits, out, as_json, **options)


def _sequences(model: Model, folder: Path | None) -> Features:
    if folder is not None:
        return recorded(folder, model.frontend)
    if not model.calibration.features.size:
        raise ConfigError(
            f"model {model.name!r} holds no calibration sequences; name a folder of recordings "
            "with --calibrate"
        )
    return model.calibration.features


# the report


def _report(
    model: Model, scheme: Scheme, sequences: Features, plot: Path | None, as_json: bool
) -> None:
    from edgemem.files import check_writable
    from edgemem.quantize import build
    from edgemem.quantize.report import report

    if plot is not None:
        check_writable(plot)
    found = report(build(model.graph(), scheme, sequences), sequences)
    if plot is not None:
        from edgemem.evaluate.formats import draw_report

        draw_report(found, f"{model.name}, {scheme.activations}", plot)
    about = {"model": model.name, "digest": model.digest, "activations": scheme.activations}
    if as_json:
        click.echo(json.dumps({**about, **found.to_dict()}))
        return
    click.echo(
        f"{model.name}, {scheme.activations}: {found.size:,} bytes of parameters, "
        f"{found.macs:,} multiply-accumulates a step; "
        f"{found.sequences} sequences of {found.steps} steps"
    )
    click.echo("\n".join(_tables(found)))


def _tables(found: FormatReport) -> Iterator[str]:
    values = [
        (
            *(t.name, t.kind, f"{t.low:.4g}", f"{t.high:.4g}", str(t.bits), f"{t.scale:.4g}"),
            *(str(t.zero_point), t.q, f"{t.sqnr:.1f}", f"{t.clipped:.2%}"),
        )
        for t in found.tensors
    ]
    yield ""
    yield from aligned([VALUES, *values], left=(0, 1, 7))
    matrices = [
        (
            *(w.name, w.source or "(fixed)", str(w.rows), str(w.columns), str(w.bits)),
            *(f"{w.size:,}", f"{w.sqnr:.1f}", f"{w.scale_low:.3g}", f"{w.scale_high:.3g}"),
        )
        for w in found.weights
    ]
    yield ""
    yield from aligned([MATRICES, *matrices], left=(0, 1))


# the search


def _search(
    model: Model,
    scheme: Scheme,
    sequences: Features,
    limits: Limits,
    out: Path,
    as_json: bool,
    trials: int,
    seed: int,
    resume: bool,
    quiet: bool,
    **data: Any,
) -> None:
    from edgemem.conversion import decision_window
    from edgemem.errors import ConfigError
    from edgemem.evaluate.formats import draw_front
    from edgemem.evaluate.study import Study
    from edgemem.quantize.narrowing import Narrowing
    from edgemem.quantize.search import check_budget, search

    _check_out(out, resume)
    sample = _sample(model, seed, quiet, **data)
    window = decision_window(model)
    if window is None:
        raise ConfigError(
            f"model {model.name!r} gives values, and the search counts decisions; choose the bits "
            "with --weights"
        )
    problem = Narrowing(model.graph(), scheme, sequences, sample.features, sample.labels, window)
    check_budget(problem, limits)
    study = Study(_beside(out, "sqlite"), problem, limits, seed, resume)
    progress = None if quiet else _Progress(problem.clips)
    try:
        found = search(problem, limits, study, trials, seed, progress)
    except KeyboardInterrupt:
        click.echo("\nstopped; the same command with --resume goes on", err=True)
        raise
    finally:
        if progress is not None:
            progress.end()
    summary = {
        "model": model.name,
        "digest": model.digest,
        "activations": scheme.activations,
        "weights": 8,
        "budget": limits.budget,
        "max_drop": limits.drop,
        "seed": seed,
        **found.to_dict(),
    }
    files = _write(model, problem.scheme(found.best.widths), summary, out)
    draw_front(found, limits, model.name, _beside(out, "png"))
    if as_json:
        click.echo(json.dumps(summary))
        return
    click.echo("\n".join(_lines(found, ", ".join(map(str, files)), bool(data["roots"]))))


def _beside(out: Path, suffix: str) -> Path:
    return out.with_name(f"{out.name}.{suffix}")


def _check_out(out: Path, resume: bool) -> None:
    from edgemem.files import check_writable

    check_writable(out)
    if out.exists() and not resume:
        raise ConfigError(f"{out} is there already; choose another --out, or go on with --resume")
    for package in ("optuna", "matplotlib"):
        _check_extra(package)


def _check_extra(package: str) -> None:
    """Refuse to start without what is needed at the end."""
    from importlib.util import find_spec

    from edgemem.errors import MissingExtraError

    if find_spec(package) is None:
        raise MissingExtraError("the search for widths", package, "quantize")


def _sample(
    model: Model,
    seed: int,
    quiet: bool,
    roots: Sequence[Path],
    protocol: str | None,
    frontend: str | None,
    background: Path | None,
    cache: Path | None,
    clips: int | None,
) -> Sample:
    if not roots:
        return model.validation
    from edgemem.data.readers import declared
    from edgemem.evaluate.validation import validation_clips

    if not quiet:
        click.echo("reading validation clips", err=True)
    given = None if frontend is None else declared(frontend)
    return validation_clips(model, roots, protocol, given, background, cache, clips, seed)


def _write(model: Model, scheme: Scheme, summary: dict[str, Any], out: Path) -> list[Path]:
    from edgemem import model as models
    from edgemem.files import write_atomic

    text = json.dumps(summary, indent=1).encode()
    if out.suffix == ".json":
        write_atomic(out, text)
        return [out]
    models.save(replace(model, scheme=scheme), out)
    write_atomic(_beside(out, "json"), text)
    return [out, _beside(out, "json")]


def _lines(found: Found, files: str, more_data: bool) -> Iterator[str]:
    best, clips = found.best.measure, found.clips
    yield (
        f"{files}: {best.size:,} bytes of parameters, the best of {len(found.trials)} trials "
        "within the limits"
    )
    yield f"{'accuracy':<12} {found.accuracy(found.best):.2%} of {clips:,} validation clips"
    yield f"{'':<12} {found.correct / clips:.2%} in floats"
    low, high = found.to_dict()["drop_interval"]
    yield (
        f"{'drop':<12} {100.0 * (best.lost - best.gained) / clips:.2f} points "
        f"(95 % interval {low:.2f} to {high:.2f}, before the choice among trials)"
    )
    yield f"{'agreement':<12} {best.agreement:.2%}, divergence {best.distance:.4f}"
    if clips < FEW:
        yield (
            f"{'note':<12} one clip of {clips} is {100.0 / clips:.2f} points; "
            + ("take more clips" if more_data else "name a data set with --data for more")
        )
    width = max(map(len, found.best.widths))
    for name, bits in found.best.widths.items():
        yield f"  {name:<{width}} {bits}"


class _Progress:
    """A line on standard error: a moving one on a terminal, else one in ten measurements."""

    def __init__(self, clips: int) -> None:
        self._clips = clips
        self._live = sys.stderr.isatty()

    def __call__(self, done: int, total: int, trials: Sequence[Trial]) -> None:
        if not self._live and done % 10 and done < total:
            return
        smallest = min((t.measure.size for t in trials), default=0)
        last = trials[-1].measure if trials else None
        text = f"{done}/{total} measurements, {len(trials)} trials, smallest {smallest:,} bytes"
        if last is not None:
            text += f", last {last.size:,} bytes {last.gained - last.lost:+d} clips"
        click.echo(f"\r\x1b[K{text}" if self._live else text, nl=not self._live, err=True)

    def end(self) -> None:
        """Leave the line."""
        if self._live:
            click.echo("", err=True)
