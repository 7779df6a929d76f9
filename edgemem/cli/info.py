"""Say what a file holds: target, labels, front end, decision rule, digests."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import click


@click.command(epilog="Example: edgemem info kws12-lmu")
@click.argument("file")
@click.option("--json", "as_json", is_flag=True, help="Print the whole manifest as JSON.")
def command(file: str, as_json: bool) -> None:
    """Say what a file holds.

    FILE is a converted network, a trained model, or the name of a pretrained network.
    """
    from edgemem.runtime.network import describe

    manifest = describe(file)
    if as_json:
        click.echo(json.dumps(manifest))
        return
    for line in _lines(manifest):
        click.echo(line)


def _lines(values: Mapping[str, Any], indent: str = "") -> Iterator[str]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield f"{indent}{key}"
            yield from _lines(value, indent + "  ")
        elif isinstance(value, (list, tuple)):
            yield f"{indent}{key:<16} {', '.join(map(str, value))}"
        else:
            yield f"{indent}{key:<16} {value}"
