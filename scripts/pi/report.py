"""What a run found: checks that hold or not, facts, tables."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Report:
    """Findings, in the order in which they came.

    Parameters
    ----------
    checks : list of dict
        ``what``, ``ok``, ``detail``.
    tables : dict
        Rows (dicts of the same keys) by title.
    facts : dict
    """

    checks: list[dict[str, Any]] = field(default_factory=list)
    tables: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        return all(check["ok"] for check in self.checks)

    def check(self, what: str, ok: bool, detail: str = "") -> None:
        """Note whether something holds, and say so at once."""
        self.checks.append({"what": what, "ok": bool(ok), "detail": detail})
        sign = "ok" if ok else "NOT"
        print(f"{sign:4}{what}{': ' if detail else ''}{detail}", file=sys.stderr, flush=True)

    def row(self, table: str, **values: Any) -> None:
        """Add a row to a table."""
        self.tables.setdefault(table, []).append(values)

    def text(self) -> str:
        """Everything, in Markdown."""
        parts = [f"- {name}: {value}" for name, value in self.facts.items()]
        lines = ["\n".join(parts)]
        for title, rows in self.tables.items():
            lines.append(f"## {title}\n\n{_markdown(rows)}")
        held = sum(check["ok"] for check in self.checks)
        lines.append(f"{held} of {len(self.checks)} checks hold")
        lines += [f"NOT {c['what']}: {c['detail']}" for c in self.checks if not c["ok"]]
        return "\n\n".join(lines)

    def to_json(self) -> str:
        """Everything, as one JSON object."""
        found = {"facts": self.facts, "tables": self.tables, "checks": self.checks}
        return json.dumps({**found, "ok": self.ok}, indent=1)


def _markdown(rows: Sequence[dict[str, Any]]) -> str:
    heads = list(rows[0])
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    lines += [f"| {' | '.join(str(row[head]) for head in heads)} |" for row in rows]
    return "\n".join(lines)
