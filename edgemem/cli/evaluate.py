"""Measure the accuracy of a network on labelled clips, or on hours of sound."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgemem.cli import _crop, _streaming
from edgemem.cli._speakers import rule_of, speaker_options

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgemem.evaluate.clips import ClipScores
    from edgemem.evaluate.latency import Latency

FOLDER = click.Path(path_type=Path)


@click.command(epilog="Example: edgemem evaluate kws12-lmu --data speech_commands_test --json")
@click.argument("file")
@click.option("--data", required=True, type=FOLDER, help="Folder of recordings, a folder a word.")
@click.option("--stream", is_flag=True, help="Build hours of sound and count what users would.")
@click.option("--protocol", help="12, 35 or folders; by default the network's own.")
@click.option(
    "--split",
    type=click.Choice(["train", "validation", "test"]),
    help="Which clips; by default test, with --tune validation.",
)
@click.option(
    "--carry",
    type=click.FloatRange(min=0.0),
    default=0.0,
    metavar="SECONDS",
    help="Hear that much background before each clip, and reset the state before that.",
)
@click.option("--background", type=FOLDER, help="Folder of background noise.")
@speaker_options
@_crop.options("as the network was trained")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@_streaming.options
def command(
    file: str,
    data: Path,
    stream: bool,
    protocol: str | None,
    split: str | None,
    carry: float,
    background: Path | None,
    speaker: str,
    test_speakers: int | None,
    seconds: float | None,
    center: bool | None,
    as_json: bool,
    **given: Any,
) -> None:
    """Measure the accuracy of a network on labelled clips, or on hours of sound.

    FILE is a converted network, a trained model (it runs in float64) or the name of a pretrained
    network. Every clip is streamed through front end, network and stored decision rule.

    With --stream, keywords and other words with pauses are laid over background noise, at drawn
    signal-to-noise ratios and known times; what is counted are false accepts an hour, missed
    keywords, and the time from the end of a word to its event.
    """
    _streaming.check_use(stream, carry, given)
    rule = rule_of(speaker, test_speakers)
    if stream:
        kept = partial(_crop.crop_of, seconds, center)
        _streaming.run(file, data, split, protocol, background, rule, kept, as_json, given)
        return
    from edgemem.cli._progress import progress
    from edgemem.evaluate.clips import evaluate_clips
    from edgemem.evaluate.latency import latency
    from edgemem.runtime.network import open_network

    network = open_network(file)
    crop = _crop.crop_of(seconds, center, network.crop)
    scores = evaluate_clips(
        network,
        data,
        protocol,
        split or "test",
        carry,
        background,
        progress,
        crop=crop,
        speaker=rule,
    )
    times = latency(network)
    if as_json:
        about = {"file": str(network.path), "carry": carry, "latency": times.to_dict()}
        about |= crop.to_dict()
        click.echo(json.dumps({**about, **scores.to_dict()}))
    else:
        click.echo("\n".join([*_lines(scores, carry), _time_line(times)]))


def _lines(scores: ClipScores, carry: float) -> Iterator[str]:
    state = f"carried on from {carry:g} s of background" if carry else "reset before each clip"
    yield f"accuracy {scores.accuracy:.2%}: {scores.correct} of {scores.clips} clips, state {state}"
    yield from scores.report.lines()
    yield "confusion (rows: label, columns: decision, in the same order)"
    width = max(len(label) for label in scores.labels)
    for label, row in zip(scores.labels, scores.confusion):
        yield f"  {label:<{width}} " + " ".join(f"{count:5d}" for count in row)


def _time_line(times: Latency) -> str:
    return (
        f"one feature vector ({1e3 * times.period:g} ms of sound) takes {1e6 * times.whole:.0f} us,"
        f" {1e6 * times.step:.0f} us of them the network: {times.share:.2%} of real time here"
    )
