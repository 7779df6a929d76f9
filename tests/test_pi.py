"""What scripts/pi-test and scripts/test-pythons stand on; the scripts themselves run in CI."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import tomllib

ROOT = Path(__file__).parents[1]
SCRIPTS = ROOT / "scripts"

BOOK = """
## Five minutes on real recordings

```sh
pip install .
edgemem run kws12-lmu *.wav    # a comment
arecord -q -t raw | edgemem run kws12-lmu -
```

```sh
edgemem listen kws12-lmu
edgemem listen kws12-lmu --web 8765
edgemem doctor
```

```sh
pip install '.[train]'
edgemem train kws
```

## Installation

| run networks on a device | `pip install .` | numpy |
"""


@pytest.fixture()
def readme(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(SCRIPTS))
    from pi import readme

    return readme


@pytest.fixture()
def compare(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(SCRIPTS))
    from pi import compare

    return compare


def test_lines_are_taken_word_for_word(readme: ModuleType) -> None:
    said = readme.steps(BOOK)
    assert said.install == "pip install ."
    assert said.spoken == ("edgemem run kws12-lmu *.wav",)
    assert said.microphone == (
        "arecord -q -t raw | edgemem run kws12-lmu -",
        "edgemem listen kws12-lmu",
    )
    assert said.extras == ("edgemem listen kws12-lmu --web 8765",)


def test_the_project_s_own_readme_has_them(readme: ModuleType) -> None:
    said = readme.steps((ROOT / "README.md").read_text(encoding="utf-8"))
    assert said.install == "pip install ."
    assert any(line.startswith("edgemem run ") for line in said.spoken)
    assert said.microphone


def test_two_ways_to_install_are_refused(readme: ModuleType) -> None:
    with pytest.raises(readme.Failed, match=r"by 'pip install \.' and by 'pip install edgemem'"):
        readme.steps(BOOK.replace("\npip install .", "\npip install edgemem"))


def test_a_readme_without_them_is_refused(readme: ModuleType) -> None:
    with pytest.raises(readme.Failed, match="no row"):
        readme.steps("# edgemem\n")


@pytest.mark.parametrize(
    ("line", "records"),
    [
        ("edgemem listen kws12-lmu", True),
        ("edgemem listen kws12-lmu --web 8765", True),
        ("edgemem listen kws12-lmu clip.wav", False),
        ("arecord -t raw | edgemem run kws12-lmu -", True),
        ("edgemem listen kws12-lmu -", False),
        ("edgemem models", False),
    ],
)
def test_which_lines_record(readme: ModuleType, line: str, records: bool) -> None:
    assert readme.of_microphone(line) == records


def test_events_are_matched_by_label_and_time(compare: ModuleType) -> None:
    def said(*events: tuple[float, str]) -> list[str]:
        return [json.dumps({"time": time, "label": label}) for time, label in events]

    here = said((1.0, "yes"), (2.0, "no"), (5.0, "up"), (9.0, "go"))
    there = said((1.0, "yes"), (2.04, "no"), (5.0, "down"), (9.6, "go"))
    found = compare.events(here, there)
    assert (found["events_here"], found["events_there"], found["events_equal"]) == (4, 4, 1)
    assert found["events_moved"] == [0.04]
    assert [event["label"] for event in found["events_only_here"]] == ["up", "go"]
    assert [event["label"] for event in found["events_only_there"]] == ["down", "go"]


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the number of the call is x86-64's")
@pytest.mark.skipif(sys.platform != "linux", reason="seccomp is Linux's")
def test_statx_is_gone() -> None:
    code = "import ctypes, os; c = ctypes.CDLL(None, use_errno=True); "
    code += "print(c.syscall(332, -100, b'/', 0, 0, 0), ctypes.get_errno(), os.stat('/').st_ino)"
    tool = SCRIPTS / "pi/without_statx.py"
    done = subprocess.run(
        [sys.executable, tool, sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split()[:2] == ["-1", "38"], done.stderr


@pytest.mark.parametrize("contract", ["device", "runners"])
def test_modules_of_the_device_side_are_read_without_tomllib(
    monkeypatch: pytest.MonkeyPatch, contract: str
) -> None:
    monkeypatch.syspath_prepend(str(SCRIPTS))
    from pi.device_modules import sources

    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    listed = {c["id"]: c for c in tomllib.loads(text)["tool"]["importlinter"]["contracts"]}
    assert sources(text, contract) == listed[contract]["source_modules"]
