"""Recordings of events: the right samples, whole files, a folder of bounded size."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgemem.errors import ConfigError, OutputError
from edgemem.listen.record import Keeping, RecordEvents, Recording, Ring, recording_bytes
from edgemem.listen.types import Heard, Moment
from edgemem.runtime.sources import read_clip

Samples = npt.NDArray[np.int16]
Until = Callable[[Callable[[], bool], str], None]
SOUND = (np.arange(160000) % 30011).astype(np.int16)
# 2001-09-09 01:46:40 UTC is second 1,000,000,000 of Unix time.
EPOCH = 1_000_000_000


def heard(time: float, label: str = "yes") -> Heard:
    return Heard(time, EPOCH + time, label, 0.5)


def feed(sink: RecordEvents, events: list[Heard], seconds: float, block: int = 640) -> None:
    """The sound in blocks, each event with the block in which its time lies."""
    for position in range(0, round(16000 * seconds), block):
        now = tuple(e for e in events if position <= 16000 * e.time < position + block)
        sink.take(Moment(position, SOUND[position : position + block], None, None, now))


def test_a_recording_has_the_sound_before_and_after(tmp_path: Path) -> None:
    sink = RecordEvents(tmp_path, Keeping(before=1.0, after=0.5), print)
    feed(sink, [heard(2.0), heard(2.25, "no")], 4.0)
    sink.close()
    names = sorted(path.name for path in tmp_path.glob("*.wav"))
    assert names == ["20010909T014642.000Z-yes.wav", "20010909T014642.250Z-no.wav"]
    np.testing.assert_array_equal(read_clip(tmp_path / names[0]), SOUND[16000:40000])
    np.testing.assert_array_equal(read_clip(tmp_path / names[1]), SOUND[20000:44000])


def test_at_the_ends_there_is_what_there_is(tmp_path: Path) -> None:
    sink = RecordEvents(tmp_path, Keeping(before=1.0, after=1.0), print)
    feed(sink, [heard(0.25), heard(1.9)], 2.0)
    sink.close()
    early, late = (read_clip(path) for path in sorted(tmp_path.glob("*.wav")))
    np.testing.assert_array_equal(early, SOUND[:20000])
    np.testing.assert_array_equal(late, SOUND[14400:32000])


@given(
    st.lists(st.tuples(st.integers(1, 50), st.integers(0, 30)), min_size=1, max_size=30),
    st.integers(5, 60),
    st.data(),
)
def test_the_ring_gives_what_was_there_and_zeros_in_gaps(
    steps: list[tuple[int, int]], span: int, data: st.DataObject
) -> None:
    ring, all_of_it, position = Ring(span), np.zeros(3000, np.int16), 0
    for size, gap in steps:
        position += gap
        block = np.arange(1, size + 1).astype(np.int16)
        all_of_it[position : position + size] = block
        ring.push(position, block)
        position += size
    start = data.draw(st.integers(max(0, position - span), position))
    np.testing.assert_array_equal(ring.cut(start, position), all_of_it[start:position])


def test_other_programs_read_the_event_in_the_file(tmp_path: Path) -> None:
    """The chunk LIST INFO ICMT of the RIFF format, after the samples."""
    soundfile = pytest.importorskip("soundfile")
    path = tmp_path / "a.wav"
    path.write_bytes(recording_bytes(Recording(heard(2.0, "\u0644\u0627"), SOUND[:1001], 1.0)))
    with soundfile.SoundFile(path) as clip:
        told = json.loads(clip.comment)
        assert clip.frames == 1001
    assert told == {
        "time": 2.0,
        "label": "\u0644\u0627",
        "score": 0.5,
        "at": "2001-09-09T01:46:42.000Z",
        "start": 1.0,
    }
    size = int.from_bytes(path.read_bytes()[4:8], "little")
    assert size == path.stat().st_size - 8


def test_a_label_is_no_path(tmp_path: Path) -> None:
    sink = RecordEvents(tmp_path / "in", Keeping(), print)
    feed(sink, [heard(1.0, "../../etc/\u00e4 b")], 2.0)
    sink.close()
    (path,) = (tmp_path / "in").glob("*.wav")
    assert path.name.endswith("Z-______etc___b.wav")


def test_a_long_label_is_a_file_all_the_same(tmp_path: Path) -> None:
    sink = RecordEvents(tmp_path, Keeping(0.1, 0.0), print)
    event = Heard(0.1, 0.0, "x" * 5000, 0.5)
    sink.take(Moment(0, np.ones(3200, np.int16), None, None, (event,)))
    sink.close()
    assert len(list(tmp_path.glob("*.wav"))) == 1


def test_the_oldest_give_way_and_only_our_own(tmp_path: Path) -> None:
    keeping = Keeping(before=0.5, after=0.5, limit=100_000)  # three of 32 kB
    others = ["20000101T000000.000Z-yes.txt", "holiday.wav", "a.20000101T000000.000Z-yes.wav"]
    for name in others:
        (tmp_path / name).write_bytes(bytes(90_000))
    (tmp_path / "20000101T000000.000Z-old.wav").write_bytes(bytes(50_000))
    sink = RecordEvents(tmp_path, keeping, print)
    feed(sink, [heard(t) for t in (1.0, 2.0, 3.0, 4.0, 5.0)], 7.0)
    sink.close()
    left = sorted(path.name for path in tmp_path.glob("2*Z-*.wav"))
    assert left == [f"20010909T0146{40 + second}.000Z-yes.wav" for second in (3, 4, 5)]
    assert sum((tmp_path / name).stat().st_size for name in left) <= keeping.limit
    assert all((tmp_path / name).stat().st_size == 90_000 for name in others)


def test_equal_moments_get_names_of_their_own(tmp_path: Path) -> None:
    sink = RecordEvents(tmp_path, Keeping(), print)
    feed(sink, [heard(1.0), heard(1.0)], 3.0)
    sink.close()
    assert len(list(tmp_path.glob("*.wav"))) == 2


def test_what_a_crash_left_is_swept_away(tmp_path: Path) -> None:
    left = tmp_path / ".20010909T014642.000Z-yes.wav.x7_kq0ab.part"
    left.write_bytes(b"RIFF")
    foreign = tmp_path / ".holiday.wav.x7_kq0ab"
    foreign.write_bytes(b"")
    RecordEvents(tmp_path, Keeping(), print).close()
    assert not left.exists()
    assert foreign.exists()


def test_a_folder_belongs_to_one_process(tmp_path: Path) -> None:
    first = RecordEvents(tmp_path, Keeping(), print)
    with pytest.raises(OutputError, match="another process does"):
        RecordEvents(tmp_path, Keeping(), print)
    first.close()
    RecordEvents(tmp_path, Keeping(), print).close()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"before": -1.0}, "before is -1"),
        ({"after": 601.0}, "after is 601"),
        ({"before": 0.0, "after": 0.0}, "nothing would be kept"),
        ({"limit": 1000}, "less than one recording"),
    ],
)
def test_settings_that_cannot_work_are_refused(values: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Keeping(**values)


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match="cannot record into"):
        RecordEvents(tmp_path / "file" / "in", Keeping(), print)


# Records events of a ramp for ever, and says so.
WRITER = """
import sys
import numpy as np
from pathlib import Path
from edgemem.listen.record import Keeping, RecordEvents
from edgemem.listen.types import Heard, Moment
from edgemem.listen.waiting import Waits
report = lambda s: print(s, flush=True)
sink = RecordEvents(Path(sys.argv[1]), Keeping(2.0, 1.0, 3_000_000), report, Waits(60.0))
position = 0
print("ready", flush=True)
while True:
    time = position / 16000
    event = Heard(time, 1e9 + time, "yes", 0.5)
    samples = np.full(8000, position // 8000 % 30000, np.int16)
    sink.take(Moment(position, samples, None, None, (event,)))
    position += 8000
"""


def test_a_kill_leaves_whole_files_only(tmp_path: Path, until: Until) -> None:
    def wait_for(count: int) -> None:
        until(lambda: len(list(tmp_path.glob("*.wav"))) >= count, "recordings")

    for turn in range(3):
        child = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE
        )
        wait_for(7 * (turn + 1))
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
        for path in tmp_path.glob("*.wav"):
            with wave.open(str(path)) as clip:
                assert len(clip.readframes(10**6)) == 2 * clip.getnframes() > 0
    RecordEvents(tmp_path, Keeping(), print).close()
    assert {path.suffix for path in tmp_path.iterdir()} == {".wav", ""}
    assert [path.name for path in tmp_path.iterdir() if not path.suffix] == [".edgemem-recordings"]


def test_a_full_disk_is_told_and_lived_through(tmp_path: Path, until: Until) -> None:
    """A limit on the size of files stands for the disk: writing fails in the middle of a file."""
    code = (
        "import resource, signal\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))\n" + WRITER
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    sentence = child.stdout.readline()
    assert "1 recordings were not written (1 in all): cannot write" in sentence
    assert "File too large" in sentence
    assert child.poll() is None  # it lives on
    child.kill()
    child.wait()
    child.stdout.close()
    assert not list(tmp_path.glob("*.wav"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts a small disk")
def test_a_disk_that_has_room_again_is_used_again(tmp_path: Path, until: Until) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("a small disk cannot be mounted here")
    try:
        (disk / "ballast").write_bytes(bytes(200_000))
        said: list[str] = []
        sink = RecordEvents(disk, Keeping(1.0, 1.0), said.append)
        feed(sink, [heard(1.0)], 3.0)
        until(lambda: bool(said), "the full disk")
        assert "No space left on device" in said[0]
        (disk / "ballast").unlink()
        feed(sink, [heard(1.0, "no")], 3.0)
        sink.close()
        assert [path.name for path in disk.glob("*.wav")] == ["20010909T014641.000Z-no.wav"]
    finally:
        subprocess.run(["umount", str(disk)], check=True)
