"""Command line options made from the fields of a dataclass of options."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from edgemem.target import Target

DEFAULT_TARGET = "tflite"

_KEY = "edgemem.target_options"


def options_of(target: Target) -> list[click.Option]:
    """One option for each field of ``target.Options``."""
    kinds = typing.get_type_hints(target.Options)
    return [option_of(field, kinds[field.name]) for field in dataclasses.fields(target.Options)]


def option_of(field: dataclasses.Field[Any], kind: Any) -> click.Option:
    """The option that a field of a dataclass becomes."""
    flag = "--" + field.name.replace("_", "-")
    help_text = str(field.metadata.get("help", ""))
    if kind is bool:
        flag = f"{flag}/--no-{flag[2:]}"
        return click.Option([flag], default=field.default, show_default=True, help=help_text)
    choices = typing.get_args(kind)
    shown: Any = click.Choice(choices) if choices else kind
    return click.Option(
        [flag], type=shown, default=field.default, show_default=True, help=help_text
    )


class TargetCommand(click.Command):
    """A command that has, beside its own options, those of the target that ``--target`` names."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Find the target first: its options are needed to read the rest."""
        from edgemem import target

        name = self.named_target(args)
        ctx.meta[_KEY] = options_of(target.get(name)) if name else []
        return super().parse_args(ctx, args)

    def named_target(self, args: Sequence[str]) -> str | None:
        """The target that the arguments name, or else the default one."""
        return named_target(args) or DEFAULT_TARGET

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """The command's own parameters and the target's."""
        return [*super().get_params(ctx), *ctx.meta.get(_KEY, [])]


class FileCommand(TargetCommand):
    """A command on a converted file, whose target stands in it, or on a model with ``--target``."""

    def named_target(self, args: Sequence[str]) -> str | None:
        return named_target(args)


def named_target(args: Sequence[str]) -> str | None:
    """What ``--target`` says, if it is among the arguments."""
    for place, arg in enumerate(args):
        if arg.startswith("--target="):
            return arg.partition("=")[2]
        if arg == "--target" and place + 1 < len(args):
            return args[place + 1]
    return None
