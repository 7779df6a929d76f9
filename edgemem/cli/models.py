"""List the pretrained networks that come with edgemem."""

from __future__ import annotations

import json

import click


@click.command(epilog="Example: edgemem models")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
def command(as_json: bool) -> None:
    """List the pretrained networks that come with edgemem.

    Each has a trained model (for convert) and an int8 TFLite file made from it (for run); a
    command takes the name and picks the right one of the two.
    """
    from edgemem import pretrained

    rows = [(name, _sizes(name), pretrained.summary(name)) for name in pretrained.names()]
    if as_json:
        keys = ("name", "files", "summary")
        click.echo(json.dumps([dict(zip(keys, row)) for row in rows]))
        return
    for name, sizes, summary in rows:
        files = ", ".join(f"{suffix} {size / 1000:.0f} kB" for suffix, size in sizes.items())
        click.echo(f"{name:<16} {files:<32} {summary}".rstrip())
    if not rows:
        click.echo("no pretrained networks in this installation", err=True)


def _sizes(name: str) -> dict[str, int]:
    from edgemem.pretrained import CONVERTED, FOLDER, MODEL

    files = {suffix: FOLDER / f"{name}{suffix}" for suffix in (MODEL, CONVERTED)}
    return {suffix: file.stat().st_size for suffix, file in files.items() if file.is_file()}
