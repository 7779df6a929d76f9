"""How an event is written wherever it is told: as fields of a JSON object."""

from __future__ import annotations

from typing import Protocol


class Told(Protocol):
    """What an event says: of a detector, or of the listening loop."""

    @property
    def time(self) -> float: ...

    @property
    def label(self) -> str: ...

    @property
    def score(self) -> float: ...


def event_fields(event: Told) -> dict[str, str | float]:
    """Time to the millisecond, label, and score to four digits."""
    return {
        "time": round(event.time, 3),
        "label": event.label,
        "score": round(event.score, 4),
    }
