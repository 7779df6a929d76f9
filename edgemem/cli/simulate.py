"""Run a network on spikes or as a chip would, and count what that takes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import click

from edgemem.cli._options import FileCommand

if TYPE_CHECKING:
    from edgemem.energy import Modelled, Simulated
    from edgemem.evaluate.simulation import Clips, Point
    from edgemem.evaluate.subject import Subject

SPIKING = "spiking"

Backend = Literal["numpy", "nengo", "nengo-dl"]


class SimulateCommand(FileCommand):
    """``--spiking`` stands for ``--target spiking``; without either the file says its target."""

    def named_target(self, args: Sequence[str]) -> str | None:
        return super().named_target(args) or (SPIKING if "--spiking" in args else None)


@click.command(
    cls=SimulateCommand,
    epilog="Example: edgemem simulate kws12-lmu --spiking --steps-per-frame 64",
)
@click.argument("file")
@click.argument("clip", required=False, metavar="[CLIP]", type=click.Path(path_type=Path))
@click.option("--spiking", is_flag=True, help="The same as --target spiking.")
@click.option("--target", "target_name", help="How a MODEL is to run: spiking or loihi.")
@click.option(
    "--dt",
    type=float,
    metavar="SECONDS",
    help="Length of a simulator step, in place of --steps-per-frame.",
)
@click.option(
    "--backend",
    type=click.Choice(get_args(Backend)),
    default="numpy",
    show_default=True,
    help="numpy counts the spikes of the Nengo network; nengo and nengo-dl run that network.",
)
@click.option(
    "--sweep",
    metavar="OPTION=A,B,...",
    help="Run once for each value of an option, as in steps-per-frame=16,32,64.",
)
@click.option(
    "--data", type=click.Path(path_type=Path), help="Folder of recordings, a folder a word."
)
@click.option(
    "--split",
    type=click.Choice(["train", "validation", "test"]),
    default="test",
    show_default=True,
    help="Which clips of --data.",
)
@click.option(
    "--clips", type=click.IntRange(min=1), help="At most that many, spread evenly over all."
)
@click.option(
    "--against", metavar="MODEL", help="Trained model beside which a converted FILE runs."
)
@click.option("--probe", "probes", multiple=True, help="Term to draw; states without it.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option(
    "--plot",
    type=click.Path(path_type=Path),
    metavar="PNG",
    help="Draw one clip: spikes, states and posteriors beside the trained network's.",
)
@click.option(
    "--curve",
    type=click.Path(path_type=Path),
    metavar="PNG",
    help="Draw accuracy against spikes or messages over a --sweep.",
)
def command(
    file: str,
    clip: Path | None,
    spiking: bool,
    target_name: str | None,
    dt: float | None,
    backend: Backend,
    sweep: str | None,
    data: Path | None,
    split: str,
    clips: int | None,
    against: str | None,
    probes: tuple[str, ...],
    as_json: bool,
    plot: Path | None,
    curve: Path | None,
    **options: Any,
) -> None:
    """Run a network on spikes or as a chip would, and count what that takes.

    FILE is a trained model (or the name of a pretrained one) with --spiking or --target, or a
    network converted for a target that counts (spiking, loihi). CLIP is a recording; without it
    and without --data the validation clips in the model run, or the inputs that ride in a
    converted file. What is told: accuracy beside the trained network's, spikes or messages per
    inference, rates and silent units of every population, and modelled energy.
    """
    from edgemem.cli._progress import progress
    from edgemem.energy import built_in, joules
    from edgemem.errors import check_known
    from edgemem.evaluate.energy import sends
    from edgemem.evaluate.settings import settings
    from edgemem.evaluate.simulation import measure, portions
    from edgemem.evaluate.subject import clips_of, open_subject
    from edgemem.files import check_writable

    for path in filter(None, (plot, curve)):
        check_writable(path)
    subject = open_subject(file, target_name or (SPIKING if spiking else None), against)
    runs = settings(subject, options, sweep, dt)
    heard = clips_of(subject, clip, data, split, clips)
    trained = subject.trained(heard.features)
    points: list[Point] = []
    energies: list[list[Modelled]] = []
    for run in runs:
        machine = _machine(subject.runner(run.options), backend)
        check_known("probe", probes, machine.probes)
        shown = progress(portions(heard))
        points.append(measure(machine, heard, subject.window, trained, run.name, shown))
        form = sends(run.options if subject.converted is None else subject.converted.manifest)
        counts = points[-1].per_clip()
        energies.append([joules(counts, device) for device in built_in().meant_for(form)])
        if not as_json:
            click.echo("\n".join([*_lines(points[-1], heard), *_energy(energies[-1])]))
    if len(points) > 1 and not as_json:
        click.echo("\n".join(_summary(points)))
    if as_json:
        about = {"file": file, "target": subject.target, "clips": heard.about, "backend": backend}
        told = [
            {**point.to_dict(), "energy": [energy.to_dict() for energy in modelled]}
            for point, modelled in zip(points, energies)
        ]
        click.echo(json.dumps({**about, "runs": told}))
    if plot:
        _draw_first(subject, machine, heard, probes, plot)
    if curve:
        from edgemem.evaluate.simulation_picture import draw_curve

        unit = "spikes" if subject.target == SPIKING else "messages"
        title = f"{subject.name}, {heard.about}, by {(sweep or '').partition('=')[0] or 'setting'}"
        draw_curve(points, unit, title, curve)


def _machine(runner: Simulated, backend: Backend) -> Simulated:
    """The runner itself, or its network in a Nengo simulator."""
    if backend == "numpy":
        return runner
    from edgemem.networks.spiking import NengoMachine

    return NengoMachine.of(runner, backend)


def _draw_first(
    subject: Subject, machine: Simulated, heard: Clips, probes: tuple[str, ...], out: Path
) -> None:
    from edgemem.evaluate.simulation_picture import draw_clip

    x = heard.features[:1]
    shown = probes or [name for name in machine.probes if name in subject.states]
    execution = machine.simulate(x, tuple(dict.fromkeys((*machine.probes, *shown))))
    terms = subject.terms(x[0], shown)
    period = subject.frontend.frame_period
    draw_clip(execution, shown, terms, subject.labels, period, subject.name, out)


def _energy(energies: list[Modelled]) -> Iterator[str]:
    """The sums alone; JSON and edgemem energy have the parts and their sources."""
    from edgemem.energy.joules import spoken

    for energy in energies:
        told = "no figure is published" if energy.priced is None else f"modelled {energy.priced}"
        if energy.priced is not None and energy.total is None:
            left = [f"{energy.unpriced[name]:,.0f} {spoken(name)}" for name in energy.without]
            told += f", without {' and '.join(left)}"
        yield f"energy on {energy.device}: {told} [{energy.table}]"


def _lines(point: Point, heard: Clips) -> Iterator[str]:
    from edgemem.energy.joules import spoken

    if point.name:
        yield point.name
    yield f"{point.clips} clips ({heard.about})"
    if point.accuracy is not None:
        beside = "" if point.accuracy_trained is None else f", {point.accuracy_trained:.2%} trained"
        yield f"accuracy {point.accuracy:.2%}{beside}"
    if point.distance is not None:
        same = "" if point.agreement is None else f", the same decision on {point.agreement:.2%}"
        yield f"distance {point.distance:.4f} RMS of the logits' error over theirs{same}"
    yield "per inference: " + ", ".join(
        f"{count:,.0f} {spoken(name)}" for name, count in point.per_clip().items() if count
    )
    yield from _table(point)


def _summary(points: list[Point]) -> Iterator[str]:
    """One row for each run of a sweep."""
    width = max(len(point.name) for point in points)
    yield (
        f"{'per inference':<{width}} {'accuracy':>8} {'distance':>8} {'messages':>10} "
        f"{'synaptic operations':>20}"
    )
    for point in points:
        accuracy = "" if point.accuracy is None else f"{point.accuracy:.2%}"
        distance = "" if point.distance is None else f"{point.distance:.4f}"
        counts = point.per_clip()
        sent, added = counts["messages"], counts["synaptic_operations"]
        yield f"{point.name:<{width}} {accuracy:>8} {distance:>8} {sent:10,.0f} {added:20,.0f}"


def _table(point: Point) -> Iterator[str]:
    rows = [population.to_dict() for population in point.populations]
    width = max([len(row["name"]) for row in rows], default=0)
    timed = any(population.seconds for population in point.populations)
    rates = f" {'mean Hz':>8} {'peak Hz':>8}" if timed else ""
    if rows:
        yield f"  {'population':<{width}} {'units':>6} {'share':>7}{rates} {'silent':>6}"
    for row in rows:
        rates = f" {row['mean_rate']:8.1f} {row['peak_rate']:8.1f}" if timed else ""
        share = f"{row['share']:7.2%}"
        yield f"  {row['name']:<{width}} {row['units']:6d} {share}{rates} {row['dead']:6d}"
