"""Names of the parts, the same for who writes a file and who runs it."""

from __future__ import annotations

PROGRAM = "program.json"
ARRAYS = "program.npz"
