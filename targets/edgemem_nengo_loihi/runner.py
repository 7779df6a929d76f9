"""A converted file in NengoLoihi's emulator, built by this package's own code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edgemem.errors import ArtefactError, ShapeError

from .simulator import packages
from .standalone import NETWORK, Simulation, groups, relays, states

if TYPE_CHECKING:
    from edgemem.artefact import Artefact
    from edgemem.target import Features


class NengoLoihiRunner:
    """See :class:`edgemem.target.Runner`.

    The ``__main__.py`` of the file is never run: the arrays are all that is read.

    Parameters
    ----------
    artefact : Artefact

    Raises
    ------
    MissingExtraError, PackageError
        Where NengoLoihi does not run; see :mod:`.simulator`.
    ArtefactError
        If arrays are missing or do not fit together.
    """

    def __init__(self, artefact: Artefact) -> None:
        _, nengo_loihi = packages()
        self.engine = f"nengo-loihi {nengo_loihi.__version__}, emulator"
        self._origin = artefact.origin
        self._arrays = artefact.arrays(NETWORK)
        _check(self._arrays, artefact.origin)
        self.n_in = len(self._arrays["radius"])
        self.n_out = len(self._arrays["output/bias"])
        self._simulation: Any = None

    @property
    def clipped(self) -> int:
        """Input values since the last reset that were beyond the radius."""
        return 0 if self._simulation is None else int(self._simulation.clipped)

    def reset(self) -> None:
        # NengoLoihi's simulator cannot be reset; another one is built with the next step
        if self._simulation is not None:
            self._simulation.close()
        self._simulation = None

    def step(self, x: Features) -> Features:
        if x.shape != (self.n_in,):
            raise ShapeError(f"step: got an input of shape {x.shape}, expected ({self.n_in},)")
        if self._simulation is None:
            self._simulation = self._built()
        return np.asarray(self._simulation.frame(x), np.float32)

    def _built(self) -> Simulation:
        from nengo.exceptions import NengoException

        try:
            return Simulation(self._arrays)
        except (NengoException, AssertionError, ArithmeticError, ValueError) as error:
            raise ArtefactError(
                f"{self._origin}: NengoLoihi cannot build its network ({error}); convert the model "
                "again, with fewer neurons"
            ) from error


def _check(arrays: dict[str, Any], origin: str) -> None:
    """Refuse arrays that are missing, whose sizes do not meet, or that hold no numbers."""
    try:
        for name, (low, high) in _NUMBERS.items():
            if arrays[name].shape != () or not low <= arrays[name] <= high:
                raise ValueError(f"a number {name!r} from {low:g} to {high:g}")
        sizes = {name: arrays[f"{name}/decoders"].shape for name in groups(arrays)}
        fits = arrays["radius"].shape == (sum(sizes[name][0] for name in relays(arrays)),)
        fits &= arrays["output/weights"].shape == (
            len(arrays["output/bias"]),
            sum(size[0] for size in sizes.values()),
        )
        for name, (n, neurons) in sizes.items():
            fits &= arrays[f"{name}/encoders"].shape == (neurons, n)
            fits &= arrays[f"{name}/gain"].shape == arrays[f"{name}/bias"].shape == (neurons,)
        for target in states(arrays):
            for source in sizes:
                transform = arrays[f"transform/{source}/{target}"]
                fits &= transform.shape == (sizes[target][0], sizes[source][0])
        fits &= all(np.isfinite(array).all() for array in arrays.values())
        fits &= bool((arrays["radius"] > 0).all())
    except (KeyError, ValueError, TypeError) as error:
        raise ArtefactError(
            f"{origin}: {NETWORK} lacks {error}; convert the model again"
        ) from error
    if not fits:
        raise ArtefactError(f"{origin}: arrays of {NETWORK} do not fit; convert the model again")


_NUMBERS = {
    "relays": (1, 256),
    "groups": (0, 256),
    "steps": (1, 1 << 16),
    "dt": (1e-6, 1.0),
    "tau": (1e-6, 1e3),
}
"""Arrays of one number, and their ranges."""
