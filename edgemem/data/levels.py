"""At which level the folders of words are: below a folder for each split, or in another folder."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

BACKGROUND = ("_background_noise_", "background_noise")
SPLIT_FOLDERS = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
}
"""Names of folders that are splits where all folders are called so and hold folders of words."""


def split_folders(names: Iterable[str]) -> dict[str, str]:
    """Which folders are splits.

    Parameters
    ----------
    names : iterable of str
        Labelled files.

    Returns
    -------
    dict of str to str
        Split of each folder; empty where the folders are words.
    """
    paths = [path for path in _paths(names) if path[0] not in BACKGROUND]
    tops = {path[0] for path in paths}
    if not tops or not all(top.lower() in SPLIT_FOLDERS for top in tops):
        return {}
    if not all(len(path) > 1 for path in paths):
        return {}
    return {top: SPLIT_FOLDERS[top.lower()] for top in tops}


def meant(root: Path, names: Iterable[str]) -> Path | None:
    """The folder that was probably meant where ``root`` holds one folder of files.

    It is the nearest one below ``root`` that holds several folders; None if there is none.
    """
    paths = [path for path in _paths(names) if not set(path) & set(BACKGROUND)]
    depth = 0
    while paths and all(len(path) > depth for path in paths):
        here = {path[depth] for path in paths}
        if len(here) > 1:
            return root.joinpath(*paths[0][:depth]) if depth else None
        depth += 1
    return None


def _paths(names: Iterable[str]) -> list[Sequence[str]]:
    """Folders of each file that is in one."""
    return [tuple(name.split("/")[:-1]) for name in names if "/" in name]
