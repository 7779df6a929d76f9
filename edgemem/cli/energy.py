"""Compare what forms of a network take: operations counted, joules modelled."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgemem.cli._tables import aligned

if TYPE_CHECKING:
    from edgemem.evaluate.energy import Cost


@click.command(epilog="Example: edgemem energy kws12-lmu lmu.spiking --plot energy.png")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="Folder of recordings, a folder a word, on which spikes and messages are counted.",
)
@click.option("--clips", type=click.IntRange(min=1), help="At most that many clips of --data.")
@click.option(
    "--seconds",
    type=click.FloatRange(min=0.0, min_open=True),
    default=1.0,
    show_default=True,
    help="Sound of one inference.",
)
@click.option(
    "--device",
    "devices",
    multiple=True,
    metavar="NAME",
    help="Device of the table; by default those that are meant for a form.",
)
@click.option(
    "--table",
    "table_file",
    type=click.Path(path_type=Path),
    metavar="JSON",
    help="Figures that replace and extend those that come with edgemem.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option(
    "--plot", type=click.Path(path_type=Path), metavar="PNG", help="Draw the estimates as bars."
)
def command(
    files: tuple[str, ...],
    data: Path | None,
    clips: int | None,
    seconds: float,
    devices: tuple[str, ...],
    table_file: Path | None,
    as_json: bool,
    plot: Path | None,
) -> None:
    """Compare what forms of a network take: operations counted, joules modelled.

    FILE is a trained model (its floats are counted), a converted network, or the name of a
    pretrained one (both its forms). Dense forms take the same at every frame. Networks of spikes
    or messages (spiking, loihi) are run, on --data or on the inputs in their file. Joules are what
    a table of published figures makes of the counts; no energy is measured. The front end is left
    out.
    """
    from edgemem.energy import built_in
    from edgemem.energy.tables import read
    from edgemem.evaluate.energy import cost
    from edgemem.files import check_writable

    if plot:
        check_writable(plot)
    table = built_in()
    if table_file:
        table = table.with_rows_of(read(table_file))
    for name in devices:
        table.device(name)
    paths = [path for file in files for path in _forms(file)]
    costs = [cost(path, table, devices, seconds, data, clips) for path in paths]
    if as_json:
        about = {"modelled": True, "table": table.title, "seconds": seconds}
        click.echo(json.dumps({**about, "forms": [each.to_dict() for each in costs]}))
    else:
        click.echo("\n".join(_lines(costs, seconds, table.title)))
    if plot:
        from edgemem.evaluate.energy_picture import draw

        draw(costs, f"one inference, {seconds:g} s of sound", plot)


def _forms(file: str) -> tuple[Path, ...]:
    """A file; for the name of a pretrained network, its trained model and its converted form."""
    from edgemem import pretrained

    path = pretrained.resolve(file)
    return (pretrained.resolve(file, pretrained.MODEL), path) if str(path) != file else (path,)


def _lines(costs: Sequence[Cost], seconds: float, title: str) -> Iterator[str]:
    yield f"one inference: {seconds:g} s of sound; the front end is left out"
    yield from _table(
        ["counted", *(cost.name for cost in costs)],
        [
            ["form", *(cost.form for cost in costs)],
            ["frames", *(f"{cost.frames:,}" for cost in costs)],
            *_counts(costs),
        ],
    )
    for cost in costs:
        yield f"{cost.name}: counts of {cost.about}"
    yield ""
    yield f"modelled, not measured; table: {title}"
    yield from _table(["file", "device", "typical", "low", "high", "without"], _energies(costs))
    if any(cost.foreign for cost in costs):
        yield "* the figures of this device are not meant for this form"
    yield from _notes(costs)


def _counts(costs: Sequence[Cost]) -> Iterator[list[str]]:
    from edgemem.energy.joules import spoken

    for name in dict.fromkeys(name for cost in costs for name in cost.counts):
        yield [spoken(name), *(f"{cost.counts.get(name, 0.0):,.0f}" for cost in costs)]


def _energies(costs: Sequence[Cost]) -> Iterator[list[str]]:
    from edgemem.energy.joules import in_words, spoken

    for cost in costs:
        for energy in cost.energies:
            sums, without = energy.priced, ", ".join(map(spoken, energy.without))
            shown = ["none", "", "", "figures"]
            if sums is not None:
                shown = [in_words(each) for each in (sums.typical, sums.low, sums.high)]
                shown.append(without)
            yield [cost.name, cost.machine(energy), *shown]


def _notes(costs: Sequence[Cost]) -> Iterator[str]:
    """What the figures of every device are, where they are from, and what they leave out."""
    from edgemem.energy.joules import spoken

    for energy in {e.device: e for cost in costs for e in cost.energies}.values():
        yield f"{energy.device}:"
        for part in energy.parts:
            figure = part.figure
            value = f"{figure.low:g} to {figure.high:g}"
            if figure.low == figure.high:
                value = f"{figure.typical:g}"
            each = f"{spoken(figure.item)} {value} {figure.unit} each"
            yield f"  {each}, {figure.mark}: {figure.source}"
        if energy.unpriced:
            yield "  left out: " + ", ".join(map(spoken, energy.unpriced))
        for note in energy.notes:
            yield f"  {note}"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    words = {0, *(i for i, name in enumerate(head) if name in ("device", "without"))}
    return aligned([head, *rows], words)
