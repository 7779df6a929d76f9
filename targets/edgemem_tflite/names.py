"""Names in the signature, the same for who writes a file and who runs it."""

from __future__ import annotations

SIGNATURE = "serving_default"

INPUT = "x"
OUTPUT = "y"

NEXT = ".next"
"""Ending of the name under which a state comes back."""
