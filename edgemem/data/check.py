"""What would be read of a data set, and what would not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgemem.data.layouts import DEFAULT_SPEAKER
from edgemem.data.protocols import SILENCE
from edgemem.data.selection import check_complete, few_notes, silence_count, words_of
from edgemem.data.source import open_source
from edgemem.data.splits import SpeakerRule
from edgemem.data.stores import open_store
from edgemem.data.survey import Longer, Survey
from edgemem.data.types import SPLITS, Clip, Report, Skipped
from edgemem.runtime.crop import Crop

if TYPE_CHECKING:
    from edgemem.frontend import FrontEnd


@dataclass(frozen=True)
class Summary:
    """A data set in numbers.

    Parameters
    ----------
    layout : str
        How the files lie.
    kind : str
        What they are: sound, picture or array.
    protocol : str
        Name of the protocol.
    labels : tuple of str
        Class order.
    splits : dict of str to dict of str to int
        Number of usable clips by split and label.
    silence : dict of str to int
        Number of silence clips, by split, that background noise has to give.
    background : int
        Number of usable files of background noise.
    report : Report
        What was read and what was skipped.
    longer : Longer, optional
        Recordings that lose something; None where there are none.
    """

    layout: str
    kind: str
    protocol: str
    labels: tuple[str, ...]
    splits: dict[str, dict[str, int]]
    silence: dict[str, int]
    background: int
    report: Report
    longer: Longer | None = None

    def to_dict(self) -> dict[str, Any]:
        """The numbers, as JSON values."""
        return {
            "layout": self.layout,
            "kind": self.kind,
            "protocol": self.protocol,
            "labels": list(self.labels),
            "splits": self.splits,
            "silence": self.silence,
            "background": self.background,
            "read": self.report.read,
            "skipped": {item.name: item.reason for item in self.report.skipped},
            "missing": list(self.report.missing),
            "notes": list(self.report.notes),
            "longer": None if self.longer is None else asdict(self.longer),
        }


def check(
    root: Path,
    protocol: str | None = None,
    frontend: FrontEnd | None = None,
    *,
    background: Path | None = None,
    speaker: SpeakerRule = DEFAULT_SPEAKER,
    seconds: float = 1.0,
    center: bool = False,
    seed: int = 0,
) -> Summary:
    """Open every file of a data set once and say what :func:`edgemem.data.load` would use.

    The parameters are those of :func:`edgemem.data.load`.

    Raises
    ------
    DataError
        If the set cannot be used at all, or not by itself.
    """
    crop = Crop(seconds, center)
    source = open_source(root, protocol, frontend, background, speaker, crop)
    check_complete(source.root, source.found, source.protocol)
    store = open_store(source, None, None)
    survey = Survey(crop, source.frontend.sample_rate)
    splits: dict[str, dict[str, int]] = {}
    silence: dict[str, int] = {}
    report = source.report
    usable = 0
    for split in SPLITS:
        noise = source.pieces(split)
        dead = store.check(noise)
        usable += len(noise) - len(dead)
        report = report + _report(noise, dead)
        clips, left_out = words_of(source.found, source.protocol, split, seed)
        bad = store.check(clips)
        if source.found.kind == "sound":
            survey.look(clip for position, clip in enumerate(clips) if position not in bad)
        good = [clip for position, clip in enumerate(clips) if position not in bad]
        counts = Counter(clip.label for clip in good)
        splits[split] = {name: counts[name] for name in source.protocol.labels if counts[name]}
        silence[split] = 0 if split == "train" else silence_count(source.protocol, good)
        made = [clip.label for clip in good] + [SILENCE] * silence[split]
        few = Report(notes=few_notes(source.protocol, split, made))
        report = report + left_out + _report(clips, bad) + few
    longer = survey.longer()
    return Summary(
        layout=source.found.layout,
        kind=source.found.kind,
        protocol=source.protocol.name,
        labels=source.protocol.labels,
        splits=splits,
        silence=silence,
        background=usable + len(source.recordings),
        report=report + Report(notes=survey.notes(longer)),
        longer=longer,
    )


def _report(clips: Sequence[Clip], bad: Mapping[int, str]) -> Report:
    skipped = tuple(Skipped(clips[p].name, reason) for p, reason in sorted(bad.items()))
    return Report(len(clips) - len(bad), skipped)
