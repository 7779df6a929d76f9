"""The parts of scripts/pi-test: each runs something on a machine and notes what it saw."""

from __future__ import annotations

import json
import shutil
import wave
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pi import generated_c, instructions, userland
from pi.machine import Machine
from pi.readme import Steps
from pi.report import Report
from pi.userland import Arch

HERE = Path(__file__).parent
RATE = 16000
WORD_SECONDS = 2.75
"""What a word and its pause take in `edgemem data stream`."""
ALIKE = 0.95
"""Least share of events that are of the same words, whatever the kernels."""
FEW = 2
"""Events near the threshold that may differ in a short sound."""
AGREEMENT = "Sound heard on both"
NATIVE = "On this machine, natively, one core"


@dataclass(frozen=True)
class Sound:
    """Recordings built of real ones, on this machine.

    Parameters
    ----------
    work : Path
        Folder that both machines see.
    machine : Machine
    words, noise : Path
        Recordings of words, a folder a word, and of background noise.
    seed : int
    """

    work: Path
    machine: Machine
    words: Path
    noise: Path
    seed: int

    def stream(self, hours: float) -> Path:
        """Words and other words over background noise, about so long."""
        return self._built(max(6, round(3600.0 * hours / WORD_SECONDS)))

    def clip(self, seconds: float) -> Path:
        """The same, shorter."""
        return self._built(max(6, round(seconds / WORD_SECONDS)))

    def _built(self, words: int) -> Path:
        path = self.work / f"sound-{words}.wav"
        if not path.exists():
            others = words // 3
            counts = ("--keywords", str(words - others), "--others", str(others))
            places = ("--data", self.words, "--background", self.noise, "--out", path)
            command = (self.machine.bin / "edgemem", "data", "stream", *places, *counts)
            self.machine.must(*command, "--seed", str(self.seed))
        return path


def samples(path: Path) -> bytes:
    """Raw sound of a wav."""
    with wave.open(str(path), "rb") as file:
        return file.readframes(file.getnframes())


def readme_lines(report: Report, here: Machine, there: Machine, said: Steps) -> None:
    """README's lines, one after the other; what they print is compared with what it is here."""
    for line in said.spoken:
        native, emulated = (machine.run(*machine.shell(line)) for machine in (here, there))
        detail = last(emulated.errors) if emulated.status else ""
        if not emulated.status and (events := events_of(emulated.output)):
            known = events_of(native.output)
            same = len(set(events) & set(known))
            detail = f"{len(events)} events, {same} of them as here ({len(known)} here)"
        report.check(f"README: {line}", native.status == emulated.status == 0, detail)


def verify(report: Report, there: Machine, networks: Sequence[str]) -> None:
    """Golden vectors: within the tolerance by fast kernels, equal by reference kernels."""
    for name in networks:
        for options in ((), ("--reference-kernels",)):
            done = there.run(there.bin / "edgemem", "verify", name, *options, "--json")
            found = json.loads(done.output) if not done.status else {}
            ok = found.get("equal") == 1.0 if options else not done.status
            detail = last(done.errors)
            if found:
                detail = (
                    f"{found['equal']:.2%} of the steps equal, decisions "
                    f"{found['decisions']:.2%}, {found['engine']} on {found['processor']}"
                )
            report.check(" ".join(("edgemem verify", name, *options)), ok, detail)


def about(report: Report, there: Machine, name: str) -> None:
    """What tells of a file, and of the machine."""
    done = there.run(there.bin / "edgemem", "info", name)
    report.check(f"edgemem info {name}", not done.status, last(done.errors))
    if not has(there, "doctor"):
        return
    done = there.run(there.bin / "edgemem", "doctor")
    # no microphone and no clock of its own are right answers here; a traceback is none
    ok = done.status in (0, 1) and "Traceback" not in done.errors
    report.check("edgemem doctor", ok, f"status {done.status}")
    report.facts["edgemem doctor"] = "\n\n" + _indented(done.output)


def has(machine: Machine, command: str) -> bool:
    """Whether the installation has a command of that name."""
    return not machine.run(machine.bin / "edgemem", command, "--help").status


def real_time(report: Report, there: Machine, name: str, clip: Path) -> None:
    """Sound on a pipe as a microphone writes it, and a wav played in real time."""
    known = events_of(there.must(there.bin / "edgemem", "run", name, clip).output)
    command = "listen" if has(there, "listen") else "run"
    words = (there.bin / "edgemem", command, name)
    done = there.paced((*words, "-"), samples(clip))
    _heard(report, f"edgemem {command} {name} -, paced", done.status, done, known)
    if command == "listen":
        done = there.run(*words, clip)
        _heard(report, f"edgemem listen {name} CLIP", done.status, done, known)


def microphone(report: Report, there: Machine, said: Steps) -> None:
    """README's lines for a microphone, which is a file of ALSA's here."""
    for line in said.microphone:
        done = there.until_line(there.shell(line), '"label"', 120.0)
        first = done.output.partition("\n")[0]
        report.check(f"README: {line}", '"label"' in done.output, first or last(done.errors))
    if said.extras:
        report.facts["lines of README that need an extra, not run"] = "; ".join(said.extras)


def fast_kernels(report: Report, here: Machine, there: Machine, name: str, sound: Path) -> None:
    """From sound to events with the kernels that everybody runs: shares, nothing exact."""
    found = _compare(here, *(_hear(machine, name, sound) for machine in (here, there)))
    _row(report, name, "fast", found)
    same = found["events_equal"] + len(found["events_moved"])
    most = max(found["events_here"], found["events_there"])
    ok = most - same <= max(FEW, (1.0 - ALIKE) * most)
    report.check(f"{name}: fast kernels hear the same words", ok, _shares(found))


def reference_kernels(
    report: Report, here: Machine, there: Machine, name: str, sound: Path, seconds: float
) -> None:
    """Reference kernels: from the sound on, and equal in every bit given the same 8-bit inputs."""
    options = ("--reference-kernels", "--seconds", f"{seconds:g}")
    native, emulated = (_hear(machine, name, sound, *options) for machine in (here, there))
    found = _compare(here, native, emulated)
    on_halves = f"{found['halves']} of {found['frames'] * found['width']:,} inputs half-way"
    _row(report, name, f"reference ({on_halves})", found)
    # without an input half-way between two steps there is nothing that could differ
    ok = found["outputs_equal"] == 1.0 or (found["halves"] > 0 and found["features_equal"] == 1.0)
    report.check(f"{name}: reference kernels, from the sound on", ok, _shares(found))
    found = _compare(here, *(_hear(machine, name, native, *options) for machine in (here, there)))
    _row(report, name, "reference, inputs on whole steps", found)
    report.check(f"{name}: reference kernels", found["outputs_equal"] == 1.0, _shares(found))


def fixed(
    report: Report, here: Machine, there: Machine, name: str, sound: Path, seconds: float
) -> None:
    """Integers from the samples on: equal in every bit, events included."""
    file = sound.with_name(f"{name}.fixed")
    here.must(here.bin / "edgemem", "convert", name, "--target", "fixed", "--out", file)
    outs = [_hear(m, str(file), sound, "--seconds", f"{seconds:g}") for m in (here, there)]
    found = _compare(here, *outs)
    _row(report, name, "`fixed`", found)
    same = found["events_equal"] == found["events_here"] == found["events_there"]
    ok = found["features_equal"] == found["outputs_equal"] == 1.0 and same
    report.check(f"{name}: integers of NumPy", ok, _shares(found))


def generated(report: Report, here: Machine, arch: Arch, name: str, sound: Path) -> None:
    """Generated C over the whole recording: label, posteriors and logits of every frame."""
    file = sound.with_name(f"{name}.zip")
    if not file.exists():
        here.must(here.bin / "edgemem", "convert", name, "--target", "c", "--out", file)
    sources = generated_c.unpack(file)
    raw = samples(sound)
    native = generated_c.outputs(generated_c.compile_for("here", sources), raw)
    program = generated_c.compile_for(arch.name, sources)
    emulated = generated_c.outputs(program, raw, arch.emulator)
    detail = f"{len(native):,} bytes of labels, posteriors and logits"
    report.check(f"{name}: generated C", bool(native) and native == emulated, detail)


def counted(
    report: Report, arch: Arch, there: Machine, work: Path, networks: Sequence[str], clip: Path
) -> None:
    """Executed instructions, where a QEMU is installed that counts them."""
    tree = userland.tree_of(arch, work)
    counter = instructions.counter(arch, there, tree, work)
    if counter is None:
        report.facts["instructions"] = "not counted: needs the package qemu-user"
        return
    sound = samples(clip)
    for name in networks:
        program = instructions.command(tree, "run", name, "-")
        frame, rest = counter.per_frame(program, sound)
        generated = work / name / f"every_frame-{arch.name}"
        in_c, _ = counter.per_frame([generated], sound)
        report.row(
            f"Executed {arch.name} instructions",
            network=name,
            **{
                "`edgemem run`, 20 ms of sound": f"{frame:,.0f}",
                "its start": f"{rest:,}",
                "generated C, 20 ms of sound": f"{in_c:,.0f}",
            },
        )


def native_figures(report: Report, here: Machine, name: str, sound: Sound) -> None:
    """Start-up, share of real time and memory of this machine, not of a Pi."""
    edgemem = here.bin / "edgemem"
    clip = sound.clip(20.0)
    listens = has(here, "listen")
    long = sound.stream(1 / 6)
    raw = long.with_suffix(".raw")
    raw.write_bytes(samples(long))
    command = ("listen", name, "-", "--fast") if listens else ("run", name, "-")
    short = [here.must(edgemem, "run", name, clip) for _ in range(5)]
    started = sorted(done.wall for done in short)[2]
    whole = here.must(edgemem, *command, stdin=raw)
    seconds = raw.stat().st_size / 2 / RATE
    piped = (edgemem, command[0], name, "-")
    first = sorted(here.first_line(piped, samples(clip)) for _ in range(5))[2]
    report.row(
        NATIVE,
        network=name,
        **{
            "`edgemem run` of 20 s, s": f"{started:.2f}",
            "from start to an event, sound at once, s": f"{first:.2f}",
            f"`edgemem {command[0]}` of {seconds:.0f} s: CPU s": f"{whole.cpu:.2f}",
            "share of real time": f"{whole.cpu / seconds:.2%}",
            "peak memory, MiB": f"{whole.peak:.0f}",
        },
    )


def _hear(machine: Machine, file: str, sound: Path, *options: str) -> Path:
    """Run hear.py; gives its output, in the folder of ``sound``."""
    tool = sound.with_name("hear.py")
    if not tool.exists():
        shutil.copy2(HERE / "hear.py", tool)
    kind = "".join(options[:1])
    out = sound.with_name(f"{Path(file).name}-{sound.stem}{kind}-{machine.project.name}.npz")
    machine.must(machine.bin / "python", tool, file, sound, out, *options)
    return out


def _compare(here: Machine, *outs: Path) -> dict[str, Any]:
    return dict(json.loads(here.must(here.bin / "python", HERE / "compare.py", *outs).output))


def _row(report: Report, name: str, kernels: str, found: dict[str, Any]) -> None:
    moved = [abs(seconds) for seconds in found["events_moved"]]
    alone = len(found["events_only_here"]) + len(found["events_only_there"])
    report.row(
        AGREEMENT,
        network=name,
        kernels=kernels,
        frames=f"{found['frames']:,}",
        **{
            "features equal": _share(found["features_equal"]),
            "outputs equal": _share(found["outputs_equal"]),
            "last places": f"{found['last_places']:g}",
            "decisions equal": _share(found["decisions_equal"]),
            "events here, there": f"{found['events_here']}, {found['events_there']}",
            "equal": found["events_equal"],
            "at another frame": f"{len(moved)}, by {max(moved):.2f} s at most" if moved else "0",
            "on one side only": alone,
        },
    )


def _share(value: float) -> str:
    """A share in percent, cut off: 100% means that all are equal."""
    return "100%" if value == 1.0 else f"{int(1e4 * value) / 100:.2f}%"


def _shares(found: dict[str, Any]) -> str:
    return (
        f"{found['frames']} frames, outputs {_share(found['outputs_equal'])}, decisions "
        f"{_share(found['decisions_equal'])}, events {found['events_equal']} of "
        f"{found['events_here']} equal, {len(found['events_moved'])} moved"
    )


def events_of(output: str) -> list[tuple[str, float, str]]:
    """File, time and label of the events among lines of JSON."""
    found = []
    for line in output.splitlines():
        if line.startswith("{") and '"label"' in line and '"time"' in line:
            event = json.loads(line)
            found.append((event.get("file", ""), event["time"], event["label"]))
    return found


def _heard(report: Report, what: str, status: int, done: Any, known: Sequence[Any]) -> None:
    """Events must be those that `edgemem run` finds in the file, on the same machine."""
    heard = events_of(done.output)
    detail = f"{len(heard)} events in {done.wall:.1f} s"
    if status or heard != known:
        detail += f": {heard}; `edgemem run` of the file: {known}; {last(done.errors)}"
    report.check(what, status == 0 and heard == known, detail)


def last(text: str) -> str:
    """The last line that a program wrote to standard error, if it tells anything."""
    lines = [line for line in text.splitlines() if not line.startswith("Error in cpuinfo")]
    return lines[-1] if lines else ""


def _indented(text: str) -> str:
    return "\n".join(f"      {line}" for line in text.splitlines())
