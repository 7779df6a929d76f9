"""Training from the command line: files, interruptions with real signals, and bad input."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from click.testing import CliRunner

from edgemem.cli import main
from edgemem.model import load
from edgemem.runtime.crop import Crop

pytestmark = pytest.mark.training

Samples = npt.NDArray[np.int16]

LABELS = ("no", "stop", "yes")


def write_set(path: Path, seed: int = 0, per_label: int = 400) -> None:
    """An archive of features: three words, each loud in bands of its own."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(LABELS, per_label)
    features = rng.normal(-40.0, 4.0, (len(labels), 12, 6)).astype(np.float32)
    for row, label in enumerate(labels):
        band = 2 * LABELS.index(label)
        features[row, 4:, band : band + 2] += 12.0
    splits = np.where(np.arange(len(labels)) % 5 == 4, "validation", "train")
    np.savez(path, features=features, labels=labels, splits=splits)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a data set and its front end."""
    folder = tmp_path_factory.mktemp("data")
    write_set(folder / "set.npz")
    (folder / "frontend.json").write_text('{"n_mels": 6}')
    return folder


def arguments(folder: Path, out: Path, *more: str) -> list[str]:
    layer = "n_units=8,order=3,theta=6.0,memory_d=4,input_to_hidden=true"
    return [
        *("train", "kws", "--data", str(folder / "set.npz")),
        *("--frontend", str(folder / "frontend.json"), "--out", str(out)),
        *("--layer", layer, "--batch", "8", "--epochs", "4", "--seed", "3", *more),
    ]


def run(*args: str):
    return CliRunner().invoke(main, list(args))


@pytest.fixture(scope="module")
def finished(folder: Path, tmp_path_factory: pytest.TempPathFactory):
    """A run to its end: the model file and what was printed."""
    out = tmp_path_factory.mktemp("whole") / "new" / "kws.model"
    return out, run(*arguments(folder, out))


def history_of(out: Path) -> list[dict[str, float]]:
    with out.with_name(f"{out.name}.history.csv").open(newline="") as file:
        return [{k: float(v) for k, v in row.items()} for row in csv.DictReader(file)]


def test_a_run_leaves_a_model_a_table_and_a_picture(finished) -> None:
    out, result = finished
    assert result.exit_code == 0, result.output
    assert {path.name for path in out.parent.iterdir()} == {
        "kws.model",
        "kws.model.history.csv",
        "kws.model.curve.png",
    }
    model = load(out)
    assert model.labels == LABELS
    assert model.name == "kws"
    history = history_of(out)
    assert history[-1]["loss"] < history[0]["loss"]
    best = max(row["validation_accuracy"] for row in history)
    assert best > 0.6  # by chance 0.33
    assert model.card["validation_accuracy"] == best
    assert f"{model.n_params:,} parameters, validation accuracy {best:.2%}" in result.stdout


def test_progress_goes_to_standard_error(finished) -> None:
    _, result = finished
    assert len(result.stdout.splitlines()) == 1
    lines = [line for line in result.stderr.splitlines() if line.startswith("epoch ")]
    assert len(lines) == 4
    assert lines[0].startswith("epoch 1/4  loss ")
    assert lines[-1].endswith("0:00 left")


def interrupted(command: list[str], sign: int, after: str) -> tuple[int, str]:
    """Exit status and messages of a process that gets a signal after a line of its progress."""
    process = subprocess.Popen(
        [sys.executable, "-m", "edgemem.cli", *command],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
    )
    assert process.stderr is not None
    lines = []
    for line in process.stderr:
        lines.append(line)
        if line.startswith(after):
            process.send_signal(sign)
            break
    lines.append(process.stderr.read())
    return process.wait(timeout=60), "".join(lines)


def test_interrupted_and_killed_it_goes_on_to_the_result_of_a_whole_run(
    finished, folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "kws.model"
    command = arguments(folder, out)
    status, messages = interrupted(command, signal.SIGINT, "epoch 1/4")
    assert status == 130
    assert messages.endswith(
        "stopped; the same command with --resume goes on after the last whole epoch\n"
    )
    assert "Traceback" not in messages
    assert [path.name for path in tmp_path.iterdir()] == ["kws.model.checkpoint"]

    again = run(*command)
    assert again.exit_code == 1
    assert "of an unfinished run is there; go on with --resume, or remove it" in again.stderr

    status, messages = interrupted([*command, "--resume"], signal.SIGKILL, "epoch 2/4")
    assert status == -signal.SIGKILL, messages
    assert "epoch 1/4" not in messages
    assert not out.exists()

    result = run(*command, "--resume", "--json")
    assert result.exit_code == 0, result.output
    assert not out.with_name("kws.model.checkpoint").exists()
    whole = finished[0]
    for ours, theirs in zip(history_of(out), history_of(whole)):
        for name in ("epoch", "loss", "validation_accuracy"):
            assert ours[name] == pytest.approx(theirs[name], abs=1e-4), name
    one, other = load(out), load(whole)
    for name, array in other.params.items():
        np.testing.assert_allclose(one.params[name], array, atol=1e-3, err_msg=name)
    summary = json.loads(result.stdout)
    assert summary["digest"] == one.digest
    assert summary["parameters"] == one.n_params


def refused(*args: str) -> str:
    """The sentence with which a command is refused."""
    result = run(*args)
    assert result.exit_code == 1, result.output
    assert result.stdout == ""
    *_, last = result.stderr.splitlines()
    assert last.startswith("Error: ")
    assert "Traceback" not in result.stderr
    return last


def test_a_learning_rate_beyond_reason_ends_in_a_sentence(folder: Path, tmp_path: Path) -> None:
    command = arguments(folder, tmp_path / "a.model", "--learning-rate", "1e30", "--quiet")
    message = refused(*command)
    assert "in epoch 1; start again with a lower --learning-rate" in message
    assert not list(tmp_path.iterdir())


def test_what_is_there_is_not_written_over(finished, folder: Path) -> None:
    out, _ = finished
    before = out.read_bytes()
    for more in ((), ("--resume",)):
        message = refused(*arguments(folder, out, *more))
        assert f"{out} is there already, and its run is over; choose another --out" in message
    assert out.read_bytes() == before


def test_nothing_to_resume(folder: Path, tmp_path: Path) -> None:
    message = refused(*arguments(folder, tmp_path / "a.model", "--resume"))
    assert "no checkpoint to resume; leave out --resume" in message


def test_a_place_that_cannot_be_written_is_refused_at_once(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    message = refused(*arguments(folder, tmp_path / "file" / "a.model"))
    assert "cannot write" in message
    assert "choose a folder with space and write access" in message


@pytest.mark.parametrize(
    "more,message",
    [
        (("--recipe", "rnn"), "no recipe named 'rnn'; known: gru, lem"),
        (("--cell", "rnn"), "no recipe named 'rnn'; known: gru, lem"),
        (("--recipe", "lem", "--cell", "lmu"), "'lem' is made of lem cells, --cell says 'lmu'"),
        (("--layer", "n_units"), "'n_units' is not NAME=VALUE, in 'n_units'"),
        (("--layer", "n_units=3,order=2"), "a lmu layer needs theta"),
        (("--layer", "n_units=3,order=2,theta=x"), "lmu.theta: must be of type float (got 'x')"),
        (("--layer", "n_units=3,order=2,theta=-1"), "lmu.theta: must be greater than 0 (got -1)"),
        (("--layer", "n_units=3,size=2,theta=1"), "named 'size'; known: activation, "),
        (("--carry", "1.5"), "recipe: carry must lie in [0, 1) (got 1.5)"),
        (("--learning-rate", "-1"), "recipe: learning_rate must be greater than 0 (got -1.0)"),
        (("--batch", "5000"), "960 training clips do not fill one batch of 5000; give more clips"),
        (("--protocol", "13"), "no protocol named '13'"),
    ],
    ids=str,
)
def test_options_that_cannot_work(
    more: tuple[str, ...], message: str, folder: Path, tmp_path: Path
) -> None:
    assert message in refused(*arguments(folder, tmp_path / "a.model", *more))
    assert not list(tmp_path.iterdir())


def test_rounded_training_from_scratch_and_from_a_model(
    finished, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "widths.json").write_text('{"3.dense.W": 8}')
    widths = ("--layers", str(tmp_path / "widths.json"))
    fresh = tmp_path / "fresh.model"
    command = arguments(folder, fresh, "--qat", "--weights", "4", "--qat-epochs", "1", *widths)
    result = run(*command)
    assert result.exit_code == 0, result.output
    assert len(history_of(fresh)) == 4
    assert [path.name for path in tmp_path.glob("*checkpoint")] == []
    # the first norm went into the layer above it
    model = load(fresh)
    assert model.scheme is not None
    assert (model.scheme.weights, dict(model.scheme.layers)) == (4, {"2.dense.W": 8})
    assert model.card["qat"]["epochs"] == 1
    assert model.card["qat"]["learning_rate"] == pytest.approx(0.25 * 4e-3)

    further = tmp_path / "further.model"
    options = ("--qat", "--weights", "2", "--qat-epochs", "2", "--learning-rate", "0.003")
    result = run(*base_arguments(folder, further, finished[0], *options), "--json")
    assert result.exit_code == 0, result.output
    model = load(further)
    assert model.scheme is not None
    assert model.scheme.weights == 2
    assert model.card["from"] == {"name": "kws", "digest": load(finished[0]).digest}
    assert model.card["qat"]["learning_rate"] == 0.003
    best = max(row["validation_accuracy"] for row in history_of(further))
    assert json.loads(result.stdout)["validation_accuracy"] == best


def test_recordings_go_through_the_front_end_of_the_model_that_goes_on(
    finished, tmp_path: Path, write_wav: Callable[..., Path]
) -> None:
    rng = np.random.default_rng(0)
    for number, (split, word) in enumerate(
        (split, word) for split in ("training", "validation") for word in LABELS for _ in range(3)
    ):
        sound = (1000 * rng.standard_normal(16000)).astype(np.int16)
        write_wav(tmp_path / "set" / split / word / f"{number:08x}_nohash_0.wav", sound)
    out = tmp_path / "a.model"
    done = run(
        *("train", "kws", "--data", str(tmp_path / "set"), "--from", str(finished[0])),
        *("--protocol", "folders", "--epochs", "1", "--out", str(out), "--quiet"),
    )
    assert done.exit_code == 0, done.output
    # neither the default of fresh networks nor its blocker
    assert load(out).frontend == load(finished[0]).frontend
    assert load(out).frontend.dc_pole is None


def base_arguments(folder: Path, out: Path, base: Path, *more: str) -> list[str]:
    return [
        *("train", "kws", "--data", str(folder / "set.npz"), "--from", str(base)),
        *("--frontend", str(folder / "frontend.json"), "--out", str(out), "--seed", "3", *more),
    ]


@pytest.mark.parametrize(
    "more,message",
    [
        (("--weights", "4"), "--weights is an option of rounded training; add --qat"),
        (("--qat-epochs", "2"), "--qat-epochs is an option of rounded training; add --qat"),
        (("--from", "kws12-lmu"), "--from goes on with the network of MODEL; leave out --layer"),
        (("--qat", "--qat-epochs", "4"), "4 epochs in rounded form leave none of 4 to train"),
        (("--qat", "--from", "kws12-lmu"), "--from goes on with the network of MODEL; leave out"),
    ],
    ids=str,
)
def test_options_of_rounded_training_that_cannot_work(
    more: tuple[str, ...], message: str, folder: Path, tmp_path: Path
) -> None:
    assert message in refused(*arguments(folder, tmp_path / "a.model", *more))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "more,message",
    [
        (("--recipe", "lem"), "--recipe lem is of another network than MODEL: cell lem, not lmu"),
        (("--cell", "lem"), "the network of MODEL; leave out --cell"),
        (("--epochs", "3"), "--from trains in rounded form alone; say --qat-epochs, not --epochs"),
    ],
    ids=str,
)
def test_a_model_that_goes_on_says_itself_what_it_is(
    more: tuple[str, ...], message: str, finished, folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "a.model"
    assert message in refused(*base_arguments(folder, out, finished[0], "--qat", *more))


@pytest.mark.parametrize(
    "text,message",
    [
        ("{", "no JSON file that can be read"),
        ("[4]", "expected a JSON object of names and bits"),
        ('{"1.lmu.W_m": "4"}', "expected a JSON object of names and bits"),
        ('{"1.lmu.W_m": 3}', "1.lmu.W_m of 3 bits; known: 8, 4, 2"),
        ('{"1.lmu.W": 4}', "no trained matrix named '1.lmu.W'; known: 1.lmu.W_m, 1.lmu.W_x"),
    ],
    ids=str,
)
def test_widths_that_cannot_be_meant(text: str, message: str, folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "widths.json"
    path.write_text(text)
    command = arguments(folder, tmp_path / "a.model", "--qat", "--layers", str(path))
    assert message in refused(*command)
    assert [path.name for path in tmp_path.iterdir()] == ["widths.json"]


def test_a_seed_below_zero_is_no_seed(folder: Path, tmp_path: Path) -> None:
    result = run(*arguments(folder, tmp_path / "a.model", "--seed", "-1"))
    assert result.exit_code == 2
    assert "is not in the range" in result.stderr


@pytest.mark.parametrize("package", ["tensorflow", "nengo_dl", "matplotlib"])
def test_a_missing_extra_is_named(
    package: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    message = refused(*arguments(folder, tmp_path / "a.model"))
    assert f"training needs the package {package.replace('_', '-')}" in message
    assert (
        "pip install 'setuptools<81' wheel && "
        "pip install --no-build-isolation --no-deps nengo-dl==3.6.0 && "
        "pip install 'edgemem-toolkit[train]'"
    ) in message


def test_every_option_has_help_and_there_is_an_example() -> None:
    text = run("train", "kws", "--help").stdout
    assert "Example: edgemem train kws" in " ".join(text.split())
    assert "kws" in run("train", "--help").stdout
    from edgemem.cli.train import kws

    assert not [option.name for option in kws.params if not option.help]  # type: ignore[attr-defined]


def test_seconds_and_center_ride_in_the_model(
    tmp_path: Path, tone: Callable[..., Samples], write_wav: Callable[..., Path]
) -> None:
    for word in ("low", "high"):
        for number in range(40):
            sound = np.concatenate([tone("_silence_", 1.5), tone(word, 0.5, seed=number)])
            write_wav(tmp_path / "set" / word / f"{number}_nohash_0.wav", sound)
    (tmp_path / "frontend.json").write_text('{"n_mels": 4, "f_max": 8000.0}')
    out = tmp_path / "kws.model"
    result = run(
        *("train", "kws", "--data", str(tmp_path / "set"), "--out", str(out)),
        *("--frontend", str(tmp_path / "frontend.json"), "--cache", str(tmp_path / "cache")),
        *("--layer", "n_units=4,order=2,theta=6.0,memory_d=2,input_to_hidden=true"),
        *("--batch", "8", "--epochs", "1", "--seconds", "0.6", "--center"),
    )
    assert result.exit_code == 0, result.output
    assert "are longer than 0.6 s (up to 2.0 s), the 0.6 s of most energy of each" in result.stderr
    model = load(out)
    assert model.crop == Crop(0.6, center=True)
    assert model.card["crop"] == {"seconds": 0.6, "center": True}
    # The sound of the last half second alone is left: no clip is silent.
    quiet = model.validation.features.mean(axis=(1, 2)).min()
    assert quiet > model.frontend.features(tone("_silence_", 0.6)).mean() + 5.0
