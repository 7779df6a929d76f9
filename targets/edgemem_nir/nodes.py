"""What each kind of node computes in one step of forward Euler."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from edgemem.errors import ConfigError
from edgemem.ops import Array

from .network import DEFAULTS, Node

Values = Mapping[str, Array]

SPARSE = 0.05
"""With a smaller share of entries that are not zero, a matrix times one vector goes by entries."""


class Meaning(Protocol):
    """A node at work: arrays of shape (..., n), the axes before the last being batch."""

    def reset(self) -> None:
        """Back to the zero state."""
        ...

    def step(self, x: Array) -> Array:
        """What the node gives once ``x`` has acted on it for one step."""
        ...


def meaning(name: str, node: Node, dt: float) -> Meaning:
    """The node's equations at a step of ``dt`` seconds.

    Raises
    ------
    ConfigError
        If forward Euler would diverge, ``dt`` being more than twice a time constant.
    """
    values: dict[str, Array] = {
        key: np.full(1, value) for key, value in DEFAULTS.get(node.kind, {}).items()
    }
    for key, given in node.values.items():
        array = np.asarray(given, np.float64)
        values[key] = array if array.ndim == 2 else array.reshape(-1)
    for key in ("tau", "tau_syn", "tau_mem"):
        shortest = float(np.min(values.get(key, np.inf)))
        if dt > 2 * shortest * (1 + 1e-6):
            raise ConfigError(
                f"a step of {dt:g} s is more than twice {key} of node {name!r} ({shortest:g} s), "
                "so that forward Euler diverges; take a smaller dt"
            )
    return _MEANINGS[node.kind](values, dt)


class Static:
    """A node without memory."""

    def __init__(self, values: Values, dt: float) -> None:
        self.values = values

    def reset(self) -> None:
        pass

    def step(self, x: Array) -> Array:
        return x


class Affine(Static):
    """``y = W x + b``."""

    def __init__(self, values: Values, dt: float) -> None:
        super().__init__(values, dt)
        weight = values["weight"]
        filled = np.count_nonzero(weight, axis=1)
        self._sparse = filled.sum() < SPARSE * weight.size and bool(filled.all())
        rows, self._columns = np.nonzero(weight)
        self._entries = weight[rows, self._columns]
        self._starts = np.cumsum(filled) - filled

    def step(self, x: Array) -> Array:
        weight = self.values["weight"]
        # zeros before the start have one element
        x = np.broadcast_to(x, (*x.shape[:-1], weight.shape[1]))
        if self._sparse and x.ndim == 1:
            y = np.add.reduceat(x[self._columns] * self._entries, self._starts)
        else:
            y = x @ weight.T
        return y + self.values["bias"] if "bias" in self.values else y


class Scale(Static):
    """``y = s * x``."""

    def step(self, x: Array) -> Array:
        return x * self.values["scale"]


class Threshold(Static):
    """``z = 1`` where ``x > threshold``."""

    def step(self, x: Array) -> Array:
        return _spikes(x > self.values["threshold"])


class Integrator:
    """``dv/dt = R x``; gives ``v`` after the step."""

    def __init__(self, values: Values, dt: float) -> None:
        self._gain = dt * values["r"]
        self.reset()

    def reset(self) -> None:
        self._v: Array = np.zeros(1)

    def step(self, x: Array) -> Array:
        self._v = self._v + self._gain * x
        return self._v


class LeakyIntegrator:
    """``tau dv/dt = (v_leak - v) + R x``; gives ``v`` after the step."""

    def __init__(self, values: Values, dt: float) -> None:
        self._rate, self._r, self._leak = dt / values["tau"], values["r"], values["v_leak"]
        self.reset()

    def reset(self) -> None:
        self._v: Array = np.zeros(1)

    def step(self, x: Array) -> Array:
        self._v = self._v + self._rate * ((self._leak - self._v) + self._r * x)
        return self._v


class Synapse(LeakyIntegrator):
    """``tau_syn dI/dt = -I + w_in x``."""

    def __init__(self, values: Values, dt: float) -> None:
        synapse = {"tau": values["tau_syn"], "r": values["w_in"], "v_leak": np.zeros(1)}
        super().__init__(synapse, dt)


class CurrentBased:
    """A synapse, whose new current acts on the membrane in the same step."""

    def __init__(self, values: Values, dt: float) -> None:
        self._synapse = Synapse(values, dt)
        self._membrane = self.membrane({**values, "tau": values["tau_mem"]}, dt)

    def membrane(self, values: Values, dt: float) -> Meaning:
        return LeakyIntegrator(values, dt)

    def reset(self) -> None:
        self._synapse.reset()
        self._membrane.reset()

    def step(self, x: Array) -> Array:
        return self._membrane.step(self._synapse.step(x))


class IntegrateAndFire(Integrator):
    """An integrator that spikes where ``v > v_threshold``, and starts again at ``v_reset``."""

    def __init__(self, values: Values, dt: float) -> None:
        super().__init__(values, dt)
        self._threshold, self._reset_to = values["v_threshold"], values["v_reset"]

    def step(self, x: Array) -> Array:
        fired = super().step(x) > self._threshold
        self._v = np.where(fired, self._reset_to, self._v)
        return _spikes(fired)


class LeakyIntegrateAndFire(LeakyIntegrator):
    """A leaky integrator that spikes where ``v > v_threshold``, and starts again at ``v_reset``."""

    def __init__(self, values: Values, dt: float) -> None:
        super().__init__(values, dt)
        self._threshold, self._reset_to = values["v_threshold"], values["v_reset"]

    def step(self, x: Array) -> Array:
        fired = super().step(x) > self._threshold
        self._v = np.where(fired, self._reset_to, self._v)
        return _spikes(fired)


class CurrentBasedFiring(CurrentBased):
    def membrane(self, values: Values, dt: float) -> Meaning:
        return LeakyIntegrateAndFire(values, dt)


class Delay:
    """``y(t) = x(t - delay)``, to the nearest step; zeros before the start."""

    def __init__(self, values: Values, dt: float) -> None:
        self._steps = np.rint(values["delay"] / dt).astype(int)
        self.reset()

    def reset(self) -> None:
        self._past: deque[Array] = deque(maxlen=int(self._steps.max()) + 1)

    def step(self, x: Array) -> Array:
        self._past.appendleft(x)
        steps = np.broadcast_to(self._steps, x.shape[-1:])
        y = np.zeros_like(x)
        for k in range(len(self._past)):
            y[..., steps == k] = self._past[k][..., steps == k]
        return y


def _spikes(fired: NDArray[np.bool_]) -> Array:
    return fired.astype(np.float64)


_MEANINGS: Mapping[str, Callable[[Values, float], Meaning]] = {
    "Input": Static,
    "Output": Static,
    "Flatten": Static,
    "Affine": Affine,
    "Linear": Affine,
    "Scale": Scale,
    "Threshold": Threshold,
    "Delay": Delay,
    "I": Integrator,
    "LI": LeakyIntegrator,
    "IF": IntegrateAndFire,
    "LIF": LeakyIntegrateAndFire,
    "CubaLI": CurrentBased,
    "CubaLIF": CurrentBasedFiring,
}
