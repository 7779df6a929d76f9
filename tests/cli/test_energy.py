"""The command energy."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from edgemem import artefact, target
from edgemem.cli import main
from edgemem.energy import Counts, Execution, graph_counts, times
from edgemem.model import Model, Sample, load, save


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["energy", *(str(argument) for argument in arguments)])


@pytest.fixture
def model_file(tone_model: Model, tone: Callable[..., np.ndarray], tmp_path: Path) -> Path:
    """The network that knows tones, with clips of them."""
    clips = np.stack([tone_model.frontend.features(tone(x, 0.2)) for x in tone_model.labels])
    sample = Sample(clips, np.arange(len(clips)))
    save(replace(tone_model, calibration=sample, validation=sample), tmp_path / "t.model")
    return tmp_path / "t.model"


def convert(model_file: Path, name: str) -> Path:
    out = model_file.with_suffix(f".{name}")
    arguments = ["convert", str(model_file), "--target", name, "--out", str(out)]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, done.output
    return out


class Spiking:
    """A machine that does so much for each frame."""

    n_in = n_out = 4
    probes: tuple[str, ...] = ()

    def simulate(self, x: np.ndarray, probes: Sequence[str] = ()) -> Execution:
        n = x.shape[0] * x.shape[1]
        counts = Counts(n, synaptic_operations=100 * n, idle_updates=4 * n, messages=2 * n)
        return Execution(np.zeros((*x.shape[:2], 4), np.float32), counts)


@pytest.fixture
def spiking_file(model_file: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """A converted file that runs on that machine."""

    def make(profile: str) -> Path:
        path = convert(model_file, "reference")
        opened = artefact.read(path)
        named = {**opened.manifest, "profile": profile}
        path.write_bytes(artefact.to_bytes(replace(opened, manifest=named)))
        monkeypatch.setattr(target, "load", lambda *_: Spiking())
        return path

    return make


def _lines(done: Result) -> list[str]:
    return [line for line in done.output.splitlines() if line.strip()]


def test_a_model_and_its_integers(model_file: Path) -> None:
    done = run(model_file, convert(model_file, "fixed"))
    assert done.exit_code == 0, done.output
    # a layer of 4 by 4: 16 MACs a frame, 98 frames in a second
    rows = {line.split("  ")[0]: line.split()[-2:] for line in _lines(done)}
    assert rows["form"] == ["float", "integers"]
    assert rows["frames"] == ["98", "98"] and rows["MACs"] == ["1,568", "1,568"]
    assert "modelled, not measured; table: published figures, version 1, 2026-11-25" in done.output
    assert "unconfirmed: MLPerf Tiny reference" in done.output
    assert "left out: bytes read" in done.output


def test_json_counts_every_frame(model_file: Path) -> None:
    done = run(model_file, "--seconds", "0.5", "--device", "cpu-i7", "--json")
    told = json.loads(done.output)
    (form,) = told["forms"]
    expected = times(graph_counts(load(model_file).reference()), 48).to_dict()
    assert (told["modelled"], told["seconds"], form["frames"]) == (True, 0.5, 48)
    assert form["counts"] == {n: k for n, k in expected.items() if k and n != "frames"}
    (energy,) = form["energy"]
    work = expected["macs"] + expected["active_updates"]
    assert energy["joules"]["typical"] == pytest.approx(8.6e-9 * work)
    assert energy["parts"]["macs"]["mark"] == "published"


def test_tflite_counts_its_operators(model_file: Path) -> None:
    path = convert(model_file, "tflite")
    (form,) = json.loads(run(path, "--json").output)["forms"]
    assert (form["form"], form["counts"]["macs"]) == ("integers", 98 * 16)


def test_spikes_are_counted_in_a_run(spiking_file: Callable[[str], Path]) -> None:
    (form,) = json.loads(run(spiking_file("loihi1"), "--json").output)["forms"]
    assert (form["form"], form["counted"]) == ("spikes", "a run of golden inputs")
    assert form["counts"] == {
        "synaptic_operations": 9800.0,
        "idle_updates": 392.0,
        "messages": 196.0,
    }
    energies = {energy["device"]: energy for energy in form["energy"]}
    assert list(energies) == ["loihi", "spinnaker", "spinnaker2"]
    loihi = energies["loihi"]["joules"]["typical"]
    assert loihi == pytest.approx((9800 * 23.6 + 392 * 52 + 196 * 1.7) * 1e-12)


def test_graded_messages_get_no_joules(spiking_file: Callable[[str], Path]) -> None:
    path = spiking_file("loihi2")
    done = run(path)
    assert "No energy per operation of Loihi 2 is published" in done.output
    assert any(line.split()[1:] == ["loihi2", "none", "figures"] for line in _lines(done))
    asked = run(path, "--device", "loihi")
    assert "* the figures of this device are not meant for this form" in asked.output
    assert any(line.split()[1:3] == ["loihi", "*"] for line in _lines(asked))


def test_spikes_on_recordings(spiking_file: Callable[[str], Path], tone_set: Path) -> None:
    (form,) = json.loads(run(spiking_file("loihi1"), "--data", tone_set, "--json").output)["forms"]
    assert form["counted"].startswith(f"a run of {tone_set}")


def test_a_pretrained_name_stands_for_both_its_forms() -> None:
    told = json.loads(run("kws12-lmu-tiny", "--json").output)
    assert [form["file"] for form in told["forms"]] == [
        "kws12-lmu-tiny.model",
        "kws12-lmu-tiny.tflite",
    ]
    assert told["forms"][0]["counts"]["macs"] > 0


def test_plot(spiking_file: Callable[[str], Path], model_file: Path, tmp_path: Path) -> None:
    files = (model_file, spiking_file("loihi2"))
    done = run(*files, "--plot", tmp_path / "e.png")
    assert done.exit_code == 0, done.output
    assert (tmp_path / "e.png").read_bytes().startswith(b"\x89PNG")


def test_a_table_of_ones_own(model_file: Path, tmp_path: Path) -> None:
    row: dict[str, Any] = {"item": "macs", "low": 1.0, "typical": 2.0, "high": 3.0, "unit": "nJ"}
    row |= {"source": "a desk", "date": "2026", "mark": "unconfirmed"}
    row["covers"] = ["active_updates"]
    device = {"summary": "s", "forms": ["float"], "notes": [], "rows": [row]}
    table = {"format": 1, "name": "desk", "version": 1, "date": "2026", "devices": {"mine": device}}
    (tmp_path / "t.json").write_text(json.dumps(table), encoding="utf-8")
    done = run(model_file, "--table", tmp_path / "t.json", "--device", "mine", "--json")
    (energy,) = json.loads(done.output)["forms"][0]["energy"]
    assert energy["joules"]["typical"] == pytest.approx(98 * 16 * 2e-9)
    assert energy["table"].endswith("with desk, version 1, 2026")


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["--device", "tpu"], "no device named 'tpu'; known: 45nm-float32"),
        (["--seconds", "0.001"], "0.001 s of sound give no feature vector of t.model"),
        (["--seconds", "0"], "0 is not in the range"),
        (["--table", "none.json"], "table none.json cannot be read: No such file"),
        (["none.model"], "no .tflite file or pretrained network named 'none.model'"),
        (["--plot", "."], "is a folder"),
    ],
)
def test_what_cannot_be(model_file: Path, arguments: list[str], what: str) -> None:
    done = run(model_file, *arguments)
    assert done.exit_code != 0 and what in " ".join(done.output.split())
    assert "Traceback" not in done.output


def test_a_form_that_counts_nothing(model_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = convert(model_file, "reference")
    monkeypatch.setattr(target, "load", lambda *_: object())
    done = run(path)
    assert done.exit_code == 1
    assert "target 'reference' counts nothing of what it does" in done.output
