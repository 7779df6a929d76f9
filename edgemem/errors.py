"""Errors that edgemem raises on purpose; the command line prints them without a traceback.

A message says what is wrong, what was got, and what is known or how to mend it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

DISTRIBUTION = "edgemem-toolkit"
"""What pip knows this package as; ``edgemem`` is another project's name there."""
NENGO_DL = (
    "pip install 'setuptools<81' wheel && "
    "pip install --no-build-isolation --no-deps nengo-dl==3.6.0"
)
"""How NengoDL is built on every Python: the setuptools that it asks for ends at Python 3.11."""


def install_command(*extras: str) -> str:
    """What a person types to get parts of edgemem that the device install leaves out.

    Parameters
    ----------
    *extras : str
        As in setup.py. Training comes with NengoDL, which pip cannot build by itself.
    """
    command = f"pip install '{DISTRIBUTION}[{','.join(extras)}]'"
    return f"{NENGO_DL} && {command}" if "train" in extras else command


class EdgememError(Exception):
    """Base class of every error that edgemem raises on purpose."""

    def __str__(self) -> str:  # a KeyError would print the repr of its message
        return str(self.args[0]) if self.args else type(self).__name__


class UnknownNameError(EdgememError, KeyError):
    """A name that is not in a list of known names."""

    def __init__(self, what: str, name: str, known: Iterable[str]) -> None:
        super().__init__(f"no {what} named {name!r}; known: {', '.join(sorted(known)) or 'none'}")


def check_known(what: str, names: Iterable[str], known: Collection[str]) -> None:
    """Refuse names that are not ``known``.

    Raises
    ------
    UnknownNameError
        It names the first one and lists the known ones.
    """
    unknown = [name for name in names if name not in known]
    if unknown:
        raise UnknownNameError(what, unknown[0], known)


class UnknownTargetError(UnknownNameError):
    """No installed distribution offers a target of that name."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        super().__init__("target", name, known)


class MissingExtraError(EdgememError, ImportError):
    """A part of edgemem needs a package that the device install leaves out.

    Parameters
    ----------
    what, package, extra : str
    where : str, optional
        Where to install it, if it does not go together with the rest.
    """

    def __init__(self, what: str, package: str, extra: str, where: str = "") -> None:
        super().__init__(
            f"{what} needs the package {package}, which is not installed; "
            f"install it{f' {where}' if where else ''} with: {install_command(extra)}"
        )


class PackageError(EdgememError, ImportError):
    """Two installed packages that do not go together."""


class ConfigError(EdgememError, ValueError):
    """A hyper-parameter or an option has a value that cannot work."""


def refuse_unknown_fields(what: str, values: Iterable[str], known: Iterable[str]) -> None:
    """Refuse names among ``values`` that are not ``known``.

    Raises
    ------
    ConfigError
        It names the first one and lists the known ones.
    """
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise ConfigError(
            f"{what}: unknown field {unknown[0]!r}; known: {', '.join(sorted(known))}"
        )


class ShapeError(EdgememError, ValueError):
    """Two values whose shapes do not meet."""


class GraphError(EdgememError, ValueError):
    """A graph that is not well formed."""


class UnsupportedOpError(EdgememError, ValueError):
    """A target cannot lower one of the graph's ops."""


class ModelError(EdgememError, ValueError):
    """A model file is missing, damaged, or of another format version."""


class ArtefactError(EdgememError, ValueError):
    """A converted file is missing, damaged, or of another format version."""


class PlacementError(EdgememError, ValueError):
    """A network does not fit a chip; the message names the limit that it breaks."""


class ToleranceError(EdgememError, ArithmeticError):
    """A converted form is further from the trained network than its target allows."""


class AudioError(EdgememError, ValueError):
    """Sound that cannot be used: damaged, empty, of another rate or channel count."""


class SoundFormatError(AudioError):
    """Sound that could be heard, were a package there that converts it.

    Parameters
    ----------
    path : path
    what : str
        What it is and what was expected, without a stop.
    remedy : str
        How it can be heard.
    """

    def __init__(self, path: object, what: str, remedy: str) -> None:
        super().__init__(f"{path} {what}; {remedy}")
        self.remedy = remedy


class DeviceError(EdgememError, RuntimeError):
    """A microphone that is not there, or no longer."""


class DataError(EdgememError, ValueError):
    """A data set that cannot be used as asked."""


class ChipOverflowError(EdgememError, OverflowError):
    """A value of an emulated chip left its register."""


class TrainingError(EdgememError, ArithmeticError):
    """Training that cannot go on: NaN, no data, a checkpoint of another run."""


class ClusterError(EdgememError, ConnectionError):
    """A Dask cluster that is not there, or cannot do what it is asked."""


class OutputError(EdgememError, OSError):
    """A file that cannot be written: full disk, read-only folder."""
