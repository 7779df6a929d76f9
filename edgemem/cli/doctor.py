"""Check whether this machine can listen, and say how to mend what stands against it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from edgemem.listen.doctor import Examination

DEFAULT_FILE = "kws12-lmu"


@click.command(epilog="Example: edgemem doctor kws12-lmu")
@click.argument("file", default=DEFAULT_FILE)
@click.option("--device", metavar="NAME", help="The microphone, as edgemem listen takes it.")
@click.option(
    "--recorder",
    type=click.Choice(["sounddevice", "arecord", "pw-record"]),
    help="What records; the first of these that is here without.",
)
@click.option("--no-microphone", is_flag=True, help="Sound comes from a pipe or files.")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def command(
    file: str, device: str | None, recorder: str | None, no_microphone: bool, as_json: bool
) -> None:
    """Check whether this machine can listen.

    FILE is a network, kws12-lmu without. Each check is ok, a warning or failed, and says how to
    mend what it found. The microphone is heard for two seconds; nothing of it is kept. Exit status
    1 means that something failed that listening needs.
    """
    from edgemem.listen.doctor import Wish, examine
    from edgemem.listen.doctor_probes import Probes

    found = examine(Wish(file, not no_microphone, device, recorder), Probes())
    if as_json:
        click.echo(json.dumps(found.to_dict()))
    else:
        _show(found)
    if found.failed:
        raise SystemExit(1)


def _show(found: Examination) -> None:
    for finding in found.findings:
        click.echo(f"{finding.level:<8} {finding.check:<14} {finding.found}")
        if finding.remedy:
            click.echo(f"{'':<8} {'':<14} -> {finding.remedy}")
    counts = [
        f"{number} {level}"
        for level in ("failed", "warning")
        if (number := sum(finding.level == level for finding in found.findings))
    ]
    click.echo(", ".join(counts) or "all is well")
