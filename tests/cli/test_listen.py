"""``edgemem listen`` as a process: sources, signals, readers that go away, bad input."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from click.testing import CliRunner, Result

from edgemem.cli import main
from edgemem.runtime.network import open_network
from edgemem.runtime.wav import wav_bytes

pytestmark = pytest.mark.slow

Samples = npt.NDArray[np.int16]
PATIENCE = 60.0


def listen(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["listen", *map(str, arguments)])


class Process:
    """A running ``edgemem listen``."""

    def __init__(self, *arguments: object, stdout: int = subprocess.PIPE, **more: str) -> None:
        self.child = subprocess.Popen(
            [sys.executable, "-m", "edgemem.cli", "listen", *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=stdout,
            stderr=subprocess.PIPE,
            env={**os.environ, **more},
        )
        self.lines: list[tuple[float, str]] = []
        self.errors: list[str] = []
        self._threads = [
            threading.Thread(target=self._read, args=(stream, keep))
            for stream, keep in (
                (self.child.stdout, lambda line: self.lines.append((time.time(), line))),
                (self.child.stderr, self.errors.append),
            )
            if stream is not None
        ]
        for thread in self._threads:
            thread.start()

    @staticmethod
    def _read(stream, keep: Callable[[str], None]) -> None:
        with stream:
            for line in stream:
                keep(line.decode().rstrip("\n"))

    @property
    def events(self) -> list[dict]:
        return [json.loads(line) for _, line in self.lines]

    @property
    def said(self) -> str:
        return "\n".join(line for line in self.errors if "TensorFlow Lite" not in line)

    def feed(self, sound: Samples) -> None:
        self.child.stdin.write(sound.astype("<i2").tobytes())
        self.child.stdin.flush()

    def until(self, holds: Callable[[], bool], what: str) -> None:
        end = time.monotonic() + PATIENCE
        while not holds():
            assert time.monotonic() < end, f"waited {PATIENCE} s for {what}; it said: {self.said}"
            time.sleep(0.01)

    def wait(self, patience: float = PATIENCE) -> int:
        """Its exit status, after all that it said has been read."""
        if not self.child.stdin.closed:
            self.child.stdin.close()
        status = self.child.wait(patience)
        for thread in self._threads:
            thread.join(PATIENCE)
        return status


@contextmanager
def running(*arguments: object, stdout: int = subprocess.PIPE, **more: str) -> Iterator[Process]:
    process = Process(*arguments, stdout=stdout, **more)
    try:
        yield process
    finally:
        if process.child.poll() is None:
            process.child.kill()
        process.wait()


@pytest.fixture
def sound(tone: Callable[..., Samples]) -> Samples:
    """Half a second each of silence, low, silence, unknown, high, silence."""
    order = ("_silence_", "low", "_silence_", "_unknown_", "high", "_silence_")
    return np.concatenate([tone(label, 0.5) for label in order])


@pytest.fixture
def wav(tmp_path: Path, sound: Samples) -> Path:
    path = tmp_path / "sound.wav"
    path.write_bytes(wav_bytes(sound))
    return path


def told(result: Result) -> list[dict]:
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_a_clip_gives_its_events(tone_file: Path, wav: Path, sound: Samples) -> None:
    found = told(listen(tone_file, wav, "--fast"))
    assert [list(event) for event in found] == 2 * [["time", "at", "label", "score"]]
    assert [event["label"] for event in found] == ["low", "high"]
    # The tones begin at 0.5 and 2 s; the window is four frames of 20 ms.
    assert 0.5 < found[0]["time"] < 0.62 and 2.0 < found[1]["time"] < 2.12
    for event in found:
        assert abs(datetime.fromisoformat(event["at"]).timestamp() - time.time()) < PATIENCE


def test_a_clip_in_real_time_takes_its_time(tone_file: Path, wav: Path) -> None:
    begun = time.monotonic()
    found = told(listen(tone_file, wav))
    assert time.monotonic() - begun >= 3.0
    assert [event["label"] for event in found] == ["low", "high"]
    first, second = (datetime.fromisoformat(event["at"]).timestamp() for event in found)
    assert abs((second - first) - (found[1]["time"] - found[0]["time"])) < 0.5


def test_flac_is_heard_too(tone_file: Path, tmp_path: Path, sound: Samples) -> None:
    soundfile = pytest.importorskip("soundfile")
    soundfile.write(tmp_path / "a.flac", sound, 16000, subtype="PCM_16")
    assert len(told(listen(tone_file, tmp_path / "a.flac", "--fast"))) == 2


def test_a_pipe_gives_each_event_when_it_happens(tone_file: Path, sound: Samples) -> None:
    with running(tone_file, "-") as process:
        process.feed(sound[:16000])
        process.until(lambda: len(process.lines) == 1, "an event before the pipe ends")
        process.feed(sound[16000:])
        assert process.wait() == 0
    assert [event["label"] for event in process.events] == ["low", "high"]
    assert process.said == ""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_cleanly(
    tone_file: Path, sound: Samples, tmp_path: Path, number: signal.Signals
) -> None:
    record = tmp_path / "heard"
    with running(tone_file, "-", "--record-events", record) as process:
        process.feed(sound[:9600])  # into the tone: its recording is not complete
        process.until(lambda: len(process.lines) == 1, "the event")
        process.child.send_signal(number)
        process.until(lambda: process.child.poll() is not None, "the end")
        assert process.child.returncode == (0 if number == signal.SIGTERM else 130)
    assert process.said == ""
    assert len(list(record.glob("*-low.wav"))) == 1


def test_systemd_is_told_of_start_and_end(tone_file: Path, sound: Samples, tmp_path: Path) -> None:
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(address)
        manager.settimeout(PATIENCE)
        with running(tone_file, "-", NOTIFY_SOCKET=address, WATCHDOG_USEC="300000") as process:
            process.feed(sound[:8000])
            assert manager.recv(4096).startswith(b"READY=1")
            beats = 0
            while beats < 3:  # no sound comes, and it is alive
                beats += manager.recv(4096) == b"WATCHDOG=1"
            process.child.send_signal(signal.SIGTERM)
            said = b""
            while said != b"STOPPING=1":
                said = manager.recv(4096)
            process.until(lambda: process.child.poll() is not None, "the end")


def test_rules_are_read_again_on_sighup(tone_file: Path, sound: Samples, tmp_path: Path) -> None:
    config = tmp_path / "kws.toml"
    config.write_text('ignore = ["_silence_", "_unknown_", "low"]\n')
    with running(tone_file, "-", "--config", config) as process:
        process.feed(sound)
        process.until(lambda: len(process.lines) == 1, "the first event")
        config.write_text('ignore = ["_silence_", "_unknown_", "high"]\n')
        process.child.send_signal(signal.SIGHUP)
        process.until(lambda: "hold now" in process.said, "the new rules")
        process.feed(sound)
        process.until(lambda: len(process.lines) == 2, "the second event")
        config.write_text("threshold = [\n")
        process.child.send_signal(signal.SIGHUP)
        process.until(lambda: "the rules stay as they were" in process.said, "the complaint")
        config.write_text("")
        process.child.send_signal(signal.SIGHUP)
        process.until(lambda: "says nothing" in process.said, "the second complaint")
        process.feed(sound)
        assert process.wait() == 0
    assert [event["label"] for event in process.events] == ["high", "low", "low"]
    assert len(process.said.splitlines()) == 3


def test_a_malformed_rule_file_is_one_sentence(tone_file: Path, wav: Path, tmp_path: Path) -> None:
    config = tmp_path / "kws.toml"
    config.write_text("threshold = [\n")
    result = listen(tone_file, wav, "--config", config, "--fast")
    assert result.exit_code == 1
    assert str(config) in result.stderr and len(result.stderr.splitlines()) == 1


def test_without_rules_sighup_is_the_end(tone_file: Path, sound: Samples) -> None:
    with running(tone_file, "-") as process:
        process.feed(sound[:9600])
        process.until(lambda: len(process.lines) == 1, "the event")
        process.child.send_signal(signal.SIGHUP)
        process.until(lambda: process.child.poll() is not None, "the end")
        assert process.child.returncode == 0


def test_a_reader_that_goes_away_is_the_end_without_a_traceback(
    tone_file: Path, sound: Samples
) -> None:
    reading, writing = os.pipe()
    with running(tone_file, "-", stdout=writing) as process:
        os.close(writing)
        os.close(reading)
        with pytest.raises(BrokenPipeError):
            for _ in range(1000):
                process.feed(sound)
        with suppress(BrokenPipeError):
            process.child.stdin.close()
        assert process.wait() == 1
    assert "Traceback" not in process.said


def test_a_full_disk_behind_standard_output_is_one_sentence(tone_file: Path, wav: Path) -> None:
    with (
        Path("/dev/full").open("wb") as full,
        running(tone_file, wav, "--fast", stdout=full.fileno()) as process,
    ):
        assert process.wait() == 1
    assert process.said == (
        "Error: cannot use standard output: No space left on device; name another place"
    )


def test_a_command_is_run_and_what_it_prints_is_no_event(
    tone_file: Path, wav: Path, tmp_path: Path
) -> None:
    command = f"sh -c 'echo $EDGEMEM_LABEL; echo {{label}} {{time}} >> {tmp_path}/out'"
    with running(tone_file, wav, "--fast", "--exec", command) as process:
        assert process.wait() == 0
    assert [event["label"] for event in process.events] == ["low", "high"]
    assert sorted(process.said.splitlines()) == ["high", "low"]
    lines = sorted((tmp_path / "out").read_text().splitlines())
    assert lines == sorted(f"{event['label']} {event['time']}" for event in process.events)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{wav}", "--exec", "no-such-program"], "there is no program 'no-such-program'"),
        (["{wav}", "--queue", "0"], "queue is 0"),
        (["{wav}", "--stats", "-1"], "stats is -1"),
        (["{wav}", "--record-events", "{wav}"], "cannot record into"),
        (["{wav}", "--record-events", "{tmp}/r", "--before", "-1"], "before is -1"),
        (["{wav}", "--mqtt", "host:no"], "expected HOST, HOST:PORT"),
        (["{wav}", "--mqtt", "host", "--mqtt-topic", "a/#"], "topic is 'a/#'"),
        (["{tmp}/missing.wav"], "cannot be read: No such file"),
        (["{tmp}/slow.wav"], "is 8000 Hz"),
        (["{tmp}/both.wav"], "changes its format on the way"),
        (["{tmp}/empty.wav"], "is empty"),
        (["{tmp}"], "cannot be read: Is a directory"),
        (["{wav}", "--config", "{tmp}/missing.toml"], "missing.toml"),
    ],
)
def test_bad_input_is_one_sentence(
    bare: None,
    tone_file: Path,
    wav: Path,
    tmp_path: Path,
    sound: Samples,
    arguments: list[str],
    message: str,
) -> None:
    (tmp_path / "slow.wav").write_bytes(wav_bytes(sound, 8000))
    (tmp_path / "both.wav").write_bytes(2 * wav_bytes(sound))
    (tmp_path / "empty.wav").write_bytes(wav_bytes(sound[:0]))
    result = listen(tone_file, *(a.format(wav=wav, tmp=tmp_path) for a in arguments), "--fast")
    assert result.exit_code == 1, result.output
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1 and message in result.stderr, result.stderr


def test_without_a_network_the_usage_is_told() -> None:
    result = listen()
    assert result.exit_code == 2
    assert "missing argument FILE" in result.stderr


def test_a_port_in_use_is_one_sentence(tone_file: Path, wav: Path) -> None:
    pytest.importorskip("websockets")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        result = listen(tone_file, wav, "--web", taken.getsockname()[1])
    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 1


def test_an_hour_of_silence_is_heard_in_little_memory(tmp_path: Path) -> None:
    """Written as a hole, so that it takes no disk either."""
    path = tmp_path / "silence.raw"
    with path.open("wb") as file:
        file.truncate(2 * 16000 * 3600)
    with running("kws12-lmu-tiny", path, "--fast", "--stats", "1000000") as process:
        assert process.wait(10 * PATIENCE) == 0
    assert process.events == []
    heard, memory = process.said.split(" s heard")[0], process.said.rsplit(", ", 1)[1]
    assert heard == "edgemem: 3600"
    assert float(memory.split()[0]) < 100  # the sound alone is 110 MiB


def test_a_microphone_that_vanishes_is_waited_for(
    tone_file: Path, tmp_path: Path, sound: Samples
) -> None:
    """A recorder that plays a file once and ends, as one does whose microphone is pulled out."""
    (tmp_path / "sound.raw").write_bytes(sound.astype("<i2").tobytes())
    recorder = tmp_path / "arecord"
    recorder.write_text(
        "#!/bin/sh\n"
        f"cat {tmp_path}/sound.raw; sleep 0.3\n"
        f"[ -e {tmp_path}/back ] && sleep 600\n"
        f"touch {tmp_path}/back\n"
        'echo "arecord: pcm_read:2221: read error: No such device" >&2; exit 1\n'
    )
    recorder.chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    with running(tone_file, "--recorder", "arecord", PATH=path) as process:
        process.until(lambda: len(process.lines) == 4, "both events of both times")
        process.child.send_signal(signal.SIGTERM)
        process.until(lambda: process.child.poll() is not None, "the end")
        assert process.child.returncode == 0
    lost, back = process.said.splitlines()
    assert lost == (
        "edgemem: the microphone cannot be heard: arecord: read error: No such device; plug it in, "
        "see edgemem listen --list-devices, or choose another --recorder; it is "
        "tried again until it is back"
    )
    assert back.startswith("edgemem: the microphone is back after")
    times = [event["time"] for event in process.events]
    # The second sound begins after the first, 0.3 s and the first pause of a second.
    assert times[2] - times[0] > 1.3


def test_no_microphone_is_one_sentence(tone_file: Path, tmp_path: Path) -> None:
    result = listen(tone_file, "--recorder", "arecord", "--device", "nosuch")
    assert result.exit_code == 1
    (sentence,) = result.stderr.splitlines()
    assert "cannot be heard: arecord" in sentence or "no program arecord" in sentence


def pulse_tools() -> bool:
    return all(shutil.which(tool) for tool in ("pulseaudio", "pactl", "arecord"))


@pytest.mark.skipif(not pulse_tools(), reason="no pulseaudio; scripts/install-tools installs it")
@pytest.mark.parametrize("recorder", ["arecord", "sounddevice"])
def test_a_microphone_of_pulseaudio_is_heard_in_real_time(
    tone_file: Path, tmp_path: Path, sound: Samples, recorder: str
) -> None:
    if recorder == "sounddevice":
        from edgemem.errors import MissingExtraError
        from edgemem.listen import portaudio

        try:
            portaudio.load()
        except MissingExtraError as error:
            pytest.skip(str(error))
    arguments = (tone_file, "--recorder", recorder, "--retry", "1")
    with (
        pulseaudio(tmp_path) as (microphone, environment, daemon),
        running(*arguments, **environment) as process,
    ):
        feeder = Feeder(microphone)
        feeder.start()
        try:
            time.sleep(0.2)
            process.until(lambda: _recording(environment), "the recorder")
            begun = feeder.say(sound)
            process.until(lambda: len(process.lines) == 2, "two events")
            # The daemon is killed: the loop lives on and says so, once.
            daemon.kill()
            process.until(lambda: "tried again" in process.said, "the loss")
            process.child.send_signal(signal.SIGTERM)
            process.until(lambda: process.child.poll() is not None, "the end")
            assert process.child.returncode == 0
        finally:
            feeder.end()
    assert "Traceback" not in process.said
    assert [event["label"] for event in process.events] == ["low", "high"]
    for (_, line), onset in zip(process.lines, (0.5, 2.0)):
        at = datetime.fromisoformat(json.loads(line)["at"]).timestamp()
        # After the tone's beginning, and not long after: the limits are generous, the machine busy.
        assert begun + onset < at + 0.5 < begun + onset + 10.0


class Feeder(threading.Thread):
    """Sound into a pipe by the clock, silence where nothing is to be said."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        self._next: list[Samples] = []
        self._ended = threading.Event()

    def say(self, sound: Samples) -> float:
        """When the sound begins, about."""
        self._next.extend(sound.reshape(-1, 320))
        return time.time()

    def end(self) -> None:
        self._ended.set()
        self.join()

    def run(self) -> None:
        signal_of_silence = np.zeros(320, np.int16)
        number = os.open(self._path, os.O_WRONLY | os.O_NONBLOCK)
        begun, blocks = time.monotonic(), 0
        try:
            while not self._ended.is_set():
                block = self._next.pop(0) if self._next else signal_of_silence
                try:
                    os.write(number, block.astype("<i2").tobytes())
                except BlockingIOError:  # nobody records yet
                    pass
                except BrokenPipeError:  # the daemon is gone
                    return
                blocks += 1
                self._ended.wait(max(0.0, begun + blocks * 0.02 - time.monotonic()))
        finally:
            os.close(number)


@contextmanager
def pulseaudio(
    folder: Path,
) -> Iterator[tuple[Path, dict[str, str], subprocess.Popen[bytes]]]:
    """A PulseAudio of our own, whose one microphone is a pipe."""
    runtime = folder / "run"
    runtime.mkdir(mode=0o700)
    config = folder / "asound-pulse.conf"
    config.write_text("</usr/share/alsa/alsa.conf>\npcm.!default { type pulse }\n")
    environment = {
        "XDG_RUNTIME_DIR": str(runtime),
        "PULSE_RUNTIME_PATH": str(runtime / "pulse"),
        "PULSE_SERVER": f"unix:{runtime}/pulse/native",
        "HOME": str(folder),
        "ALSA_CONFIG_PATH": str(config),
    }
    microphone = folder / "microphone"
    source = f"source_name=vmic file={microphone} rate=16000 channels=1 format=s16le"
    command = ["pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1"]
    command += ["-L", "module-native-protocol-unix auth-anonymous=1"]
    command += ["-L", f"module-pipe-source {source}"]
    daemon = subprocess.Popen(
        command,
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        end = time.monotonic() + PATIENCE
        while not microphone.exists() or "vmic" not in _pactl(environment, "list", "sources"):
            assert time.monotonic() < end and daemon.poll() is None, "pulseaudio did not start"
            time.sleep(0.05)
        _pactl(environment, "set-default-source", "vmic")
        yield microphone, environment, daemon
    finally:
        daemon.kill()
        daemon.wait()


def _pactl(environment: dict[str, str], *arguments: str) -> str:
    done = subprocess.run(
        ["pactl", *arguments], capture_output=True, text=True, env={**os.environ, **environment}
    )
    return done.stdout


def _recording(environment: dict[str, str]) -> bool:
    return "Source Output" in _pactl(environment, "list", "source-outputs")


def test_the_events_are_those_of_a_listener(tone_file: Path, wav: Path, sound: Samples) -> None:
    expected = [(round(e.time, 3), e.label) for e in open_network(tone_file).listener().push(sound)]
    found = told(listen(tone_file, wav, "--fast"))
    assert [(event["time"], event["label"]) for event in found] == expected


def test_what_is_not_used_is_not_loaded(tone_file: Path, wav: Path) -> None:
    """Memory on a small device: no event loop, no client, no microphone where none is asked for."""
    code = (
        "import atexit, sys\n"
        "atexit.register(lambda: print(*sorted(sys.modules), file=sys.stderr))\n"
        "from edgemem.cli import main\nmain(sys.argv[1:])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "listen", str(tone_file), str(wav), "--fast"],
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(done.stderr.split())
    assert "edgemem.listen.loop" in loaded
    assert not loaded & {"asyncio", "ssl", "websockets", "paho", "sounddevice", "soundfile"}
    assert not loaded & {"edgemem.listen.microphone", "edgemem.listen.web", "edgemem.listen.mqtt"}


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def test_the_live_page_is_there_while_it_listens(tone_file: Path, sound: Samples) -> None:
    pytest.importorskip("websockets")
    with running(tone_file, "-", "--web", 0) as process:
        process.until(lambda: "live page: http://127.0.0.1:" in process.said, "the page's address")
        process.feed(sound[:9600])
        process.until(lambda: len(process.lines) == 1, "the event")
        with urllib.request.urlopen(process.said.split("live page: ")[1], timeout=PATIENCE) as page:
            assert b"<html" in page.read()
        assert process.wait() == 0


MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")


@pytest.mark.skipif(MOSQUITTO is None, reason="no mosquitto; scripts/install-tools installs it")
def test_events_reach_a_broker(tone_file: Path, wav: Path) -> None:
    client_of = pytest.importorskip("paho.mqtt.client")
    port = free_port()
    broker = subprocess.Popen([MOSQUITTO, "-p", str(port)], stderr=subprocess.DEVNULL)
    payloads: list[dict] = []
    ready = threading.Event()
    client = client_of.Client(client_of.CallbackAPIVersion.VERSION2)
    client.on_connect = lambda *_: client.subscribe("kitchen/event", qos=1)
    client.on_subscribe = lambda *_: ready.set()
    client.on_message = lambda _client, _data, message: payloads.append(json.loads(message.payload))
    try:
        client.connect_async("127.0.0.1", port)
        client.loop_start()
        assert ready.wait(PATIENCE)
        arguments = (tone_file, wav, "--fast", "--mqtt", f"127.0.0.1:{port}")
        with running(*arguments, "--mqtt-topic", "kitchen") as process:
            assert process.wait() == 0
            process.until(lambda: len(payloads) == 2, "both events")
    finally:
        client.disconnect()
        client.loop_stop()
        broker.terminate()
        broker.wait()
    said = [(event["time"], event["label"], event["score"]) for event in process.events]
    assert [(told["time"], told["label"], told["score"]) for told in payloads] == said


@pytest.mark.skipif(shutil.which("arecord") is None, reason="no arecord; scripts/install-tools")
def test_microphones_are_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "asound.conf"
    config.write_text(
        "</usr/share/alsa/alsa.conf>\npcm.vmic { type null }\npcm.!default { type null }\n"
    )
    monkeypatch.setenv("ALSA_CONFIG_PATH", str(config))
    listed = listen("--list-devices", "--json", "--recorder", "arecord")
    assert listed.exit_code == 0
    found = {device["device"]: device for device in json.loads(listed.stdout)}
    assert {"vmic", "default"} <= set(found)
    assert found["default"]["default"] and found["vmic"]["recorder"] == "arecord"
    assert "vmic" in listen("--list-devices", "--recorder", "arecord").stdout
