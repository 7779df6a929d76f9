"""A scene as feature frames: powers of the bands added up."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edgemem.data.scenes.levels import envelope
from edgemem.data.scenes.material import Material
from edgemem.data.scenes.noise import Ring
from edgemem.data.scenes.schedule import GRID, Scene
from edgemem.errors import DataError
from edgemem.frontend import FrontEnd
from edgemem.frontend.powers import band_features, band_powers, from_decibels, mean_square


class FeatureRenderer:
    """Renders any part of a scene as single frames.

    What two sounds have in common (the cross term, whose mean is zero) is left out, and so is what
    a clip's first and last frame would share with the sound beside it.

    Parameters
    ----------
    scene : Scene
    material : Material

    Raises
    ------
    DataError
        If the features are no log-mel features, or their hop is not the grid of a scene.
    """

    def __init__(self, scene: Scene, material: Material) -> None:
        frontend = material.frontend
        if frontend.kind != "logmel" or frontend.hop_length != GRID:
            raise DataError(
                f"scenes of features need log-mel frames every {GRID} samples; got {frontend.kind} "
                f"every {frontend.hop_length}: use recordings"
            )
        self.scene = scene
        self.material = material
        self._rings = [_ring_powers(ring, frontend) for ring in material.rings]

    def render(self, first: int, last: int) -> npt.NDArray[np.float32]:
        """Frames ``first`` to ``last``: (last - first, n_bands) features."""
        frontend = self.material.frontend
        out = np.zeros((last - first, frontend.n_bands), np.float32)
        for stretch in self.scene.between(first * GRID, last * GRID):
            start, end = max(first, stretch.start // GRID), min(last, stretch.end // GRID)
            frames = np.arange(start, end)
            ring = self._rings[stretch.recording]
            noise = ring[(stretch.offset // GRID + frames - stretch.start // GRID) % len(ring)]
            level = envelope(
                stretch, self.material.rings[stretch.recording], self.power, frames * GRID
            )
            out[start - first : end - first] += noise * np.square(level, dtype=np.float32)[:, None]
            for word in stretch.words:
                self._say(out, first, word.start // GRID, word.clip, word.gain)
        return band_features(out, frontend)

    def power(self, clip: int) -> float:
        """Mean square of a clip, full scale being 1."""
        return float(mean_square(self._powers(clip), self.material.frontend).mean())

    def _powers(self, clip: int) -> npt.NDArray[np.float32]:
        return band_powers(self.material.features[clip], self.material.frontend)

    def _say(
        self, out: npt.NDArray[np.float32], first: int, at: int, clip: int, gain: float
    ) -> None:
        low, high = max(at, first), min(at + self.material.features.shape[1], first + len(out))
        if low < high:
            powers = self._powers(clip)[low - at : high - at]
            out[low - first : high - first] += powers * from_decibels(gain)


def _ring_powers(ring: Ring, frontend: FrontEnd) -> npt.NDArray[np.float32]:
    """Powers of the bands over one turn of a ring, (len(ring) / grid, n_bands)."""
    turn = ring.take(0, len(ring) + frontend.frame_length - GRID)
    return band_powers(frontend.features(np.rint(turn).astype(np.int16)), frontend)
