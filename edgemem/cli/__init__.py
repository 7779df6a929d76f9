"""The command line: one module per command, found by its name and imported when it is called.

A module ``edgemem/cli/NAME.py`` is the command ``NAME``: its ``command`` is the
:class:`click.Command`, the first line of its docstring the line in ``edgemem --help``. Modules
whose name starts with an underscore are no commands.
"""

from __future__ import annotations

import ast
import importlib
import os
import pkgutil
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from edgemem import __version__
from edgemem.errors import EdgememError

# Products of one frame are too small to share: threads that wait for each other would cost more
# time than they save. It must be said before NumPy is imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


class LazyGroup(click.Group):
    """The commands of this folder; listing them imports none."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of the modules in this folder."""
        names = (module.name for module in pkgutil.iter_modules(__path__))
        return sorted(name for name in names if not name.startswith("_"))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command:
        """Import the module of a command.

        Raises
        ------
        click.UsageError
            If there is no such command; it lists the known ones.
        """
        known = self.list_commands(ctx)
        if cmd_name not in known:
            ctx.fail(f"no command named {cmd_name!r}; known: {', '.join(known)}")
        command = importlib.import_module(f"{__name__}.{cmd_name}").command
        if not isinstance(command, click.Command):
            raise TypeError(f"{__name__}.{cmd_name}.command is no click.Command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table of commands from the first lines of their docstrings."""
        rows = [(name, _first_line(name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run the program; what the system refuses becomes one sentence and exit status 1."""
        try:
            return super().main(*args, **extra)
        except OSError as error:
            place = error.filename or "standard output"
            reason = error.strerror or str(error)
            click.echo(f"Error: cannot use {place}: {reason}; name another place", err=True)
            _drop_output()
            sys.exit(1)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; an error of edgemem's own becomes one sentence and exit status 1."""
        try:
            return super().invoke(ctx)
        except EdgememError as error:
            raise click.ClickException(" ".join(str(error).split())) from error
        except KeyboardInterrupt:
            # What a shell reports for a process that SIGINT ended.
            return ctx.exit(130)


def _drop_output() -> None:
    """What is still in the buffer of standard output would fail once more when Python ends."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def _first_line(name: str) -> str:
    source = (Path(__file__).parent / f"{name}.py").read_text(encoding="utf-8")
    return (ast.get_docstring(ast.parse(source)) or "").partition("\n")[0]


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="A FILE or MODEL is a path, or the name of a pretrained network (see: edgemem models).",
)
@click.version_option(__version__, prog_name="edgemem")
def main() -> None:
    """Recurrent memory networks (LMU, LEM) from training to the device."""
