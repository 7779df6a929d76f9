"""The trained networks that come with the package, by name."""

from __future__ import annotations

from pathlib import Path

from edgemem.errors import UnknownNameError

FOLDER = Path(__file__).parent

MODEL = ".model"
"""Ending of a trained model."""

CONVERTED = ".tflite"
"""Ending of the int8 file that was made from it."""


def names(folder: Path = FOLDER) -> tuple[str, ...]:
    """Names of the pretrained networks, in alphabetical order."""
    return tuple(sorted({p.stem for p in folder.iterdir() if p.suffix in (MODEL, CONVERTED)}))


def resolve(name_or_path: str | Path, suffix: str = CONVERTED, folder: Path = FOLDER) -> Path:
    """The file that a person means.

    Parameters
    ----------
    name_or_path : str or path
        A file, or the name of a pretrained network; a file comes first.
    suffix : str
        Which file of a pretrained network: ``MODEL`` or ``CONVERTED``.
    folder : path
        Where the pretrained networks are.

    Raises
    ------
    UnknownNameError
        If it is neither; the message lists the names.
    """
    path = Path(name_or_path)
    if path.exists() and not path.is_dir():
        return path
    if str(name_or_path) in names(folder):
        named = folder / f"{name_or_path}{suffix}"
        if named.is_file():
            return named
    known = [name for name in names(folder) if (folder / f"{name}{suffix}").is_file()]
    raise UnknownNameError(f"{suffix} file or pretrained network", str(name_or_path), known)


def summary(name: str, folder: Path = FOLDER) -> str:
    """First line of prose of a network's model card; empty without a card."""
    card = folder / f"{name}.md"
    if not card.is_file():
        return ""
    lines = (line.strip() for line in card.read_text(encoding="utf-8").splitlines())
    return next((line for line in lines if line and not line.startswith("#")), "")
