"""Two networks lined up: nothing where they are one, and what was planted where it was planted."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgemem import artefact, conversion, target
from edgemem.artefact import Artefact
from edgemem.cells import LEM, LMU, Dense, Norm, Stack
from edgemem.data.types import Skipped
from edgemem.errors import ConfigError, DataError
from edgemem.evaluate.compare import OUTPUT, Comparison, Heard, compare
from edgemem.evaluate.compare_picture import draw
from edgemem.evaluate.pair import hear, recordings, riding_along
from edgemem.files import npz_bytes
from edgemem.frontend import FrontEnd
from edgemem.model import Model, Sample, load, save
from edgemem.quantize import IntegerOps, Program
from edgemem.quantize.stored import read_program
from edgemem.runtime.detector import decide
from edgemem.runtime.network import Network, open_network
from edgemem.runtime.rule import DetectorConfig

N_IN = 4
OTHERS = sorted(
    name
    for name in target.available()
    if target.get(name).integer and name not in {"fixed", "tflite"}
)
LABELS = ("a", "b", "c")


@pytest.fixture(scope="module")
def clips() -> list[Heard]:
    """Two clips of other lengths."""
    rng = np.random.default_rng(5)
    made = []
    for i, length in enumerate((12, 20)):
        x = rng.normal(size=(length, N_IN)).astype(np.float32)
        made.append(Heard(f"clip{i}", LABELS[i], (x, x)))
    return made


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One small network as a model and in every form."""
    root = tmp_path_factory.mktemp("forms")
    rng = np.random.default_rng(0)
    cell = Stack(
        (
            Norm(N_IN),
            LMU(N_IN, 8, 6, 9.0, 2, input_to_hidden=True, activation="relu"),
            LEM(8, 6),
            Dense(6, 3),
        )
    )
    features = rng.normal(size=(20, 30, N_IN)).astype(np.float32)
    model = Model(
        name="small",
        frontend=FrontEnd(n_mels=N_IN, f_max=8000.0),
        cell=cell,
        params={**cell.init(rng), **cell.constants},
        labels=LABELS,
        protocol="folders",
        detector=DetectorConfig(window=4, ignore=()),
        calibration=Sample(features, np.zeros(0, np.int64)),
        validation=Sample(features[:0], np.zeros(0, np.int64)),
    )
    save(model, root / "s.model")
    # a file holds rounded arrays and sequences
    model = load(root / "s.model")
    for name in ("fixed", "tflite", "reference", *OTHERS):
        (root / f"s.{name}").write_bytes(conversion.convert(model, name)[0])
    return root


def program_of(opened: Artefact) -> Program:
    return read_program(opened)


def planted(path: Path, out: Path, name: str, index: tuple[int, ...], by: int) -> Program:
    """Write the file again with one integer of one array changed; its program."""
    opened = artefact.read(path)
    arrays = opened.arrays("program.npz")
    key = f"arrays/{name}"
    changed = arrays[key].copy()
    changed[index] += by
    own = {n: d for n, d in opened.parts.items() if n not in artefact.COMMON_PARTS}
    own["program.npz"] = npz_bytes({**arrays, key: changed})
    made = artefact.build(b"", opened.manifest, opened.labels, opened.golden, own)
    out.write_bytes(artefact.to_bytes(made))
    return program_of(made)


def run_integers(program: Program, clip: Heard) -> list[dict[str, np.ndarray]]:
    """Every tensor of every frame, by the integer semantics alone."""
    ops, states, frames = IntegerOps(program), program.zero_state(), []
    for x in clip.features[0]:
        states, values = ops.step(states, ops.quantize(x))
        frames.append(values)
    return frames


def pair(folder: Path, a: str, b: str, reference_kernels: bool = True) -> tuple[Network, Network]:
    one, other = (open_network(folder / name, reference_kernels) for name in (a, b))
    return one, other


@pytest.mark.parametrize("form", ["s.model", "s.fixed", "s.tflite", "s.reference"])
@pytest.mark.parametrize("reference_kernels", [False, True])
def test_a_thing_and_itself_differ_nowhere(
    folder: Path, clips: list[Heard], form: str, reference_kernels: bool
) -> None:
    found = compare(*pair(folder, form, form, reference_kernels), clips)
    assert found.first is None and found.differing == ()
    assert (found.clips, found.frames, found.equal_frames) == (2, 32, 1.0)
    for distance in (found.output, *found.tensors):
        assert (distance.distance, distance.equal, distance.gain) == (0.0, 1.0, False)
        assert distance.last_places in (0.0, None)
        assert not any(distance.by_frame)
    assert len(found.output.by_frame) == 20
    assert found.accuracy is not None and found.accuracy[0] == found.accuracy[1]


@pytest.mark.parametrize("other", [t for t in ("tflite", *OTHERS) if target.get(t).integer])
def test_integer_targets_agree_in_every_tensor(
    folder: Path, clips: list[Heard], other: str
) -> None:
    found = compare(*pair(folder, "s.fixed", f"s.{other}"), clips)
    assert found.first is None and found.equal_frames == 1.0
    assert found.output.last_places == 0.0
    operations = program_of(artefact.read(folder / "s.fixed")).operations
    named = {op.output for op in operations if op.kind != "reshape"}
    shown = {tensor.tensor for tensor in found.tensors}
    # a sum may be written over what it was made from, so not quite all are left to be seen
    assert shown <= {op.output for op in operations} | {"x"}
    assert len(shown & named) > 0.7 * len(named)
    assert {"x", "1.lmu.m_new", "2.lem.y_new"} <= shown
    assert {(t.equal, t.last_places) for t in found.tensors} == {(1.0, 0.0)}
    assert found.shown[0] == len(operations) + 1


def test_one_weight_more_is_found_where_it_first_matters(
    folder: Path, clips: list[Heard], tmp_path: Path
) -> None:
    before = program_of(artefact.read(folder / "s.fixed"))
    weights = {op.arrays["weight"]: op.output for op in before.operations if "weight" in op.arrays}
    rng = np.random.default_rng(0)
    seen = 0
    for name, output in weights.items():
        row, column = (int(rng.integers(n)) for n in before.arrays[name].shape)
        by = 1 if before.arrays[name][row, column] < 100 else -1
        after = planted(folder / "s.fixed", tmp_path / "p.fixed", name, (row, column), by)
        found = compare(open_network(folder / "s.fixed"), open_network(tmp_path / "p.fixed"), clips)
        assert_as_by_the_semantics(found, before, after, clips)
        if found.first is not None:
            seen += 1
            size = before.arrays[name].shape[0]
            assert (found.first.tensor, found.first.element % size) == (output, row)
    # a weight whose input stays small may round to the same
    assert seen > len(weights) // 2


def assert_as_by_the_semantics(
    found: Comparison, before: Program, after: Program, clips: list[Heard]
) -> None:
    """Every figure again, frame by frame from the integers of the two programs."""
    runs = [(c, run_integers(before, c), run_integers(after, c)) for c in clips]
    unequal = [
        (clip.name, t, op.output, int(np.flatnonzero(x[op.output] != y[op.output])[0]))
        for clip, a, b in runs
        for t, (x, y) in enumerate(zip(a, b))
        for op in before.operations
        if not np.array_equal(x[op.output], y[op.output])
    ]
    if not unequal:
        assert found.first is None
        return
    first = found.first
    assert first is not None
    assert (first.clip, first.frame, first.tensor, first.element) == unequal[0]
    held = [run[first.frame][first.tensor].flat[first.element] for run in runs_of(runs, first.clip)]
    assert [first.a, first.b] == held and first.a != first.b
    for tensor in found.tensors:
        form = before.tensors[tensor.tensor].form
        x, y = (
            np.concatenate([np.stack([f[tensor.tensor] for f in run]) for run in side]).astype(int)
            for side in ([a for _, a, _ in runs], [b for _, _, b in runs])
        )
        off = np.abs(x - y)
        assert tensor.last_places == off.max()
        assert tensor.equal == pytest.approx(np.mean(off == 0))
        power = np.sqrt(np.mean((x - form.zero_point) ** 2))
        assert tensor.distance == pytest.approx(np.sqrt(np.mean(off**2)) / power if power else 0)
    out = before.output
    equal = [np.array_equal(x[out], y[out]) for _, a, b in runs for x, y in zip(a, b)]
    assert found.equal_frames == pytest.approx(np.mean(equal))


def runs_of(runs: list, name: str) -> tuple:
    return next((a, b) for clip, a, b in runs if clip.name == name)


def test_a_bias_is_found_at_its_operation_in_the_first_frame(
    folder: Path, clips: list[Heard], tmp_path: Path
) -> None:
    before = program_of(artefact.read(folder / "s.fixed"))
    last = next(op for op in reversed(before.operations) if "bias" in op.arrays)
    planted(folder / "s.fixed", tmp_path / "p.fixed", last.arrays["bias"], (2,), 1 << 20)
    found = compare(open_network(folder / "s.fixed"), open_network(tmp_path / "p.fixed"), clips)
    assert found.first is not None
    assert (found.first.clip, found.first.frame) == ("clip0", 0)
    assert (found.first.tensor, found.first.op) == (last.output, last.kind)
    assert found.first.element == 2 and found.first.b > found.first.a
    # the third label wins everywhere
    assert {clip.b for clip in found.differing} <= {"c"}
    assert found.accuracy is not None and found.accuracy[1] == 0.0
    network = open_network(folder / "s.fixed")
    for clip in clips:
        y = [network.runner.step(x) for x in clip.features[0]]
        network.runner.reset()
        own = LABELS[int(decide(np.stack(y), 4))]
        assert (own != "c") == any(d.clip == clip.name and d.a == own for d in found.differing)


def test_floats_and_integers_are_compared_after_a_gain(folder: Path, clips: list[Heard]) -> None:
    found = compare(*pair(folder, "s.model", "s.fixed"), clips)
    assert found.tensors and all(t.gain and t.equal is None for t in found.tensors)
    assert not found.output.gain and found.output.last_places is None
    assert max(t.distance for t in found.tensors) < 0.5
    assert 0 < found.output.distance < 0.2
    assert found.first is not None and found.first.tensor == OUTPUT


def test_two_float_forms_are_compared_as_they_are(folder: Path, clips: list[Heard]) -> None:
    found = compare(*pair(folder, "s.model", "s.reference"), clips)
    assert found.first is None and {t.gain for t in found.tensors} == {False}
    assert len(found.tensors) == found.shown[0] == found.shown[1]


def test_fast_kernels_show_their_states_only(folder: Path, clips: list[Heard]) -> None:
    found = compare(*pair(folder, "s.fixed", "s.tflite", reference_kernels=False), clips)
    assert found.shown[1] <= 4
    assert {t.tensor for t in found.tensors} <= {"1.lmu.m_new", "2.lem.y_new", "2.lem.z_new"}


def test_json_has_everything(folder: Path, clips: list[Heard]) -> None:
    found = compare(*pair(folder, "s.model", "s.fixed"), clips).to_dict()
    again = json.loads(json.dumps(found))
    assert again == found
    assert again["a"]["file"].endswith("s.model") and "float64" in again["a"]["engine"]
    assert again["first"]["tensor"] == OUTPUT
    assert len(again["tensors"][0]["by_frame"]) == 20


def test_other_labels_and_widths_are_refused(folder: Path, clips: list[Heard]) -> None:
    a = open_network(folder / "s.fixed")
    with pytest.raises(ConfigError, match="other labels: a, b, c; and c, b, a"):
        compare(a, replace(a, labels=("c", "b", "a")), clips)
    wider = replace(a, frontend=FrontEnd(n_mels=5))
    with pytest.raises(ConfigError, match=r"reads 4 features a vector.* reads 5"):
        compare(a, wider, clips)
    slower = replace(a, frontend=replace(a.frontend, sample_rate=8000, f_max=4000.0))
    with pytest.raises(ConfigError, match=r"16000 samples a second.* reads 8000"):
        compare(a, slower, clips)
    uneven = Heard("short", None, (np.zeros((3, 4), np.float32), np.zeros((2, 4), np.float32)))
    with pytest.raises(ConfigError, match=r"short has 3 feature vectors for .* and 2 for"):
        compare(a, a, [uneven])


def test_no_clip_is_refused(folder: Path) -> None:
    with pytest.raises(DataError, match="no clip could be used"):
        compare(*pair(folder, "s.fixed", "s.fixed"), [])


def test_an_unlabelled_clip_leaves_accuracy_out(folder: Path, clips: list[Heard]) -> None:
    mixed = [clips[0], replace(clips[1], label=None)]
    assert compare(*pair(folder, "s.fixed", "s.fixed"), mixed).accuracy is None


def test_what_rides_along(folder: Path) -> None:
    golden = artefact.read(folder / "s.fixed").golden.x
    calibration = load(folder / "s.model").calibration.features
    whole = calibration[:2, : golden.shape[1]]
    for name, expected in (("s.fixed", golden), ("s.model", whole)):
        found = riding_along(folder / name)
        assert [clip.label for clip in found] == [None, None]
        np.testing.assert_array_equal([clip.features[0] for clip in found], expected)
    assert len(riding_along(folder / "s.fixed", limit=1)) == 1


def test_labelled_recordings_and_others(
    folder: Path, tone_file: Path, tone_set: Path, tone: Callable[..., np.ndarray],
    write_wav: Callable[..., Path], tmp_path: Path,
) -> None:  # fmt: skip
    tones = open_network(tone_file)
    found, notes = recordings(tones, tone_set)
    assert notes == () and sorted({r.clip.label for r in found}) == sorted(tones.labels)
    assert len(found) == 12 and len(recordings(tones, tone_set, limit=5)[0]) == 5
    loose = tmp_path / "loose"
    write_wav(loose / "one.wav", tone("low", 0.5))
    write_wav(loose / "short.wav", tone("low", 0.001))
    (loose / "bad.wav").write_bytes(b"bad")
    found, notes = recordings(tones, loose)
    assert [r.clip.name for r in found] == ["bad.wav", "one.wav", "short.wav"]
    assert "recordings without labels" in notes[0]
    skipped: list[Skipped] = []
    heard = list(hear(found, tones.frontend, tones.frontend, skipped))
    # a whole half second
    assert [(h.name, h.label, len(h.features[0])) for h in heard] == [("one.wav", None, 48)]
    assert [item.name for item in skipped] == ["bad.wav", "short.wav"]
    one, _ = recordings(tones, loose / "one.wav")
    assert [r.clip.name for r in one] == ["one.wav"]
    for empty in (tmp_path / "nowhere", folder):
        with pytest.raises(DataError):
            recordings(tones, empty)


def test_picture(folder: Path, clips: list[Heard], tmp_path: Path) -> None:
    for i, names in enumerate((("s.model", "s.fixed"), ("s.model", "s.tflite"))):
        draw(compare(*pair(folder, *names, reference_kernels=False), clips), tmp_path / f"{i}.png")
        data = (tmp_path / f"{i}.png").read_bytes()
        assert data.startswith(b"\x89PNG") and len(data) > 5000
