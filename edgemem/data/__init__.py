"""Data sets: Speech Commands, folders of words, lists, and features that are already there."""

from edgemem.data.clips import list_clips, read_samples
from edgemem.data.loading import load
from edgemem.data.readers import declared
from edgemem.data.splits import SpeakerRule
from edgemem.data.types import Clip, Clips, Cut, DataSet, Report, Skipped

__all__ = [
    "Clip",
    "Clips",
    "Cut",
    "DataSet",
    "Report",
    "Skipped",
    "SpeakerRule",
    "declared",
    "list_clips",
    "load",
    "read_samples",
]
