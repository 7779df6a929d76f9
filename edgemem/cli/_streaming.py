"""The options of ``edgemem evaluate --stream``, and what it prints."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

if TYPE_CHECKING:
    from edgemem.data.cache import Progress
    from edgemem.data.scenes.material import Where
    from edgemem.data.scenes.schedule import Plan
    from edgemem.data.splits import SpeakerRule
    from edgemem.evaluate.streaming.study import Running, Take
    from edgemem.runtime.crop import Crop
    from edgemem.runtime.network import Network
    from edgemem.runtime.rule import DetectorConfig

F = TypeVar("F", bound=Callable[..., Any])

FOLDER = click.Path(path_type=Path)

_OF_FLOATS = (
    "these thresholds are those of the floats, and posteriors of a converted network differ a "
    "little: convert the model and tune the converted file (target c writes the rule into its "
    "source and takes the model's)"
)

_OPTIONS = (
    click.option("--hours", type=float, help="Length of the sound; by default 1, or 10 to tune."),
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
    click.option("--tune", is_flag=True, help="Set window and thresholds on validation sound."),
    click.option(
        "--false-accepts",
        default=0.5,
        show_default=True,
        help="Wanted false accepts an hour, all keywords together.",
    ),
    click.option("--out", type=FOLDER, help="Where --tune writes the file with its new rule."),
)


def options(command: F) -> F:
    """Add the options of continuous evaluation to a command."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def check_use(stream: bool, carry: float, given: Mapping[str, Any]) -> None:
    """Refuse options that would not be looked at.

    Raises
    ------
    ConfigError
        It names the first one.
    """
    from edgemem.errors import ConfigError

    if stream and carry:
        raise ConfigError("--carry is for single clips; a stream carries on by itself")
    if not stream:
        context = click.get_current_context()
        for name in given:
            if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
                raise ConfigError(f"--{name.replace('_', '-')} needs --stream")


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
        hours=(10.0 if given["tune"] else 1.0) if given["hours"] is None else given["hours"],
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
    split: str | None,
    protocol: str | None,
    background: Path | None,
    speaker: SpeakerRule,
    kept: Callable[[Crop], Crop],
    as_json: bool,
    given: Mapping[str, Any],
) -> None:
    """Hear a scene, tune if asked to, and print the figures."""
    from edgemem.evaluate.streaming.study import about, gather, record, score
    from edgemem.runtime.network import open_network

    tuning = given["tune"]
    plan = plan_of(given)
    where = where_of(data, split or _split(tuning), protocol, background, given)
    where = replace(where, speaker=speaker)
    network = open_network(file)
    where = replace(where, crop=kept(network.crop))
    if tuning:
        _check_tuning(network.path, where.split, plan.hours, given)
    with progress_of("reading") as progress:
        material = gather(network, where, progress)
    with progress_of("hearing") as progress:
        take = record(network, material, plan, running_of(given, progress))
    facts = {**about(network, where, plan, take), "tolerance": given["tolerance"]}
    rule = network.detector
    if tuning:
        rule, told = _tuned(network, take, given)
        facts["tuned"] = told
    scores = score(network, take, rule, tolerance=given["tolerance"])
    if given["plot"] is not None:
        from edgemem.evaluate.streaming.picture import draw

        draw(scores, given["plot"], network.path.name)
    if as_json:
        click.echo(json.dumps({**facts, **scores.to_dict()}))
        return
    click.echo("\n".join([*_lines(facts), *material.report.lines(), *scores.lines()]))


def _split(tuning: bool) -> str:
    return "validation" if tuning else "test"


def _check_tuning(path: Path, split: str, hours: float, given: Mapping[str, Any]) -> None:
    """Refuse what cannot be tuned, before anything is heard."""
    from edgemem.errors import ConfigError
    from edgemem.evaluate.streaming.tuning import check_rate
    from edgemem.evaluate.streaming.writing import check_changeable
    from edgemem.files import check_writable

    if split != "validation":
        raise ConfigError(
            f"--tune on the split {split}: thresholds are set on validation sound only, so that "
            "figures on others mean something; leave --split out"
        )
    if given["out"] is None:
        raise ConfigError("--tune needs --out, the file to write; the given one stays as it is")
    check_rate(given["false_accepts"], hours)
    check_changeable(path)
    check_writable(given["out"])


def _tuned(
    network: Network, take: Take, given: Mapping[str, Any]
) -> tuple[DetectorConfig, dict[str, Any]]:
    """The new rule, written, and what is to be said of it."""
    from edgemem.evaluate.streaming.tuning import tune
    from edgemem.evaluate.streaming.writing import with_rule
    from edgemem.files import write_atomic
    from edgemem.pretrained import MODEL

    tuned = tune(network, [take], given["false_accepts"], tolerance=given["tolerance"])
    write_atomic(given["out"], with_rule(network.path, tuned.rule))
    told = {"note": _OF_FLOATS} if network.path.suffix == MODEL else {}
    return tuned.rule, {
        **told,
        "wanted": given["false_accepts"],
        "out": str(given["out"]),
        "detector": tuned.rule.to_dict(),
        "held_out": tuned.chosen.to_dict(),
        "tried": [one.to_dict() for one in tuned.tried],
    }


def _lines(facts: Mapping[str, Any]) -> Iterator[str]:
    yield (
        f"{facts['file']}: {facts['hours']:.2f} hours, {facts['keywords']:.0f} keywords and "
        f"{facts['other_words']:.0f} other words ({facts['other_words_per_hour']:.0f} an hour), "
        f"{facts['words_heard_before']:.0f} of them heard before; "
        f"{facts['noise_share']:.0%} of the time without words"
    )
    if "tuned" in facts:
        tuned = facts["tuned"]
        held = tuned["held_out"]
        rule = tuned["detector"]
        kind = "one threshold" if held["share"] == "common" else "a threshold each"
        yield (
            f"tuned for {tuned['wanted']:g} false accepts an hour: window {held['window']}, "
            f"{kind}; "
            f"held-out parts miss {held['false_reject_rate']:.2%}; written to {tuned['out']}"
        )
        own = {label: one["threshold"] for label, one in rule.get("keywords", {}).items()}
        each = own or {"all": rule["threshold"]}
        yield "  " + ", ".join(f"{label} {value:.4f}" for label, value in each.items())
        if "note" in tuned:
            yield f"note: {tuned['note']}"
