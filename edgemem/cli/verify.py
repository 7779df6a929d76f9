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

    FILE is a converted network or the name of a pretrained one. Its golden vectors are inputs and
    the outputs that belong to them; those of an integer target are the outputs of the integer
    semantics. Exit status 0 means that the outputs here are as near to them as the file asks;
    integers that are the same everywhere (targets fixed and c, any with --reference-kernels) must
    not differ at all.
    """
    from edgemem import artefact, pretrained
    from edgemem.verification import verify

    path = pretrained.resolve(file)
    opened = artefact.read(path)
    found = verify(opened, reference_kernels)
    if as_json:
        click.echo(json.dumps({"file": str(path), **found.to_dict()}))
        return
    click.echo(
        f"{path}: {found.steps} steps of {found.clips} clips agree; distance {found.distance:.2g} "
        f"(allowed {found.allowed:.2g}), {found.step_microseconds:.1f} us a step"
    )
    places = "" if found.last_places is None else f", at most {found.last_places:g} last places off"
    click.echo(
        f"{found.equal:.2%} of the steps equal{places}; "
        f"the same decision in {found.decisions:.2%} of them"
    )
    click.echo(f"computed by {found.engine}, on {found.processor}")
    accepted = opened.manifest.get("accepted")
    if accepted:
        click.echo(
            "it is further from the trained network than its target allows, which was accepted "
            f"when it was converted: {accepted['reason']}"
        )
