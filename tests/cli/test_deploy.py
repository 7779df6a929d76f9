"""``edgemem deploy``: units that systemd takes, and refusals that write nothing."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from edgemem.cli import main
from edgemem.listen import unit_paths

NETWORK = "kws12-lmu-tiny"
needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None,
    reason="systemd-analyze is not here; scripts/install-tools installs it",
)

WAYS = {
    "microphone": [],
    "device": ["--device", "plughw:CARD=Device,DEV=0"],
    "broker": ["--mqtt", "broker.lan:1884", "--user", "pi", "--mqtt-user", "ears", "--mqtt-tls"],
    "page": ["--web", "8765", "--record-events"],
    "pipe": ["--source", "sound.fifo", "--memory-max", "96M"],
    "all": ["--mqtt", "localhost", "--web", "8765", "--record-events", "--config", "my rules.toml"],
}
every_way = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)

THRESHOLD = "20"
"""In tenths of what ``systemd-analyze security`` prints: 0 is closed, 10 is open."""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that others may read, with rules and a pipe."""
    monkeypatch.chdir(tmp_path)
    # wherever pytest makes it, it is closed to others, as a home is
    monkeypatch.setattr(unit_paths, "HIDDEN", (*unit_paths.HIDDEN, str(tmp_path.resolve())))
    rules = tmp_path / "my rules.toml"
    rules.write_text("threshold = 0.8\n", encoding="utf-8")
    rules.chmod(0o644)
    os.mkfifo(tmp_path / "sound.fifo")
    (tmp_path / "sound.fifo").chmod(0o644)
    return tmp_path


def deploy(*words: str) -> str:
    """The unit that the command writes."""
    result = CliRunner().invoke(main, ["deploy", NETWORK, "--systemd", "--json", *words])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    unit = Path(found["path"]).read_text(encoding="utf-8")
    assert unit == found["unit"]
    return unit


@needs_systemd
@every_way
def test_systemd_takes_it(place: Path, way: list[str]) -> None:
    deploy(*way)
    done = subprocess.run(
        ["systemd-analyze", "verify", "./edgemem.service"],
        capture_output=True,
        text=True,
        check=False,
    )
    complaints = [line for line in done.stderr.splitlines() if "edgemem" in line]
    assert (done.returncode, complaints) == (0, [])


@needs_systemd
@every_way
def test_systemd_calls_it_safe(place: Path, way: list[str]) -> None:
    deploy(*way)
    command = ["systemd-analyze", "security", "--no-pager", "--offline=true"]
    done = subprocess.run(
        [*command, f"--threshold={THRESHOLD}", "./edgemem.service"],
        capture_output=True,
        text=True,
        check=False,
    )
    if "unrecognized option" in done.stderr:
        pytest.skip("this systemd-analyze cannot judge a file (systemd 250)")
    assert done.returncode == 0, done.stdout


@every_way
def test_listen_takes_the_command_line(place: Path, way: list[str]) -> None:
    from edgemem.cli.listen import command

    (line,) = (x for x in deploy(*way).splitlines() if x.startswith("ExecStart="))
    words = shlex.split(line.partition("=")[2])
    given = command.make_context("listen", words[words.index("listen") + 1 :]).params
    assert given["file"] == NETWORK
    source = str((place / "sound.fifo").resolve())
    assert given["source"] == (source if "--source" in way else None)
    for option in ("device", "mqtt", "mqtt-user"):
        expected = way[way.index(f"--{option}") + 1] if f"--{option}" in way else None
        assert given[option.replace("-", "_")] == expected
    assert given["mqtt_tls"] == ("--mqtt-tls" in way)
    assert given["web"] == (8765 if "--web" in way else None)
    assert (given["record_events"] == Path("/var/lib/edgemem")) == ("--record-events" in way)
    if "--config" in way:
        assert given["config"] == (place / "my rules.toml").resolve()


def test_it_says_what_is_next(place: Path) -> None:
    result = CliRunner().invoke(
        main, ["deploy", NETWORK, "--systemd", "--out", "to/kitchen.service", "--web", "80"]
    )
    assert result.exit_code == 0, result.output
    steps = [line.strip() for line in result.stdout.splitlines()]
    assert "sudo cp to/kitchen.service /etc/systemd/system/kitchen.service" in steps
    assert "sudo systemctl daemon-reload" in steps
    assert "sudo systemctl enable --now kitchen" in steps
    assert "journalctl -u kitchen -f" in steps
    assert "IPAddressAllow=localhost" in (place / "to/kitchen.service").read_text()


def test_a_password_is_kept_out_of_the_unit(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEMEM_MQTT_PASSWORD", "open sesame")
    words = ["deploy", NETWORK, "--systemd", "--mqtt", "broker.lan", "--mqtt-user", "ears"]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0, result.output
    unit = (place / "edgemem.service").read_text(encoding="utf-8")
    assert "EnvironmentFile=/etc/default/edgemem" in unit.splitlines()
    assert "sesame" not in unit + result.output
    assert "sudo chmod 600 /etc/default/edgemem" in result.stdout


def test_a_file_in_a_hidden_place_is_bound(place: Path, tone_file: Path) -> None:
    tone_file.chmod(0o644)
    result = CliRunner().invoke(main, ["deploy", str(tone_file), "--systemd", "--name", "ears"])
    assert result.exit_code == 0, result.output
    unit = (place / "ears.service").read_text(encoding="utf-8").splitlines()
    assert f"BindReadOnlyPaths={tone_file.resolve()}" in unit
    if str(tone_file.resolve()).startswith("/tmp/"):
        assert f"note: {tone_file.resolve()} may be gone" in result.stderr
    assert any(x.startswith("ExecStart=") and x.endswith(f" {tone_file.resolve()}") for x in unit)


def test_a_unit_that_is_there_is_kept_unless_forced(place: Path) -> None:
    there = place / "edgemem.service"
    there.write_text("mine", encoding="utf-8")
    result = CliRunner().invoke(main, ["deploy", NETWORK, "--systemd"])
    assert result.exit_code == 1
    assert "--force replaces it" in result.stderr
    assert there.read_text(encoding="utf-8") == "mine"
    assert "[Unit]" in deploy("--force")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([NETWORK, "--name", "../x"], "a unit cannot be called"),
        ([NETWORK, "--user", "root"], "unprivileged"),
        ([NETWORK, "--memory-max", "much"], "such as 128M"),
        ([NETWORK, "--source", "a", "--device", "b"], "name one"),
        ([NETWORK, "--source", "away.wav"], "away.wav cannot be read"),
        ([NETWORK, "--config", "away.toml"], "away.toml"),
        ([NETWORK, "--mqtt", "a:b:c"], "expected HOST"),
        ([NETWORK, "--mqtt-user", "me"], "belong to --mqtt"),
        ([NETWORK, "--config", "closed.toml"], "chmod o+r"),
        ([NETWORK, "--config", "bad.toml"], "bad.toml"),
        (["kws99"], "no .tflite file or pretrained network named 'kws99'"),
    ],
)
def test_what_cannot_work_is_one_sentence_and_no_file(
    place: Path, words: list[str], said: str
) -> None:
    (place / "closed.toml").write_text("threshold = 0.8\n", encoding="utf-8")
    (place / "closed.toml").chmod(0o600)
    (place / "bad.toml").write_text("threshold = [", encoding="utf-8")
    (place / "bad.toml").chmod(0o644)
    before = sorted(place.rglob("*"))
    result = CliRunner().invoke(main, ["deploy", *words, "--systemd"])
    assert result.exit_code == 1
    assert said in result.stderr
    assert result.stderr.count("\n") == 1
    assert sorted(place.rglob("*")) == before


@pytest.mark.parametrize(("words", "extra"), [(["--mqtt", "x"], "mqtt"), (["--web", "1"], "web")])
def test_an_extra_that_is_missing_is_said_before_the_service_fails(
    place: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], extra: str
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    result = CliRunner().invoke(main, ["deploy", NETWORK, "--systemd", *words])
    assert result.exit_code == 1
    assert f"pip install 'edgemem-toolkit[{extra}]'" in result.stderr
    assert not (place / "edgemem.service").exists()


def test_the_kind_of_service_must_be_named() -> None:
    result = CliRunner().invoke(main, ["deploy", NETWORK])
    assert result.exit_code == 2
    assert "--systemd" in result.stderr
