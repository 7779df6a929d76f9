"""Names of the parts, the same for who writes a file and who runs it."""

from __future__ import annotations

NETWORK = "spiking.json"
ARRAYS = "spiking.npz"
