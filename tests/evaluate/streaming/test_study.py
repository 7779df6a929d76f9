"""A network hears a scene: as on a device, in several processes, and after an interruption."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgemem import model
from edgemem.data.scenes.material import OTHER, Material, Where
from edgemem.data.scenes.schedule import CLEAN, Plan
from edgemem.errors import ConfigError, DataError, UnknownNameError
from edgemem.evaluate.streaming import hearing
from edgemem.evaluate.streaming.hearing import Stage
from edgemem.evaluate.streaming.scores import Tally
from edgemem.evaluate.streaming.segments import segments
from edgemem.evaluate.streaming.study import Running, gather, record, score
from edgemem.model import Model
from edgemem.runtime.network import Network, open_network
from edgemem.runtime.rule import DetectorConfig

pytestmark = pytest.mark.slow

PLAN = Plan(0.1, (CLEAN, 40.0), 400, 100, seed=1)


@pytest.fixture
def network(tone_file: Path) -> Network:
    return open_network(tone_file)


@pytest.fixture
def material(network: Network, tone_lists: Path, tmp_path: Path) -> Material:
    return gather(network, Where(tone_lists, cache=tmp_path / "cache"))


def test_segments_cover_everything_once() -> None:
    cut = segments(14_000, 0.02)
    assert [(s.first, s.last) for s in cut] == [(0, 6000), (6000, 12000), (12000, 14000)]
    assert [s.warm for s in cut] == [0, 5500, 11500]


def test_material_is_the_split_with_its_words(material: Material, network: Network) -> None:
    assert len(material.clips) == 18
    assert set(material.words) == {"low", "high", "cat"}
    keywords, others = material.numbers(["low", "high"])
    assert {material.words[number] for number in others} == {"cat"}
    assert len(keywords) == 12
    # the tones last from 0.25 to 0.75 s
    np.testing.assert_allclose(material.extents / 16000, [[0.25, 0.75]] * 18, atol=0.03)
    # a tenth of 20 s, less the fade
    assert len(material.rings[0]) == pytest.approx(2 * 16000, abs=500)


def test_other_sets_are_other_words_whatever_they_are_called(
    network: Network, tone_lists: Path, tmp_path: Path
) -> None:
    where = Where(tone_lists, others=tone_lists, cache=tmp_path / "cache")
    labels = [clip.label for clip in gather(network, where).clips]
    assert labels.count(OTHER) == 18 and len(labels) == 36


def test_logits_are_those_of_a_device(network: Network, material: Material) -> None:
    take = record(network, material, PLAN)
    stage = Stage(take.scene, material, True)
    samples = stage.renderer().render(0, take.scene.length + 320)
    np.testing.assert_allclose(
        network.listener().logits(samples)[: len(take.logits)], take.logits, atol=1e-4
    )


def test_figures_of_a_network_that_knows_its_tones(network: Network, material: Material) -> None:
    total = score(network, record(network, material, PLAN)).total()
    assert total.said == 40
    assert total.missed == 0
    # four vectors of 10 ms after the start of a tone of half a second
    assert -0.5 < total.latency(0.5) < -0.35


def test_features_are_heard_like_samples(network: Network, material: Material) -> None:
    plan = Plan(0.1, (CLEAN,), 400, 0, seed=2)
    sound, features = (
        score(network, record(network, material, plan, sound=sound)).total()
        for sound in (True, False)
    )
    assert (sound.said, sound.missed, features.missed) == (40, 0, 0)
    assert sound.latency(0.5) == pytest.approx(features.latency(0.5), abs=0.02)


def test_an_interrupted_run_goes_on(
    network: Network, material: Material, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = Plan(0.2, (10.0,), 300, 50)
    whole = record(network, material, plan).logits
    monkeypatch.setattr(hearing, "_BATCH", 1)

    def stop(done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        record(network, material, plan, Running(work=tmp_path / "work", progress=stop))
    kept = sorted((tmp_path / "work").rglob("*.npy"))
    assert len(kept) == 3
    kept[1].write_bytes(kept[1].read_bytes()[:1000])  # a disk that lost its end
    done: list[int] = []
    running = Running(work=tmp_path / "work", progress=lambda number, _: done.append(number))
    again = record(network, material, plan, running)
    np.testing.assert_array_equal(again.logits, whole)
    assert done == [3, 4, 5, 6]  # two of six were there
    other = Running(work=tmp_path / "work")
    record(network, material, Plan(0.2, (10.0,), 300, 50, seed=9), other)
    assert len(list((tmp_path / "work").iterdir())) == 2


def test_two_processes_hear_the_same(
    network: Network, material: Material, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hearing, "_BATCH", 2)
    one, two = (record(network, material, PLAN, Running(jobs)).logits for jobs in (1, 2))
    np.testing.assert_allclose(one, two, atol=1e-6)


def test_kill_leaves_whole_segments(tone_file: Path, tone_lists: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "edgemem.cli", "evaluate", str(tone_file), "--stream"]
    command += ["--data", str(tone_lists), "--hours", "0.3", "--cache", str(tmp_path / "cache")]
    command += ["--json", "--work", str(tmp_path / "work")]
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    first = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while first.poll() is None and time.monotonic() < deadline:
        if list((tmp_path / "work").rglob("*.npy")):
            first.send_signal(signal.SIGKILL)
            break
        time.sleep(0.005)
    first.wait()
    for kept in (tmp_path / "work").rglob("segment-*.npy"):
        assert np.load(kept).shape[1] == 4
    runs = [
        json.loads(subprocess.run(line, env=environment, check=True, capture_output=True).stdout)
        for line in (command, command[:-2])
    ]
    assert runs[0] == runs[1]


def test_a_process_that_ends_is_one_sentence(
    network: Network, material: Material, tone_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hearing, "_BATCH", 2)
    tone_file.unlink()  # so that a process of its own cannot open it
    with pytest.raises(DataError, match="a process of --jobs ended on its own"):
        record(network, material, PLAN, Running(2))


def test_kill_in_the_midst_of_tuning_breaks_nothing(
    tone_file: Path, tone_lists: Path, tmp_path: Path
) -> None:
    before = tone_file.read_bytes()
    out = tmp_path / "out" / "tuned.model"
    command = [sys.executable, "-m", "edgemem.cli", "evaluate", str(tone_file), "--stream"]
    command += ["--data", str(tone_lists), "--hours", "0.2", "--cache", str(tmp_path / "cache")]
    command += ["--tune", "--false-accepts", "20", "--out", str(out)]
    command += ["--work", str(tmp_path / "work")]
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < deadline:
        if len(list((tmp_path / "work").rglob("segment-*.npy"))) >= 6:
            process.send_signal(signal.SIGKILL)
            break
        time.sleep(0.01)
    process.wait()
    assert tone_file.read_bytes() == before
    if out.exists():
        model.load(out)
    subprocess.run(command, env=environment, check=True, capture_output=True)
    assert model.load(out).digest == model.load(tone_file).digest


def test_what_cannot_be_heard(
    network: Network, tone_lists: Path, material: Material, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    with pytest.raises(UnknownNameError, match="no split named 'dev'"):
        gather(network, Where(tone_lists, "dev", cache=cache))
    with pytest.raises(ConfigError, match="0 jobs"):
        record(network, material, PLAN, Running(0))
    with pytest.raises(ConfigError, match="a tolerance of 0"):
        score(network, record(network, material, PLAN), tolerance=0.0)
    for path in (tone_lists / "cat").iterdir():
        path.unlink()
    bare = gather(network, Where(tone_lists, cache=cache))
    with pytest.raises(ConfigError, match="other words are asked for, and there is none"):
        record(network, bare, PLAN)
    with pytest.raises(DataError, match="no clip of a keyword"):
        bare.numbers(["up"])
    listed = (tone_lists / "test.csv").read_text()
    (tone_lists / "test.csv").write_text("file,class\n")
    with pytest.raises(DataError, match=r"the split test of .* has no word"):
        gather(network, Where(tone_lists, cache=cache))
    (tone_lists / "test.csv").write_text(listed)
    (tone_lists / "_background_noise_" / "hiss.wav").unlink()
    with pytest.raises(DataError, match="name a folder of recordings with --background"):
        gather(network, Where(tone_lists, cache=cache))


def test_another_rule_needs_no_second_hearing(
    network: Network, material: Material, tone_model: Model, tmp_path: Path
) -> None:
    record(network, material, PLAN, Running(work=tmp_path / "work"))
    other = replace(tone_model, detector=DetectorConfig(9, 0.5, 0.2))
    model.save(other, tmp_path / "other.model")
    heard: list[int] = []
    running = Running(work=tmp_path / "work", progress=lambda number, _: heard.append(number))
    record(open_network(tmp_path / "other.model"), material, PLAN, running)
    assert heard == []
    changed = replace(tone_model, params={**tone_model.params, "b": np.zeros(4)})
    model.save(changed, tmp_path / "changed.model")
    record(open_network(tmp_path / "changed.model"), material, PLAN, running)
    assert heard == [1, 2, 3]


def test_a_row_without_words_has_a_dash_where_there_is_no_number() -> None:
    row = Tally("noise", 0.5, 0, 0, 0, 0, 0, ()).row()
    assert "nan" not in row
    assert row.split()[:7] == ["noise", "0.50", "0", "0", "-", "0", "0.00"]
