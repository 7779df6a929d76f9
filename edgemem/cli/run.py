"""Hear keywords in clips or in raw sound on standard input, one JSON line each."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterable

    from edgemem.runtime.loop import Listener
    from edgemem.runtime.soundfiles import Notes, Samples

STDIN = "-"


@click.command(
    epilog="Example: arecord -q -f S16_LE -r 16000 -c 1 -t raw | edgemem run kws12-lmu -"
)
@click.argument("file")
@click.argument("clips", nargs=-1, required=True, metavar="CLIP...|-")
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    metavar="TOML",
    help="Decision rule, per keyword too.",
)
@click.option(
    "--plot",
    type=click.Path(path_type=Path),
    metavar="PNG",
    help="Also draw features, posteriors and events of the one CLIP; needs the extra plot.",
)
def command(file: str, clips: tuple[str, ...], config: Path | None, plot: Path | None) -> None:
    """Hear keywords in sound.

    FILE is a converted network or the name of a pretrained one. Each CLIP is a wav file, 16 kHz,
    mono, 16 bits, or with the extra audio a sound file of any kind, which is converted; "-" is raw
    16-bit PCM on standard input. An event is a line {"time": seconds, "label": ..., "score": ...};
    with several clips it also has "file".
    A clip that cannot be read is named on standard error, the others are heard all the same, and
    the exit status is 1.
    """
    from edgemem.errors import AudioError, ConfigError, MissingExtraError
    from edgemem.runtime.network import open_network
    from edgemem.runtime.soundfiles import Notes

    if plot and (len(clips) > 1 or STDIN in clips):
        raise ConfigError("--plot draws one recording; name one wav or FLAC file")
    network = open_network(file)
    if config:
        from edgemem.listen.rules import rules_of

        network = replace(network, detector=rules_of(network, config))
    listener = network.listener()
    rate = network.frontend.sample_rate
    notes = Notes(rate)
    failed = False
    for clip in clips:
        listener.reset()
        try:
            _hear(listener, _blocks(clip, rate, notes), {"file": clip} if len(clips) > 1 else {})
        except (AudioError, MissingExtraError) as error:
            click.echo(f"Error: {error}", err=True)
            failed = True
    for note in notes.lines():
        click.echo(f"note: {note}", err=True)
    if failed:
        raise SystemExit(1)
    if plot:
        from edgemem.evaluate.picture import draw
        from edgemem.runtime.sources import read_clip

        draw(network, read_clip(clips[0], rate), plot)


def _blocks(clip: str, rate: int, notes: Notes) -> Iterable[Samples]:
    from edgemem.runtime.rawsound import watched
    from edgemem.runtime.sources import clip_blocks, pcm_blocks, standard_input

    if clip != STDIN:
        return clip_blocks(clip, rate, rate, notes)
    blocks = pcm_blocks(standard_input("edgemem run FILE -"))
    return watched(blocks, lambda text: click.echo(f"warning: {text}", err=True))


def _hear(listener: Listener, blocks: Iterable[Samples], extra: dict[str, str]) -> None:
    from edgemem.runtime.lines import event_fields

    for block in blocks:
        for event in listener.push(block):
            # A pipe on the other side wants each event when it happens.
            click.echo(json.dumps({**extra, **event_fields(event)}))
