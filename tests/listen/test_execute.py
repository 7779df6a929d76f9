"""Commands for events: arguments, environment, how many at once, failures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgemem.errors import ConfigError
from edgemem.listen import execute
from edgemem.listen.execute import Execute, check_labels, command_of
from edgemem.listen.types import Heard, Moment
from edgemem.listen.waiting import Waits

Until = Callable[[Callable[[], bool], str], None]


def moment(*labels: str) -> Moment:
    heard = tuple(Heard(1.5, 0.0, label, 0.25) for label in labels)
    return Moment(0, np.zeros(160, np.int16), None, None, heard)


def test_a_command_is_split_and_read_by_no_shell(tmp_path: Path, until: Until) -> None:
    out = tmp_path / "it's out"
    sink = Execute(
        command_of(
            f"""sh -c 'printf "%s|" "$@" > "$0"' "{out}" {{label}} 'at {{time}} {{score}}' $HOME;"""
        ),
        print,
    )
    sink.take(moment("a; rm -rf $HOME `x`"))
    sink.close()
    assert out.read_text() == "a; rm -rf $HOME `x`|at 1.5 0.25|$HOME;|"


def test_a_value_that_looks_like_a_place_is_not_filled_in_again(tmp_path: Path) -> None:
    out = tmp_path / "out"
    sink = Execute(["sh", "-c", 'printf %s "$1" > "$0"', str(out), "{label}"], print)
    sink.take(moment("{score}"))
    sink.close()
    assert out.read_text() == "{score}"


def test_the_environment_says_what_was_heard(tmp_path: Path) -> None:
    out = tmp_path / "out"
    sink = Execute(["sh", "-c", f"env | grep ^EDGEMEM_ | sort > {out}"], print)
    sink.take(moment("yes"))
    sink.close()
    assert {
        "EDGEMEM_AT=1970-01-01T00:00:00.000Z",
        "EDGEMEM_LABEL=yes",
        "EDGEMEM_SCORE=0.25",
        "EDGEMEM_TIME=1.5",
    } <= set(out.read_text().splitlines())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("echo 'open", "cannot be split into arguments: No closing quotation"),
        ("", "the command is empty"),
        ("no-such-program-here {label}", "there is no program 'no-such-program-here'"),
    ],
)
def test_a_command_that_cannot_run_is_refused_at_once(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        command_of(text)


@pytest.mark.parametrize(
    ("command", "label", "what"),
    [
        ("rm {label}", "-rf", "an option"),
        ("logger {label} {score}", "--file=/etc/shadow", "an option"),
        ("aplay sounds/{label}", "../../x", "another folder"),
        ("aplay ./{label}", "..", "another folder"),
        ("sh -c 'echo {label}'", "$(reboot)", "code"),
        ("sh -lc 'echo {label}'", "yes; reboot", "code"),
        ("sh -c 'echo \"{label}\"'", "`reboot`", "code"),
        ("sh -c 'echo {label}'", "yes\nreboot", "code"),
        ("logger {label}", "a\0b", "no text"),
        ("logger {label}", "\ud800", "no text"),
    ],
)
def test_a_label_of_a_file_is_never_more_than_a_word(command: str, label: str, what: str) -> None:
    with pytest.raises(ConfigError, match=f"would be .*{what}.*EDGEMEM_LABEL"):
        check_labels(command_of(command), ("yes", label))


@pytest.mark.parametrize(
    "command",
    [
        "logger heard {label}",
        "logger 'heard {label}'",
        "sh -c 'echo \"$EDGEMEM_LABEL\"'",
        "sh -c 'echo \"$1\"' x {label}",
        "aplay sounds/{label}.wav",
        "sh -c 'echo {label}'",
    ],
)
def test_labels_as_people_have_them_pass(command: str) -> None:
    check_labels(command_of(command), ("yes", "hey jarvis", "käse", "_unknown_", "e-mail", "no."))


def test_slow_commands_hold_up_nobody_and_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execute, "PATIENCE", 0.2)
    said: list[str] = []
    sink = Execute(["sh", "-c", f"echo $$ >> {tmp_path}/pids; exec sleep 600"], said.append, 2)
    for _ in range(7):
        sink.take(moment("yes"))
    assert "2 commands were still running" in said[0]
    sink.close()
    assert "nothing was run for 4 events (5 in all)" in said[1]
    # What still ran was ended and reaped.
    for pid in (tmp_path / "pids").read_text().split():
        assert not Path(f"/proc/{pid}").exists()


def test_sound_that_can_wait_waits_for_commands(tmp_path: Path) -> None:
    said: list[str] = []
    sink = Execute(["sh", "-c", f"sleep 0.05; echo >> {tmp_path}/out"], said.append, 2, Waits(60.0))
    for _ in range(6):
        sink.take(moment("yes"))
    sink.close()
    assert not said
    assert (tmp_path / "out").read_text() == 6 * "\n"


def test_failures_are_told_once_and_counted(until: Until) -> None:
    said: list[str] = []
    sink = Execute(["sh", "-c", "exit 3"], said.append, 8)
    sink.take(moment("yes"))
    until(lambda: bool(said), "the failure")
    sink.take(moment("yes", "no"))
    sink.close()
    assert said == [
        "--exec: sh ended with status 3: 1 failures (1 in all)",
        "--exec: sh ended with status 3: 2 failures (3 in all)",
    ]


def test_a_program_that_went_away_is_a_failure(tmp_path: Path) -> None:
    said: list[str] = []
    sink = Execute([str(tmp_path / "gone")], said.append)
    sink.take(moment("yes"))
    sink.close()
    assert "cannot be run: No such file or directory" in said[0]


def test_a_command_that_ignores_the_end_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, until: Until
) -> None:
    monkeypatch.setattr(execute, "PATIENCE", 0.1)
    pid = tmp_path / "pid"
    sink = Execute(
        ["sh", "-c", f"trap '' TERM; echo $$ > {pid}; while :; do sleep 0.05; done"], print
    )
    sink.take(moment("yes"))
    until(lambda: pid.exists() and bool(pid.read_text()), "the command")
    sink.close()
    assert not Path(f"/proc/{pid.read_text().strip()}").exists()


@pytest.mark.parametrize(
    ("arguments", "label"),
    [
        (["sh", "-c", "rm {label}"], "-rf"),
        (["sh", "-c", "rm {label}"], "a -rf"),
        (["ruby", "--eval", "p '{label}'"], "';x"),
        (["perl", "--eval=p '{label}'"], "';x"),
        (["cp", "a", "{label}.wav"], "../../x"),
        (["cp", "a", "d/c-{label}"], "/../../x"),
        (["cp", "a", "a{label}/{label}"], ".."),
    ],
)
def test_a_label_is_a_word_wherever_it_stands(arguments: list[str], label: str) -> None:
    check_labels(arguments, ["hey jarvis", "on-off", "yes"])
    with pytest.raises(ConfigError, match="EDGEMEM_LABEL"):
        check_labels(arguments, [label])
