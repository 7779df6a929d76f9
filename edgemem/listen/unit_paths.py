"""What a service must be able to read, and whether it will."""

from __future__ import annotations

import os
import site
import stat
import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path

from edgemem.errors import ConfigError

HIDDEN = ("/home", "/root", "/run/user", "/tmp", "/var/tmp")
"""What a hardened service does not see of the machine's own folders."""

PACKAGES = ("edgemem", "numpy", "click")


def program() -> tuple[str, ...]:
    """The words that run edgemem as it is installed here.

    Raises
    ------
    ConfigError
        If it is installed for one user alone: another does not find it.
    """
    own = site.getusersitepackages()
    if Path(__file__).is_relative_to(own):
        raise ConfigError(
            f"edgemem is installed for one user alone, in {own}, where a service does not look; "
            "install it in a virtual environment, such as /opt/edgemem"
        )
    script = Path(sysconfig.get_path("scripts")) / "edgemem"
    return (str(script),) if script.is_file() else (sys.executable, "-m", "edgemem.cli")


def installation() -> tuple[str, ...]:
    """Folders that hold Python, edgemem, and what edgemem has imported so far."""
    real = Path(sys.executable).resolve().parents[1]
    modules = (
        module
        for name, module in list(sys.modules.items())
        if "." not in name and (name in PACKAGES or name.startswith("edgemem_"))
    )
    folders = {
        Path(file).resolve().parent
        for file in (getattr(module, "__file__", None) for module in modules)
        if file
    }
    return tuple(sorted({sys.prefix, sys.base_prefix, str(real), *map(str, folders)}))


def bound(paths: Iterable[str], hidden: Iterable[str]) -> tuple[str, ...]:
    """Those of ``paths`` that a service would not see by itself, without those inside of others.

    Parameters
    ----------
    paths, hidden : iterable of str
        Absolute.
    """
    places = tuple(hidden)
    inside = {path for path in paths if any(_within(path, place) for place in places)}
    outer = (p for p in inside if not any(_within(p, other) for other in inside - {p}))
    return tuple(sorted(outer))


def check_readable(paths: Iterable[str], hidden: Iterable[str]) -> None:
    """Refuse what an account without any rights of its own could not read.

    Parameters
    ----------
    paths, hidden : iterable of str
        Absolute. The folders above a path in ``hidden`` do not count: it is bound by itself.

    Raises
    ------
    ConfigError
        It says how to allow it.
    """
    places = tuple(hidden)
    for path in paths:
        alone = any(_within(path, place) for place in places)
        for step in (path,) if alone else (path, *map(str, Path(path).parents)):
            mode = os.stat(step).st_mode  # noqa: PTH116 - it may be a FIFO
            needed = 0o004 if step == path and not stat.S_ISDIR(mode) else 0o001
            if not mode & needed:
                right = "o+r" if needed == 0o004 else "o+rx"
                raise ConfigError(
                    f"the service could not read {path}: {step} is closed to other accounts; "
                    f"allow it (chmod {right} {step}), move the file, or name an account with "
                    "--user"
                )


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")
