"""The text of a unit, read back by systemd's rules as its manual has them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgemem.errors import ConfigError
from edgemem.listen import unit_paths
from edgemem.listen.unit import Reach, Service, quoted, unit_text

ESCAPES = {"n": "\n", "t": "\t", "s": " ", "\\": "\\", '"': '"', "'": "'"}


def words_of(line: str) -> list[str]:
    """The words of a command line by systemd.service(5) and systemd.syntax(7).

    Words are separated by blanks; quotes hold them together; C escapes are undone; then ``%%`` is
    a percent sign, any other percent a specifier; ``$$`` is a dollar, any other one a variable.
    """
    words: list[str] = []
    word, quote, begun = "", "", False
    letters = iter(line)
    for letter in letters:
        if letter == "\\":
            kind = next(letters)
            word += chr(int(next(letters) + next(letters), 16)) if kind == "x" else ESCAPES[kind]
            begun = True
        elif quote:
            quote, word = ("", word) if letter == quote else (quote, word + letter)
        elif letter in "\"'" and not begun:
            quote, begun = letter, True
        elif letter in " \t":
            words, word, begun = words + [word] * begun, "", False
        else:
            word, begun = word + letter, True
    assert not quote
    words += [word] * begun
    assert ";" not in line.split()
    return [_doubled(_doubled(word, "%"), "$") for word in words]


def _doubled(word: str, sign: str) -> str:
    assert sign not in word.replace(2 * sign, "")
    return word.replace(2 * sign, sign)


def settings(text: str) -> dict[str, list[str]]:
    """What a unit sets, every value of every key, comments left out."""
    found: dict[str, list[str]] = {}
    for line in text.split("\n"):
        if line and line[0] not in "#[":
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


def service(**fields: object) -> Service:
    basis = {"name": "ears", "description": "hears", "command": ("/usr/bin/edgemem", "listen", "x")}
    return Service(**{**basis, **fields})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("word", "written"),
    [
        ("kws12-lmu", "kws12-lmu"),
        ("/srv/my words/a.tflite", '"/srv/my words/a.tflite"'),
        ("100%", "100%%"),
        ("$HOME", "$$HOME"),
        ('say "yes"', r'"say \"yes\""'),
        ("back\\slash", r'"back\\slash"'),
        ("two\nlines", r'"two\x0alines"'),
        ("it's", '"it\'s"'),
        (";", '";"'),
        ("", '""'),
    ],
)
def test_words_as_the_manual_writes_them(word: str, written: str) -> None:
    assert quoted(word) == written
    assert words_of(f"/bin/x {written}") == ["/bin/x", word]


@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))))
def test_whatever_the_arguments_they_arrive(arguments: list[str]) -> None:
    text = unit_text(service(command=("/usr/bin/edgemem", *arguments)))
    (line,) = settings(text)["ExecStart"]
    assert words_of(line) == ["/usr/bin/edgemem", *arguments]


def test_nothing_leaves_the_machine_unless_it_is_asked_for() -> None:
    here = settings(unit_text(service()))
    assert here["PrivateNetwork"] == ["yes"]
    assert here["RestrictAddressFamilies"] == ["AF_UNIX"]
    web = settings(unit_text(service(reach=Reach.LOOPBACK)))
    assert "PrivateNetwork" not in web
    assert (web["IPAddressDeny"], web["IPAddressAllow"]) == (["any"], ["localhost"])
    out = settings(unit_text(service(reach=Reach.ANYWHERE)))
    assert "IPAddressDeny" not in out
    assert out["After"] == ["sound.target", "network-online.target"]


def test_only_a_microphone_needs_devices() -> None:
    heard = settings(unit_text(service()))
    assert (heard["DevicePolicy"], heard["DeviceAllow"]) == (["closed"], ["char-alsa rw"])
    assert heard["SupplementaryGroups"] == ["audio"]
    piped = settings(unit_text(service(microphone=False)))
    assert piped["PrivateDevices"] == ["yes"]
    assert "SupplementaryGroups" not in piped


def test_a_watchdog_that_the_main_process_feeds() -> None:
    found = settings(unit_text(service()))
    assert (found["Type"], found["NotifyAccess"]) == (["notify"], ["main"])
    assert found["WatchdogSec"] == ["60"]
    assert found["Restart"] == ["on-failure"]
    # more failures than the limit allows fit into its interval, or it would never hold
    assert 3600 / float(found["RestartSec"][0]) > float(found["StartLimitBurst"][0])


def test_a_reload_is_offered_only_where_it_does_not_end_the_service() -> None:
    assert "ExecReload" not in settings(unit_text(service()))
    found = settings(unit_text(service(reloads=True)))
    assert found["ExecReload"] == ["/bin/kill -HUP $MAINPID"]


def test_an_account_of_its_own_or_a_given_one() -> None:
    assert settings(unit_text(service()))["DynamicUser"] == ["yes"]
    given_one = settings(unit_text(service(user="pi")))
    assert given_one["User"] == ["pi"]
    assert "DynamicUser" not in given_one


def test_only_what_is_bound_is_seen_of_the_homes() -> None:
    assert settings(unit_text(service()))["ProtectHome"] == ["yes"]
    found = settings(unit_text(service(bound=("/home/pi/my 100%", "/root/venv"))))
    assert found["ProtectHome"] == ["tmpfs"]
    assert found["BindReadOnlyPaths"] == ['"/home/pi/my 100%%"', "/root/venv"]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"name": "a/b"}, "a unit cannot be called 'a/b'"),
        ({"name": ""}, "a unit cannot be called ''"),
        ({"name": "ears@kitchen"}, "a unit cannot be called"),
        ({"user": "root"}, "name an unprivileged account"),
        ({"user": "nobody"}, "name an unprivileged account"),
        ({"user": "a b"}, "name an unprivileged account"),
        ({"memory_max": "lots"}, "such as 128M"),
        ({"memory_max": "0"}, "such as 128M"),
        ({"command": ("edgemem", "listen")}, "it must be absolute"),
        ({"command": ("/opt/$x/edgemem",)}, "dollar signs"),
        ({"bound": ("/home/a:b",)}, "colons"),
    ],
)
def test_what_systemd_would_not_take_is_refused(fields: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        service(**fields)


def test_an_argument_with_a_nul_is_refused() -> None:
    with pytest.raises(ConfigError, match="NUL"):
        quoted("a\0b")


def test_a_description_is_one_line_without_specifiers() -> None:
    (found,) = settings(unit_text(service(description="50%h\nExecStart=x \\")))["Description"]
    assert found == "50%%h ExecStart=x "


def test_what_is_bound() -> None:
    paths = [
        "/usr",
        "/home/pi/venv",
        "/home/pi/venv/lib",
        "/homestead/x",
        "/home/pi/a",
        "/home/pi/a",
    ]
    assert unit_paths.bound(paths, unit_paths.HIDDEN) == ("/home/pi/a", "/home/pi/venv")


def test_what_others_cannot_read_is_refused_with_the_remedy(tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir(mode=0o755)
    file = inner / "a.tflite"
    file.write_bytes(b"")
    file.chmod(0o644)
    unit_paths.check_readable([str(file)], hidden=[str(tmp_path)])
    file.chmod(0o640)
    with pytest.raises(ConfigError, match=f"chmod o\\+r {file}"):
        unit_paths.check_readable([str(file)], hidden=[str(tmp_path)])
    file.chmod(0o644)
    inner.chmod(0o700)
    unit_paths.check_readable([str(file)], hidden=[str(tmp_path)])  # bound past the closed folder
    with pytest.raises(ConfigError, match=f"chmod o\\+rx {inner}"):
        unit_paths.check_readable([str(file)], hidden=[])


def test_the_program_is_there() -> None:
    start = unit_paths.program()
    assert os.access(start[0], os.X_OK)
    done = subprocess.run([*start, "--version"], capture_output=True, text=True, check=True)
    assert "edgemem" in done.stdout


def test_one_persons_installation_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    own = str(Path(unit_paths.__file__).parents[2])
    monkeypatch.setattr("site.getusersitepackages", lambda: own)
    with pytest.raises(ConfigError, match="for one user alone"):
        unit_paths.program()


WITHOUT_NEW_CODE = """
import ctypes, sys
# PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN: what MemoryDenyWriteExecute= asks of newer kernels
if ctypes.CDLL(None).prctl(65, 1, 0, 0, 0):
    sys.exit(77)
import numpy as np
from edgemem.runtime.network import open_network
network = open_network("kws12-lmu")
network.listener().push(np.zeros(16000, np.int16))
print(network.runner.engine)
"""


def test_the_interpreter_lives_without_making_code() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_NEW_CODE], capture_output=True, text=True, check=False
    )
    if done.returncode == 77:
        pytest.skip("this kernel has no PR_SET_MDWE (Linux 6.3)")
    assert done.returncode == 0, done.stderr
    assert "XNNPACK" in done.stdout
