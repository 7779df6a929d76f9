"""The options of ``edgemem evaluate --stream``, and what it prints."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from edgemem.data.cache import Progress
    from edgemem.data.scenes.material import Where
    from edgemem.data.scenes.schedule import Plan
    from edgemem.evaluate.streaming.study import Running

F = TypeVar("F", bound=Callable[..., Any])

FOLDER = click.Path(path_type=Path)

_OPTIONS = (
    click.option("--hours", default=1.0, show_default=True, help="Length of the sound."),
    click.option(
        "--snr",
        default="clean,20,10,5,0",
        show_default=True,
        metavar="LIST",
        help="Signal-to-noise ratios in dB, with commas; clean, and LOW:HIGH, are some as well.",
    ),
    click.option("--others", type=FOLDER, help="Data set whose words are none of the keywords."),
    click.option("--keyword-rate", default=400.0, show_default=True, help="Keywords an hour."),
    click.option("--other-rate", default=110.0, show_default=True, help="Other words an hour."),
    click.option(
        "--noise-share", default=0.3, show_default=True, help="Share of the time without words."
    ),
    click.option(
        "--tolerance",
        default=1.0,
        show_default=True,
        help="Seconds after a word in which an event still belongs to it.",
    ),
    click.option("--frontend", help='Front end of stored features: "pictures" or a JSON file.'),
    click.option("--cache", type=FOLDER, help="Folder for features."),
    click.option(
        "--seed",
        type=click.IntRange(0, 2**31 - 1),
        default=0,
        show_default=True,
        help="Decides all that is drawn.",
    ),
    click.option("--jobs", type=click.IntRange(1), default=1, help="Number of processes."),
    click.option("--work", type=FOLDER, help="Folder of finished parts: a killed run goes on."),
    click.option("--plot", type=FOLDER, help="PNG file for the curves."),
)


def options(command: F) -> F:
    """Add the options of continuous evaluation to a command."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def where_of(
    data: Path, split: str, protocol: str | None, background: Path | None, given: Mapping[str, Any]
) -> Where:
    """Where the sound is."""
    from edgemem.data.readers import declared
    from edgemem.data.scenes.material import Where

    frontend = declared(given["frontend"]) if given["frontend"] else None
    return Where(data, split, protocol, frontend, given["others"], background, given["cache"])


def plan_of(given: Mapping[str, Any]) -> Plan:
    """How scenes are drawn."""
    from edgemem.data.scenes.schedule import Plan

    return Plan(
        hours=given["hours"],
        snr=ratios(given["snr"]),
        keywords=given["keyword_rate"],
        others=given["other_rate"],
        noise_share=given["noise_share"],
        seed=given["seed"],
    )


def running_of(given: Mapping[str, Any], progress: Progress | None) -> Running:
    """How the sound is heard."""
    from edgemem.evaluate.streaming.study import Running

    return Running(given["jobs"], given["work"], progress)


def ratios(text: str) -> tuple[float, ...]:
    """Signal-to-noise ratios from text: numbers in dB, ``clean``, ``LOW:HIGH``.

    A range stands for the whole numbers of dB in it.

    Raises
    ------
    ConfigError
        If a part is none of these.
    """
    from edgemem.data.scenes.schedule import ratio_of
    from edgemem.errors import ConfigError

    found: list[float] = []
    for part in text.split(","):
        low, colon, high = part.partition(":")
        if not colon:
            found.append(ratio_of(part, "--snr"))
            continue
        try:
            found += [float(snr) for snr in range(int(low), int(high) + 1)]
        except ValueError:
            raise ConfigError(
                f"--snr: {part!r} is no range; expected LOW:HIGH, whole numbers of dB"
            ) from None
    return tuple(found)


@contextmanager
def progress_of(label: str) -> Iterator[Progress | None]:
    """A bar on standard error while somebody looks on."""
    if not sys.stderr.isatty():
        yield None
        return
    with click.progressbar(length=1000, label=label, file=sys.stderr) as bar:
        yield lambda done, total: bar.update(1000 * done // max(total, 1) - bar.pos)


def run(
    file: str,
    data: Path,
    split: str,
    protocol: str | None,
    background: Path | None,
    as_json: bool,
    given: Mapping[str, Any],
) -> None:
    """Hear a scene and print the figures."""
    from edgemem.evaluate.streaming.study import about, gather, record, score
    from edgemem.runtime.network import open_network

    plan = plan_of(given)
    where = where_of(data, split, protocol, background, given)
    network = open_network(file)
    with progress_of("reading") as progress:
        material = gather(network, where, progress)
    with progress_of("hearing") as progress:
        take = record(network, material, plan, running_of(given, progress))
    scores = score(network, take, tolerance=given["tolerance"])
    facts = about(network, where, plan, take)
    if given["plot"] is not None:
        from edgemem.evaluate.streaming.picture import draw

        draw(scores, given["plot"], network.path.name)
    if as_json:
        click.echo(json.dumps({**facts, "tolerance": given["tolerance"], **scores.to_dict()}))
        return
    click.echo("\n".join([*_lines(facts), *material.report.lines(), *scores.lines()]))


def _lines(facts: Mapping[str, Any]) -> Iterator[str]:
    yield (
        f"{facts['file']}: {facts['hours']:.2f} hours, {facts['keywords']:.0f} keywords and "
        f"{facts['other_words']:.0f} other words ({facts['other_words_per_hour']:.0f} an hour), "
        f"{facts['words_heard_before']:.0f} of them heard before; "
        f"{facts['noise_share']:.0%} of the time without words"
    )
