"""The folder of a sweep: what it is, its trials, its best model."""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgemem.errors import ConfigError, OutputError
from edgemem.files import sweep, write_atomic
from edgemem.reading import DamageError, read_bytes, read_json
from edgemem.shapes import TEXT, Record

PLAN = "sweep.json"
LOCK = "lock"

_KNOWN = Record({"id": TEXT}, more=True)
_LONGEST = 200


@dataclass(frozen=True)
class Folder:
    """Where a sweep keeps what it has.

    Parameters
    ----------
    path : Path
    id : str
        Of this sweep alone: by it a machine elsewhere knows whether it sees the same folder.
    """

    path: Path
    id: str

    @property
    def database(self) -> Path:
        return self.path / "study.sqlite"

    @property
    def best(self) -> Path:
        return self.path / "best.model"

    @property
    def table(self) -> Path:
        return self.path / "trials.csv"

    @property
    def parallel(self) -> Path:
        return self.path / "parallel.png"

    @property
    def pareto(self) -> Path:
        return self.path / "pareto.png"

    def trial(self, number: int) -> Path:
        """The folder of a trial."""
        return trial_folder(self.path, number)

    def remove(self, number: int) -> None:
        """Take away all that a trial left."""
        shutil.rmtree(self.trial(number), ignore_errors=True)


def trial_folder(path: Path, number: int) -> Path:
    """The folder of a trial within that of a sweep."""
    return path / "trials" / str(number)


@contextmanager
def opened(path: Path, plan: Mapping[str, Any]) -> Iterator[Folder]:
    """The folder of a sweep, new or gone on with, for this process alone.

    Parameters
    ----------
    path : Path
    plan : mapping
        What the sweep is, as JSON values. A folder is gone on with by the same plan only.

    Raises
    ------
    ConfigError
        If the folder is of another sweep.
    OutputError
        If it cannot be written, or another process sweeps there.
    """
    file = path / PLAN
    if not file.exists() and (path / "study.sqlite").exists():
        raise ConfigError(
            f"{path} holds a study.sqlite but no {PLAN}, which says what it is a sweep of; "
            "choose another --out"
        )
    with locked(path, f"cannot sweep in {path}: another process does; choose another --out"):
        sweep(path)
        if not file.exists():
            new = {"id": uuid.uuid4().hex, **plan}
            write_atomic(file, json.dumps(new, indent=1).encode())
        found = _read(file)
        changed = [
            f"{key} was {_shown(found.get(key))}, now {_shown(value)}"
            for key, value in plan.items()
            if found.get(key) != value
        ]
        if changed:
            raise ConfigError(
                f"{path} holds another sweep: {'; '.join(changed)}; go on with what it was "
                "started with, or choose another --out"
            )
        yield Folder(path, str(found["id"]))


def is_of(path: Path, own: str) -> bool:
    """Whether ``path``, as this machine sees it, is the folder of that sweep."""
    try:
        return bool(_plan(path / PLAN)["id"] == own)
    except (DamageError, OSError):
        return False


@contextmanager
def locked(path: Path, refusal: str = "") -> Iterator[None]:
    """Hold a folder for this process; with nothing to say in refusal, wait for it.

    The system lets go of it with the process, however that ends.

    Raises
    ------
    OutputError
        ``refusal``, if another process holds it; or if the folder cannot be written.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        file = (path / LOCK).open("wb")
    except OSError as error:
        raise OutputError(
            f"cannot write into {path}: {error.strerror or error}; choose a folder with write "
            "access"
        ) from error
    with file:
        _lock(file, refusal)
        yield


def _lock(file: Any, refusal: str) -> None:
    try:
        import fcntl
    except ImportError:  # not on Windows
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | (fcntl.LOCK_NB if refusal else 0))
    except OSError:
        raise OutputError(refusal or f"cannot lock {file.name}") from None


def _read(file: Path) -> dict[str, Any]:
    try:
        return _plan(file)
    except (DamageError, OSError) as error:
        raise ConfigError(f"{file} is damaged ({error}); choose another --out") from error


def _plan(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = read_json(read_bytes(file))
    _KNOWN.check(found, "the plan")
    return found


def _shown(value: Any) -> str:
    text = json.dumps(value)
    if isinstance(value, list):
        text = json.dumps(" ".join(map(str, value)))[1:-1]
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
