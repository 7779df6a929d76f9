"""Whether this machine can listen for weeks, check by check, with remedies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from edgemem.errors import EdgememError, install_command
from edgemem.listen import doctor_machine as machine
from edgemem.listen import doctor_sound as sound
from edgemem.listen.doctor_findings import FAILED, Finding, failed, of_error, ok, warning
from edgemem.listen.doctor_probes import Hearing, Packages, Probes
from edgemem.runtime.packages import NEW, OLD, clash_of, interpreter_package, oldest_glibc

INTERPRETERS = (NEW, OLD, "tensorflow")
"""In the order in which a network looks for them."""


@dataclass(frozen=True)
class Wish:
    """What is to be examined.

    Parameters
    ----------
    file : str
        A converted network, a model, or the name of a pretrained one.
    microphone : bool
        Whether sound is to come from a microphone.
    device, recorder : str, optional
        As ``edgemem listen`` takes them.
    """

    file: str
    microphone: bool = True
    device: str | None = None
    recorder: str | None = None


@dataclass(frozen=True)
class Examination:
    """What was found.

    Parameters
    ----------
    file : str
    findings : tuple of Finding
    """

    file: str
    findings: tuple[Finding, ...]

    @property
    def failed(self) -> bool:
        """Whether something that is needed does not work."""
        return any(finding.level == FAILED for finding in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """The fields, as JSON values."""
        return asdict(self)


def examine(wish: Wish, probes: Probes) -> Examination:
    """Look at everything that listening needs.

    Parameters
    ----------
    wish : Wish
    probes : Probes
        The machine.
    """
    packages = probes.packages()
    findings = [python(probes), interpreter(packages), numpy_version(packages)]
    hearing = None
    if findings[-1].level == FAILED:  # the interpreter would fill the screen
        findings.append(failed("network", "not tried", "mend numpy first"))
    else:
        hearing, found = network(wish.file, probes)
        findings += found
    if wish.microphone:
        blocked = hearing is not None and hearing.dc_blocker
        findings += sound.checks(probes, wish.device, wish.recorder, blocked)
    findings += machine.checks(probes)
    return Examination(wish.file, tuple(findings))


def python(probes: Probes) -> Finding:
    """Which Python on which machine, and whether interpreters are built for it."""
    version, processor, glibc = probes.python()
    shown = f"{'.'.join(map(str, version))} on {processor}"
    if glibc is not None:
        shown += f", glibc {'.'.join(map(str, glibc))}"
        oldest = oldest_glibc(processor)
        if glibc < oldest:
            return warning(
                "python",
                shown,
                f"interpreters for it are built for glibc {'.'.join(map(str, oldest))} and later: "
                "use a newer system, such as Debian 12",
            )
    return ok("python", shown)


def interpreter(packages: Packages) -> Finding:
    """Which TFLite interpreter this Python uses."""
    there = [name for name in INTERPRETERS if name in packages]
    if not there:  # a network of another target needs none
        return warning(
            "interpreter",
            f"none of {', '.join(INTERPRETERS)} is installed",
            f"install one with: {install_command('tflite')}",
        )
    used, *others = there
    shown = f"{used} {packages[used]}"
    return ok("interpreter", shown + (f" (unused: {', '.join(others)})" if others else ""))


def numpy_version(packages: Packages) -> Finding:
    """Whether NumPy and the interpreter go together."""
    version = packages.get("numpy", "")
    clash = clash_of(version) if OLD in packages and NEW not in packages else None
    return ok("numpy", version) if clash is None else failed("numpy", *clash)


BROKEN = (EdgememError, ImportError, OSError, SystemError)
"""What opening a network raises; an interpreter of another machine fails as it is imported."""


def network(file: str, probes: Probes) -> tuple[Hearing | None, Sequence[Finding]]:
    """Whether the network opens, gives what its file says it gives, and how long it takes."""
    try:
        hearing = probes.network(file)
    except BROKEN as error:
        again = f"install it again: pip install --force-reinstall --no-deps {interpreter_package()}"
        return None, [of_error("network", error, again)]
    opened = ok("network", f"{file} runs with {hearing.engine}{_golden(hearing)}")
    return hearing, [opened, loop(hearing)]


def _golden(hearing: Hearing) -> str:
    found = hearing.verification
    if found is None:
        return ""
    return (
        f"; golden vectors: {found.decisions:.0%} of {found.steps} decisions and "
        f"{found.equal:.0%} of the steps equal, distance {found.distance:.2g} of "
        f"{found.allowed:.2g} allowed"
    )


def loop(hearing: Hearing) -> Finding:
    """How much of a processor core hearing takes."""
    shown = f"{hearing.share:.1%} of one core, sound to events"
    smaller = "use a smaller network (edgemem models) or end what else runs here"
    if hearing.share >= 1:
        return failed("cpu share", f"{shown}: slower than sound comes", smaller)
    if hearing.share > 0.3:
        return warning("cpu share", shown, smaller)
    return ok("cpu share", shown)
