"""Help and pages that cannot lie: every command explains itself, and the page is made from that."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import pytest

from edgemem.cli import main

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").glob("*.md"),
        *(ROOT / "targets").rglob("README.md"),
    ]
)


@dataclass(frozen=True)
class Shown:
    """What a person can read of a command."""

    text: str
    command: click.Command

    @property
    def options(self) -> dict[str, click.Option]:
        """Its options when nothing else is said."""
        return self.options_of([])

    def options_of(self, words: list[str]) -> dict[str, click.Option]:
        """Its options behind these words: a target that they name brings its own."""
        context = self.command.make_context("edgemem", list(words), resilient_parsing=True)
        params = self.command.get_params(context)
        return {opt: p for p in params if isinstance(p, click.Option) for opt in p.opts}


def commands(
    group: click.Group = main, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Shown]]:
    """Every command that does something, with its words."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
            continue
        yield (*path, name), Shown(f"{command.help or ''}\n{command.epilog or ''}", command)


COMMANDS = dict(commands())
EVERY = pytest.mark.parametrize("path", COMMANDS, ids=" ".join)


@EVERY
def test_every_command_has_help_and_an_example(path: tuple[str, ...]) -> None:
    text = COMMANDS[path].text
    assert len(text.strip()) > 20
    assert " ".join(["edgemem", *path]) in text


@EVERY
def test_every_option_has_help(path: tuple[str, ...]) -> None:
    assert [name for name, option in COMMANDS[path].options.items() if not option.help] == []


@EVERY
def test_the_options_of_an_example_exist(path: tuple[str, ...]) -> None:
    start = " ".join(["edgemem", *path])
    lines = COMMANDS[path].text.splitlines()
    examples = [line[line.index(start) :] for line in lines if start in line]
    assert examples
    for example in examples:
        words = shlex.split(example)[1 + len(path) :]
        used = {word for word in words if word.startswith("--")}
        assert used <= set(COMMANDS[path].options_of(words))


def test_the_page_of_commands_is_up_to_date() -> None:
    script = ROOT / "scripts" / "make-docs"
    done = subprocess.run(
        [sys.executable, str(script), "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_inside_the_project_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8"))
    inside = [target for target in targets if "://" not in target]
    assert [target for target in inside if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_in_the_pages_exist(page: Path) -> None:
    blocks = re.findall(r"^```(?:sh|console)?\n(.*?)^```", page.read_text("utf-8"), re.M | re.S)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    used = [match[1] for line in lines if (match := re.search(r"\bedgemem +(.*)", line))]
    for call in used:
        words = call.split("#")[0].split()
        if not words or words[0].startswith("-") or words[0] == "COMMAND":
            continue
        path = next((path for path in COMMANDS if tuple(words[: len(path)]) == path), None)
        assert path is not None, f"{page.name}: no command edgemem {call}"
        known = set(COMMANDS[path].options_of(words[len(path) :]))
        options = {word.split("=")[0] for word in words if word.startswith("--")}
        assert options <= known, f"{page.name}: edgemem {call}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_python_in_the_pages_runs(page: Path) -> None:
    code = "\n".join(re.findall(r"^```python\n(.*?)^```", page.read_text("utf-8"), re.M | re.S))
    if code:
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
