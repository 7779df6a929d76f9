"""The command line as a whole: lazy, quick, and never a traceback."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from edgemem.cli import LazyGroup, main
from edgemem.errors import ConfigError

HEAVY = ("tensorflow", "keras", "nengo", "nengo_dl", "scipy", "matplotlib", "soundfile", "PIL")


def loaded_after(statement: str) -> set[str]:
    """Heavy packages in a fresh interpreter after ``statement``."""
    code = f"{statement}\nimport sys, json\nprint(json.dumps(sorted(sys.modules)))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    modules = json.loads(out.stdout.splitlines()[-1])
    return {name.split(".")[0] for name in modules} & set(HEAVY)


@pytest.mark.parametrize(
    "statement",
    [
        "import edgemem, edgemem.frontend, edgemem.pretrained, edgemem.cli",
        "import edgemem.runtime.loop, edgemem.runtime.sources, edgemem.runtime.network",
        "import edgemem.cli.run, edgemem.cli.info, edgemem.cli.models, edgemem.cli.evaluate",
        "import edgemem.evaluate.clips",
        "import edgemem.cli as c\ntry: c.main(['--help'])\nexcept SystemExit: pass",
    ],
)
def test_the_device_side_imports_nothing_heavy(statement: str) -> None:
    assert loaded_after(statement) == set()


def test_help_imports_no_command_and_not_even_numpy() -> None:
    code = (
        "import sys, edgemem.cli as c\n"
        "try: c.main(['--help'])\n"
        "except SystemExit: pass\n"
        "assert 'numpy' not in sys.modules\n"
        "assert not [m for m in sys.modules if m.startswith('edgemem.cli.')]\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_help_lists_every_command_with_a_line() -> None:
    result = CliRunner().invoke(main, ["--help"])
    assert result.exit_code == 0
    listed = [
        line.split()[0]
        for line in result.output.partition("Commands:")[2].splitlines()
        if line.strip()
    ]
    assert {"run", "info", "evaluate", "models"} <= set(listed)


@pytest.mark.parametrize("name", ["run", "info", "evaluate", "models"])
def test_every_command_has_help_and_an_example(name: str) -> None:
    result = CliRunner().invoke(main, [name, "--help"])
    assert result.exit_code == 0
    assert f"edgemem {name}" in result.output.partition("Example:")[2]


def test_an_unknown_command_lists_the_known_ones() -> None:
    result = CliRunner().invoke(main, ["walk"])
    assert result.exit_code == 2
    assert "no command named 'walk'; known: " in result.output
    assert "evaluate" in result.output


def group_with(command: click.Command) -> LazyGroup:
    class Group(LazyGroup):
        def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command:
            return command

    return Group("edgemem")


def test_an_error_is_one_sentence_on_stderr_and_exit_status_one() -> None:
    @click.command()
    def fails() -> None:
        raise ConfigError("theta is -1;\n it must be above 0")

    result = CliRunner().invoke(group_with(fails), ["fails"])
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr == "Error: theta is -1; it must be above 0\n"


def test_a_keyboard_interrupt_is_quiet() -> None:
    @click.command()
    def waits() -> None:
        raise KeyboardInterrupt

    result = CliRunner().invoke(group_with(waits), ["waits"])
    assert (result.exit_code, result.output) == (130, "")


def test_a_fault_of_edgemem_itself_is_not_hidden() -> None:
    @click.command()
    def breaks() -> None:
        raise ZeroDivisionError

    result = CliRunner().invoke(group_with(breaks), ["breaks"])
    assert isinstance(result.exception, ZeroDivisionError)


def test_a_closed_pipe_and_control_c_end_a_run_without_a_traceback(tone_file: Path) -> None:
    command = [sys.executable, "-m", "edgemem.cli", "run", str(tone_file), "-"]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdin is not None
    process.stdin.write(bytes(32000))
    process.stdin.flush()
    time.sleep(1.0)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert b"Traceback" not in errors


def test_a_reader_that_goes_away_ends_the_run_quietly(tmp_path: Path) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    done = subprocess.run(
        [sys.executable, "-m", "edgemem.cli", "--help"],
        stdout=write_end,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(write_end)
    assert done.returncode == 1
    assert b"Traceback" not in done.stderr


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="no /dev/full here")
@pytest.mark.parametrize("arguments", [["--help"], ["targets"], ["info", "{file}"]])
def test_a_full_disk_under_standard_output_is_one_sentence(
    arguments: list[str], tone_file: Path
) -> None:
    words = [word.format(file=tone_file) for word in arguments]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "edgemem.cli", *words],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr.startswith("Error: cannot use standard output: No space left on device;")
    assert done.stderr.count("\n") == 1


def test_a_name_that_the_system_refuses_is_one_sentence() -> None:
    result = CliRunner().invoke(main, ["info", "a" * 300])
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    assert "File name too long; name another place" in result.stderr
