"""A Debian 12 userland of another processor, whose programs run under QEMU.

Nothing of it is executed while it is made: packages are unpacked, not configured. ``proot`` makes
the tree the programs' root and starts each of their children under the emulator too; neither
binfmt_misc nor a privilege is needed. Paths below the work folder are the same on both sides.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pi.machine import Failed, Machine

RELEASE = "bookworm"
PACKAGES = (
    *("bash", "dash", "coreutils", "python3", "python3-venv", "libstdc++6", "ca-certificates"),
    *("alsa-utils",),
)
SOURCES = ("/etc/apt/sources.list", "/etc/apt/sources.list.d/debian.sources")
MICROPHONE = "microphone"
PACED = Path(__file__).with_name("paced_arecord.py")
WITHOUT_STATX = Path(__file__).with_name("without_statx.py")
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1"}
"""As edgemem's own command has it."""
LENT = ("/dev", "/proc", "/sys", "/etc/resolv.conf", "/etc/hosts", "/etc/ssl", "/etc/localtime")
"""What the userland borrows of this machine; without ``/sys`` XNNPACK finds no processor."""


@dataclass(frozen=True)
class Arch:
    """A processor architecture of Debian's.

    Parameters
    ----------
    name : str
        What Debian calls it.
    emulator : tuple of str
        The command that runs its programs.
    board : str
        Whose processor is shown in ``/proc/cpuinfo``.
    cpuinfo : tuple of str
        Lines of each of its four cores there.
    packages : tuple of str
        Packages beyond those that every architecture needs.
    venv_options : tuple of str
    library_path : str
        ``LD_LIBRARY_PATH`` in it.
    """

    name: str
    emulator: tuple[str, ...]
    board: str
    cpuinfo: tuple[str, ...]
    packages: tuple[str, ...] = ()
    venv_options: tuple[str, ...] = ()
    library_path: str = ""


_CORTEX_A72 = (
    "CPU implementer\t: 0x41",
    "CPU architecture: 8",
    "CPU variant\t: 0x0",
    "CPU part\t: 0xd08",
    "CPU revision\t: 3",
)
_LIB32 = "/usr/lib/arm-linux-gnueabihf"
ARCHES = {
    "arm64": Arch(
        "arm64",
        ("qemu-aarch64-static", "-cpu", "cortex-a72"),
        "Raspberry Pi 4 Model B Rev 1.4",
        ("Features\t: fp asimd evtstrm crc32 cpuid", *_CORTEX_A72),
    ),
    # PyPI has no NumPy for armv7: it is Debian's, and its alternatives are not set up
    "armhf": Arch(
        "armhf",
        ("qemu-arm-static",),
        "Raspberry Pi 4 Model B Rev 1.4",
        (
            "Features\t: half thumb fastmult vfp edsp neon vfpv3 tls vfpv4 idiva idivt vfpd32 "
            "lpae evtstrm crc32",
            *_CORTEX_A72,
        ),
        packages=("python3-numpy", "libatomic1"),
        venv_options=("--system-site-packages",),
        library_path=f"{_LIB32}/blas:{_LIB32}/lapack",
    ),
}


def missing_tools(arch: Arch) -> list[str]:
    """Programs that are not installed."""
    tools = ("mmdebstrap", "proot", arch.emulator[0])
    return [tool for tool in tools if shutil.which(tool) is None]


def make(arch: Arch, work: Path, project: Path) -> Machine:
    """Unpack a userland.

    Parameters
    ----------
    arch : Arch
    work : Path
        Folder that both sides see; the tree is made in it.
    project : Path
        Copy of the project, below ``work``.

    Raises
    ------
    Failed
        If the packages cannot be had.
    """
    tree = tree_of(arch, work)
    _unpack(arch, tree)
    _show_board(arch, tree)
    environment, lent = pip_settings()
    environment.update(_proxies(), **ONE_THREAD)
    # no, do not compile: pip reads the value of a negative option as that of the positive one
    environment["PIP_NO_COMPILE"] = "0"
    path = f"{work / MICROPHONE}:/usr/bin:/bin"
    environment.update(HOME=str(work), PATH=path, LANG="C.UTF-8", TMPDIR=str(work))
    environment.update(ALSA_CONFIG_PATH=str(work / "asound.conf"))
    if arch.library_path:
        environment["LD_LIBRARY_PATH"] = arch.library_path
    bound = [place for place in (*LENT, *lent) if Path(place).exists()]
    prefix = [
        sys.executable,
        "-S",
        str(WITHOUT_STATX),
        "proot",
        "-q",
        shlex.join(arch.emulator),
        "-r",
        str(tree),
    ]
    for place in [*bound, f"{tree}/cpuinfo:/proc/cpuinfo", str(work)]:
        prefix += ["-b", place]
    prefix += ["-w", str(project)]
    return Machine(
        f"{arch.name} under QEMU",
        project,
        tuple(prefix),
        environment,
        venv_options=arch.venv_options,
    )


def lend_microphone(work: Path, sound: bytes) -> None:
    """Let ALSA's microphone in a userland be a file of raw sound, which starts again at its end.

    It is paced by what stands before ``arecord`` in the path.
    """
    (work / MICROPHONE).mkdir()
    shutil.copy2(PACED, work / MICROPHONE / "arecord")
    (work / "microphone.raw").write_bytes(sound)
    (work / "asound.conf").write_text(
        "</usr/share/alsa/alsa.conf>\n"
        f'pcm.file {{ type file slave.pcm "null" file "/dev/null" infile '
        f'"{work}/microphone.raw" format "raw" }}\n'
        'pcm.!default { type plug slave.pcm "file" }\n'
    )


def tree_of(arch: Arch, work: Path) -> Path:
    """Where a userland lies."""
    return work / f"{arch.name}-tree"


def pip_settings() -> tuple[dict[str, str], list[str]]:
    """How pip is set up here: as variables, with the files and folders that they name."""
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False
    )
    variables: dict[str, str] = {}
    for line in listed.stdout.splitlines():
        name, _, value = line.partition("=")
        section, _, key = name.rpartition(".")
        if section in (":env:", "global", "install"):
            variables.setdefault(f"PIP_{key.upper().replace('-', '_')}", shlex.split(value)[0])
    words = [word for value in variables.values() for word in value.split()]
    # pages of an index in a folder link to packages beside it: ../../files/NAME.whl
    paths = [
        str(Path(word.removeprefix("file://")).parent) if word.startswith("file:///") else word
        for word in words
    ]
    return variables, [path for path in paths if path.startswith("/")]


def _unpack(arch: Arch, tree: Path) -> None:
    command = ["mmdebstrap", "--quiet", "--variant=extract", f"--architectures={arch.name}"]
    command += ["--skip=check/qemu", f"--include={','.join((*PACKAGES, *arch.packages))}"]
    for entries in _sources():
        shutil.rmtree(tree, ignore_errors=True)
        given = ["-"] if entries else []
        done = subprocess.run(
            [*command, RELEASE, str(tree), *given],
            input=entries,
            capture_output=True,
            text=True,
            check=False,
        )
        if not done.returncode:
            return
    said = [line for line in done.stderr.splitlines() if line.startswith("E: ")]
    raise Failed(f"mmdebstrap cannot have packages for {arch.name}: {' '.join(said[:1])}")


def _sources() -> Iterator[str]:
    """Where packages come from, as apt writes it; empty for mmdebstrap's own choice.

    It is where this machine has them, if it is of the same release. A mirror's index of security
    updates may lag behind; then the release as it was made has to do.
    """
    release = Path("/etc/os-release")
    named = [source for source in map(Path, SOURCES) if source.exists()]
    same = release.exists() and f"VERSION_CODENAME={RELEASE}" in release.read_text()
    if not same or not named:
        yield ""
        return
    text = named[0].read_text(encoding="utf-8")
    between = "\n\n" if named[0].suffix == ".sources" else "\n"
    yield text
    yield between.join(part for part in text.split(between) if "-security" not in part)


def _proxies() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.lower().endswith("_proxy")}


def _show_board(arch: Arch, tree: Path) -> None:
    """Interpreters look at what the kernel says of the processor."""
    cores = ["\n".join((f"processor\t: {core}", *arch.cpuinfo, "")) for core in range(4)]
    (tree / "cpuinfo").write_text("\n".join([*cores, f"Model\t\t: {arch.board}", ""]))
    system = tree / "sys/devices/system/cpu"
    system.mkdir(parents=True)
    for name in ("possible", "present", "online"):
        (system / name).write_text("0-3\n")
    (system / "kernel_max").write_text("255\n")
    for folder in ("proc", "dev"):
        (tree / folder).mkdir(exist_ok=True)
