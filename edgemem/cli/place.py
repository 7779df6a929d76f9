"""Show where a network lies on a chip, core by core."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from edgemem.cli._options import FileCommand


@click.command(
    cls=FileCommand,
    epilog="Example: edgemem place kws12-lmu --target loihi --map chip.png",
)
@click.argument("file")
@click.option("--target", "target_name", help="Target of a trained MODEL: loihi.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option(
    "--map",
    "picture",
    type=click.Path(path_type=Path),
    metavar="PNG",
    help="Also draw the chip; needs the extra plot.",
)
def command(
    file: str, target_name: str | None, as_json: bool, picture: Path | None, **options: Any
) -> None:
    """Show where a network lies on a chip, core by core.

    FILE is a network converted for a chip, or with --target a trained model or the name of a
    pretrained one. What is told: the units, axons and synapse memory of every core beside its
    limits, and how far messages travel. A network that does not fit is refused with the limit that
    it breaks.
    """
    from edgemem.errors import ArtefactError
    from edgemem.evaluate.subject import open_subject
    from edgemem.files import check_writable
    from edgemem.target import Placed

    if picture:
        check_writable(picture)
    subject = open_subject(file, target_name)
    runner = subject.runner(options)
    if not isinstance(runner, Placed):
        raise ArtefactError(
            f"{file}: target {subject.target!r} has no cores; networks for loihi lie on a chip"
        )
    if as_json:
        click.echo(json.dumps(runner.placement.to_dict()))
    else:
        for line in runner.placement.lines():
            click.echo(line)
    if picture:
        runner.placement.draw(picture, subject.name)
