"""List the installed targets and their options."""

from __future__ import annotations

import json
from typing import Any

import click


@click.command(epilog="Example: edgemem targets")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
def command(as_json: bool) -> None:
    """List the installed targets and their options."""
    from edgemem import target

    rows = [_row(target.get(name)) for name in sorted(target.available())]
    if as_json:
        click.echo(json.dumps(rows))
        return
    for row in rows:
        click.echo(f"{row['name']:<12} {row['summary']}")
        for option in row["options"]:
            values = f" ({', '.join(option['choices'])})" if option["choices"] else ""
            click.echo(f"{'':<12} {option['flag']}{values}, default {option['default']}")


def _row(chosen: Any) -> dict[str, Any]:
    from edgemem.cli._options import options_of

    options = [
        {
            "flag": option.opts[0],
            "choices": list(getattr(option.type, "choices", ())),
            "default": option.default,
            "help": option.help,
        }
        for option in options_of(chosen)
    ]
    return {
        "name": chosen.name,
        "summary": chosen.summary,
        "ops": sorted(chosen.ops),
        "options": options,
        "tolerance": chosen.tolerance(chosen.Options()).to_dict(),
    }
