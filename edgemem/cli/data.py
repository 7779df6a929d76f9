"""Make, look at and lay out data sets of keywords."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgemem.cli import _crop
from edgemem.cli._speakers import rule_of, speaker_options

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgemem.data.cache import Progress
    from edgemem.data.check import Summary

FOLDER = click.Path(path_type=Path)
PROTOCOL = click.option(
    "--protocol", help="12, 35, folders or words:A,B; by default 12 where its ten words are there."
)
BACKGROUND = click.option(
    "--background", type=FOLDER, help="Folder of further recordings of background noise."
)
SEED = click.option(
    "--seed",
    type=click.IntRange(0, 2**31 - 1),
    default=0,
    show_default=True,
    help="Decides all that is drawn.",
)


@click.group()
def command() -> None:
    """Make, look at and lay out data sets of keywords."""


@command.command(epilog="Example: edgemem data synth --out spoken --voices 60 --seed 0")
@click.option("--out", required=True, type=FOLDER, help="Folder to make.")
@click.option("--words", help="Keywords, with commas; by default the ten of Speech Commands.")
@click.option("--other-words", help="Words that are not keywords, with commas.")
@click.option("--voices", default=60, show_default=True, help="Number of voices.")
@click.option("--clips-per-word", default=300, show_default=True, help="Clips of each keyword.")
@SEED
def synth(
    out: Path,
    words: str | None,
    other_words: str | None,
    voices: int,
    clips_per_word: int,
    seed: int,
) -> None:
    """Make spoken keywords with eSpeak NG, laid out as Speech Commands is.

    Needs the extra "synth". Some voices are held out for validation and test. A folder that holds
    just this set already is left as it is.
    """
    from edgemem.data.protocols import TEN_WORDS
    from edgemem.data.synth import OTHER_WORDS, SynthConfig, synthesise

    keywords = _words(words, TEN_WORDS)
    others = tuple(word for word in OTHER_WORDS if word not in keywords)
    config = SynthConfig(keywords, _words(other_words, others), voices, clips_per_word, seed)
    with _progress("clips") as progress:
        made = synthesise(out, config, progress)
    click.echo(f"{out}: {'made' if made else 'is there already'}")


@command.command(epilog="Example: edgemem data stream --data spoken --out long.wav")
@click.option("--data", required=True, type=FOLDER, help="Data set that the clips are from.")
@click.option("--out", required=True, type=FOLDER, help="The wav file to write.")
@click.option("--labels", type=FOLDER, help="File for the times; by default OUT with .json.")
@click.option(
    "--split",
    type=click.Choice(["train", "validation", "test"]),
    default="test",
    show_default=True,
    help="Which clips.",
)
@PROTOCOL
@click.option("--keywords", default=10, show_default=True, help="Number of keywords.")
@click.option("--others", default=5, show_default=True, help="Number of unknown words.")
@click.option(
    "--snr",
    default="clean",
    show_default=True,
    help="Ratio of each clip to the background under it in dB; clean: a quiet background.",
)
@BACKGROUND
@speaker_options
@SEED
def stream(
    data: Path,
    out: Path,
    labels: Path | None,
    split: str,
    protocol: str | None,
    keywords: int,
    others: int,
    snr: str,
    background: Path | None,
    speaker: str,
    test_speakers: int | None,
    seed: int,
) -> None:
    """Write one long wav with several words, background between them, and their times."""
    from edgemem.data.scenes.schedule import ratio_of
    from edgemem.data.stream import RATE, make_stream
    from edgemem.errors import ConfigError
    from edgemem.files import check_writable, write_atomic
    from edgemem.runtime.wav import wav_bytes

    times = labels or out.with_suffix(".json")
    if times == out:
        raise ConfigError(f"sound and times cannot both go to {out}; name a .wav file")
    check_writable(out)
    check_writable(times)
    samples, marked = make_stream(
        data,
        split=split,
        protocol=protocol,
        keywords=keywords,
        others=others,
        snr=ratio_of(snr, "--snr"),
        background=background,
        speaker=rule_of(speaker, test_speakers),
        seed=seed,
    )
    record = {"sample_rate": RATE, "seed": seed, "clips": [asdict(mark) for mark in marked]}
    write_atomic(out, wav_bytes(samples, RATE))
    write_atomic(times, (json.dumps(record, indent=1) + "\n").encode())
    click.echo(f"{out}: {len(samples) / RATE:.1f} s, {len(marked)} words; times in {times}")


@command.command(epilog="Example: edgemem data check spoken --json")
@click.argument("folder", type=FOLDER)
@PROTOCOL
@click.option("--frontend", help='Front end of features: "pictures" or a JSON file.')
@BACKGROUND
@speaker_options
@_crop.options("1")
@click.option(
    "--strict", is_flag=True, help="Exit with status 1 if a file is skipped or not there."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def check(
    folder: Path,
    protocol: str | None,
    frontend: str | None,
    background: Path | None,
    speaker: str,
    test_speakers: int | None,
    seconds: float | None,
    center: bool | None,
    strict: bool,
    as_json: bool,
) -> None:
    """Say what would be read of FOLDER, how large the splits are, and what is skipped and why.

    Of recordings that are longer than a clip it says how many there are and where their energy
    lies.
    """
    from edgemem.data.check import check as look
    from edgemem.data.readers import declared

    crop = _crop.crop_of(seconds, center)
    summary = look(
        folder,
        protocol,
        declared(frontend) if frontend else None,
        background=background,
        speaker=rule_of(speaker, test_speakers),
        seconds=crop.seconds,
        center=crop.center,
    )
    if as_json:
        click.echo(json.dumps(summary.to_dict()))
    else:
        click.echo("\n".join(_lines(summary)))
    if not summary.report.read or (strict and not summary.report.whole):
        raise SystemExit(1)


def _lines(summary: Summary) -> Iterator[str]:
    yield f"{summary.layout} ({summary.kind} files), protocol {summary.protocol}"
    width = max(len(label) for label in summary.labels)
    yield f"{'':{width}} " + " ".join(f"{split:>10}" for split in summary.splits)
    for label in summary.labels:
        counts = [split.get(label, 0) for split in summary.splits.values()]
        yield f"{label:{width}} " + " ".join(f"{count:10d}" for count in counts)
    made = " ".join(f"{summary.silence[split]:10d}" for split in summary.splits)
    yield f"{'(made)':{width}} {made}"
    yield f"files of background noise: {summary.background}"
    yield from summary.report.lines()


def _words(text: str | None, default: tuple[str, ...]) -> tuple[str, ...]:
    if text is None:
        return default
    return tuple(word.strip() for word in text.split(",") if word.strip())


@contextmanager
def _progress(label: str) -> Iterator[Progress | None]:
    """A bar on standard error while somebody looks on."""
    if not sys.stderr.isatty():
        yield None
        return
    with click.progressbar(length=1000, label=label, file=sys.stderr) as bar:

        def show(done: int, total: int) -> None:
            bar.update(1000 * done // max(total, 1) - bar.pos)

        yield show
