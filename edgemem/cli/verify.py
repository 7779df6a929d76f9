"""Replay the golden vectors of a converted file on this machine."""

from __future__ import annotations

import json

import click


@click.command(epilog="Example: edgemem verify kws12-lmu")
@click.argument("file")
@click.option(
    "--reference-kernels",
    is_flag=True,
    help="Run the interpreter's plain kernels instead of its fast ones.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def command(file: str, reference_kernels: bool, as_json: bool) -> None:
    """Replay the golden vectors of a converted file on this machine.

    FILE is a converted network or the name of a pretrained one. Exit status 0 means that it
    computes here what it computed where it was made.
    """
    from edgemem import artefact, pretrained
    from edgemem.verification import verify

    path = pretrained.resolve(file)
    found = verify(artefact.read(path), reference_kernels)
    if as_json:
        click.echo(json.dumps({"file": str(path), **found.to_dict()}))
        return
    click.echo(
        f"{path}: {found.steps} steps of {found.clips} clips agree; distance {found.distance:.2g} "
        f"(allowed {found.allowed:.2g}), {found.step_microseconds:.1f} us a step"
    )
