"""A data set that was looked at and not yet read: the part that training and evaluation share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgemem.data.background import Recording, pieces, recordings_of
from edgemem.data.layouts import DEFAULT_SPEAKER, SOUND, Inventory, inventory
from edgemem.data.protocols import SILENCE, Protocol, default_name, protocol_for
from edgemem.data.readers import frontend_of
from edgemem.data.splits import SpeakerRule
from edgemem.data.types import Clip, Report
from edgemem.errors import ConfigError, DataError
from edgemem.runtime.crop import SECOND, Crop

if TYPE_CHECKING:
    from edgemem.frontend import FrontEnd


@dataclass(frozen=True)
class Source:
    """A data set that was looked at and not yet read.

    Parameters
    ----------
    root : Path
        Where it is.
    found : Inventory
        Its files.
    protocol : Protocol
        Labels.
    frontend : FrontEnd
        Front end, with ``stack == 1``.
    crop : Crop
        What is kept of a recording.
    recordings : tuple of Recording
        Background noise that pieces are cut from.
    report : Report
        What was left out so far.
    """

    root: Path
    found: Inventory
    protocol: Protocol
    frontend: FrontEnd
    crop: Crop
    recordings: tuple[Recording, ...]
    report: Report

    @property
    def n_samples(self) -> int:
        """Length of a clip."""
        return self.crop.n_samples(self.frontend.sample_rate)

    def pieces(self, split: str) -> list[Clip]:
        """Finished pieces of background noise that belong to ``split``."""
        if self.found.kind == "sound":
            return []
        paths = pieces(self.found.background, split)
        return [Clip(path, SILENCE, path.relative_to(self.root).as_posix()) for path in paths]


def open_source(
    root: Path | str,
    protocol: str | None,
    frontend: FrontEnd | None,
    background: Path | None,
    speaker: SpeakerRule = DEFAULT_SPEAKER,
    crop: Crop = SECOND,
) -> Source:
    """Look at a data set: layout, protocol, front end, background noise.

    The arguments are those of :func:`edgemem.data.load`.

    Raises
    ------
    ConfigError
        If clips are shorter than a frame, or features are to be cut around their energy.
    DataError
        If it cannot be used at all.
    """
    root = Path(root)
    found = look(root, speaker)
    frontend = frontend_of(root, found.kind, frontend)
    if frontend.n_frames(crop.n_samples(frontend.sample_rate)) < 1:
        raise ConfigError(f"clips of {crop.seconds} s are shorter than one frame of the front end")
    if crop.center and found.kind != "sound":
        raise ConfigError(
            f"{root} holds {found.kind} features, which are not cut around their energy; say "
            "--no-center"
        )
    noise = list(found.background) if found.kind == "sound" else []
    noise += sounds(background) if background is not None else []
    recordings, report = recordings_of(noise, frontend.sample_rate)
    silence = bool(recordings) or (found.kind != "sound" and bool(found.background))
    chosen = protocol_for(protocol or default_name(found.words), found.words, silence=silence)
    report = found.report + report
    return Source(root, found, chosen, frontend, crop, tuple(recordings), report)


def look(root: Path, speaker: SpeakerRule) -> Inventory:
    """List the files of a data set, whatever its layout."""
    if root.suffix == ".npz" and root.is_file():
        from edgemem.data.archive import open_archive

        return open_archive(root)[0]
    return inventory(root, speaker)


def sounds(folder: Path) -> list[Path]:
    """Recordings in a folder of background noise.

    Raises
    ------
    DataError
        If there are none.
    """
    paths = sorted(path for path in Path(folder).rglob("*") if path.suffix.lower() in SOUND)
    if not paths:
        raise DataError(
            f"no recordings of background noise under {folder}; expected wav, FLAC or another "
            "kind of sound file"
        )
    return paths
