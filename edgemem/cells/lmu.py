"""Legendre Memory Unit (Voelker, Kajić & Eliasmith, NeurIPS 2019)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

import numpy as np

from edgemem.cells.base import Cell, Shape, activate, check_positive, glorot_uniform
from edgemem.errors import ConfigError, UnknownNameError
from edgemem.ops import Array, Ops

T = TypeVar("T")


DISCRETIZERS = ("zoh", "euler")


def legendre_delay(order: int, theta: float, discretizer: str = "zoh") -> tuple[Array, Array]:
    """The linear memory of a window of ``theta`` steps, in discrete time.

    Continuous form (Voelker et al. 2019, eqs. 1-2): ``theta dm/dt = A m + B u``.

    Parameters
    ----------
    order : int
        Number of Legendre coefficients.
    theta : float
        Length of the window, in steps.
    discretizer : {"zoh", "euler"}
        Zero-order hold, which is exact for inputs that are held over a step and stable for every
        ``theta``; or Euler's method, which is stable for long windows only.

    Returns
    -------
    A_bar : (order, order) array
    B_bar : (order, 1) array

    Raises
    ------
    UnknownNameError
        If there is no such discretizer.
    ConfigError
        If ``theta`` is too short for Euler's method; it names the shortest that is not.
    """
    if discretizer not in DISCRETIZERS:
        raise UnknownNameError("discretizer", discretizer, DISCRETIZERS)
    A, B = _legendre(order)
    if discretizer == "euler":
        _check_euler(A, theta)
        # m + (A m + B u) / theta
        return np.eye(order) + A / theta, B / theta
    from scipy.linalg import expm

    # exp([[A, B], [0, 0]] / theta) = [[A_bar, B_bar], [0, 1]]
    block = np.zeros((order + 1, order + 1))
    block[:order, :order] = A / theta
    block[:order, order:] = B / theta
    discrete = expm(block)
    return discrete[:order, :order], discrete[:order, order:]


def _legendre(order: int) -> tuple[Array, Array]:
    i = np.arange(order, dtype=np.float64)[:, None]
    j = np.arange(order, dtype=np.float64)[None, :]
    # a_ij = (2i + 1) * (-1 if i < j else (-1)^(i - j + 1));  b_i = (2i + 1) (-1)^i   (eq. 2)
    A = (2 * i + 1) * np.where(i < j, -1.0, (-1.0) ** (i - j + 1))
    B = (2 * i + 1) * (-1.0) ** i
    return A, B


def _check_euler(A: Array, theta: float) -> None:
    # |1 + lambda / theta| < 1 for every eigenvalue: theta > |lambda|^2 / (-2 Re lambda)
    found = np.linalg.eigvals(A)
    shortest = float((np.abs(found) ** 2 / (-2.0 * found.real)).max())
    if not theta > shortest:
        radius = float(np.abs(1.0 + found / theta).max())
        raise ConfigError(
            f"lmu.theta: {theta:g} steps are unstable by Euler's method at order {len(A)} "
            f"(spectral radius {radius:.3g}), which needs more than {shortest:.4g}; take the "
            "discretizer zoh, which is stable for every theta"
        )


def legendre_window(order: int, delays: Array) -> Array:
    """Shifted Legendre polynomials, which read ``u(t - r * theta)`` out of the memory (eq. 3).

    Parameters
    ----------
    order : int
        Number of Legendre coefficients.
    delays : (n,) array
        Relative delays ``r``, from 0 (now) to 1 (``theta`` steps ago).

    Returns
    -------
    (n, order) array
    """
    x = 2.0 * np.asarray(delays) - 1.0
    basis = np.polynomial.legendre.legvander(x, order - 1)
    return np.asarray(basis, dtype=np.float64)


@dataclass(frozen=True)
class LMU(Cell):
    """A linear Legendre memory ``m`` written by ``u`` and read by a hidden state ``h``.

    .. math::

        u_t &= e_x x_t + e_h h_{t-1} + e_m m_{t-1} \\\\
        m_t &= \\bar A m_{t-1} + \\bar B u_t \\\\
        h_t &= f(W_x x_t + W_h h_{t-1} + W_m m_t + b)

    (Voelker et al. 2019, eqs. 4-7; ``h`` reads the *new* ``m``.) The coupling flags carry the
    names of keras-lmu and, like there, are off unless asked for; :meth:`paper` switches on all.

    Parameters
    ----------
    n_in : int
        Size of the input ``x``.
    n_units : int
        Size of the hidden state ``h``, which is the output.
    order : int
        Number of Legendre coefficients of each memory channel.
    theta : float
        Length of the remembered window, in steps.
    memory_d : int
        Number of memory channels; ``u`` has one element for each.
    hidden_to_memory, memory_to_memory : bool
        Whether ``e_h``, ``e_m`` exist.
    input_to_hidden, hidden_to_hidden : bool
        Whether ``W_x``, ``W_h`` exist.
    use_bias : bool
        Whether ``u`` has a bias ``b_u`` (keras-lmu's ``use_bias``).
    activation : {"linear", "relu", "sigmoid", "tanh"}
        The function ``f``.
    discretizer : {"zoh", "euler"}
        How the memory comes to discrete time; see :func:`legendre_delay`.
    """

    name: ClassVar[str] = "lmu"
    n_in: int
    n_units: int
    order: int
    theta: float
    memory_d: int = 1
    hidden_to_memory: bool = False
    memory_to_memory: bool = False
    input_to_hidden: bool = False
    hidden_to_hidden: bool = False
    use_bias: bool = False
    activation: str = "tanh"
    discretizer: str = "zoh"

    def __post_init__(self) -> None:
        check_positive(
            self.name,
            n_in=self.n_in,
            n_units=self.n_units,
            order=self.order,
            theta=self.theta,
            memory_d=self.memory_d,
        )
        if self.discretizer != "zoh":
            legendre_delay(self.order, self.theta, self.discretizer)  # refuses what cannot work

    @classmethod
    def paper(cls, n_in: int, n_units: int, order: int, theta: float) -> LMU:
        """The cell of the paper: one memory channel, every coupling, tanh."""
        return cls(n_in, n_units, order, theta, 1, True, True, True, True, False, "tanh")

    @property
    def n_out(self) -> int:
        return self.n_units

    @property
    def params(self) -> Mapping[str, Shape]:
        d, memory = self.memory_d, self.memory_d * self.order
        shapes: dict[str, Shape] = {"e_x": (d, self.n_in)}
        if self.hidden_to_memory:
            shapes["e_h"] = (d, self.n_units)
        if self.memory_to_memory:
            shapes["e_m"] = (d, memory)
        if self.use_bias:
            shapes["b_u"] = (d,)
        if self.input_to_hidden:
            shapes["W_x"] = (self.n_units, self.n_in)
        if self.hidden_to_hidden:
            shapes["W_h"] = (self.n_units, self.n_units)
        shapes["W_m"] = (self.n_units, memory)
        shapes["b"] = (self.n_units,)
        return shapes

    @property
    def constants(self) -> Mapping[str, Array]:
        A, B = legendre_delay(self.order, self.theta, self.discretizer)
        return {"A": A, "B": B}

    def to_dict(self) -> dict[str, Any]:
        """Hyper-parameters as JSON values; without the discretizer, as ever, where it is zoh."""
        values = super().to_dict()
        if self.discretizer == "zoh":
            del values["discretizer"]
        return values

    @property
    def states(self) -> Mapping[str, Shape]:
        shapes: dict[str, Shape] = {"m": (self.memory_d, self.order)}
        if self.hidden_to_memory or self.hidden_to_hidden:
            shapes["h"] = (self.n_units,)
        return shapes

    def init(self, rng: np.random.Generator) -> dict[str, Array]:
        """LeCun uniform encoders, ``e_m`` zero "to ensure stability", the rest Glorot (sec. 3)."""
        arrays = {name: glorot_uniform(rng, shape) for name, shape in self.params.items()}
        for name in ("e_x", "e_h"):
            if name in arrays:
                limit = np.sqrt(3.0 / arrays[name].shape[1])
                arrays[name] = rng.uniform(-limit, limit, arrays[name].shape)
        if "e_m" in arrays:
            arrays["e_m"] = np.zeros_like(arrays["e_m"])
        return arrays

    def step(
        self, ops: Ops[T], p: Mapping[str, T], s: Mapping[str, T], x: T
    ) -> tuple[dict[str, T], T]:
        # u_t = e_x x_t + e_h h_{t-1} + e_m m_{t-1} + b_u
        u = ops.matvec(p["e_x"], x)
        if self.use_bias:
            u = ops.add(u, p["b_u"])
        if self.hidden_to_memory:
            u = ops.add(u, ops.matvec(p["e_h"], s["h"]))
        if self.memory_to_memory:
            u = ops.add(u, ops.matvec(p["e_m"], ops.merge(s["m"])))
        u = ops.label(u, "u")

        # m_t = A m_{t-1} + B u_t, one row for each channel
        written = ops.matvec(p["B"], ops.split(u, self.memory_d))
        m = ops.label(ops.add(ops.matvec(p["A"], s["m"]), written), "m_new")

        # h_t = f(W_x x_t + W_h h_{t-1} + W_m m_t + b)
        h = ops.add(ops.matvec(p["W_m"], ops.merge(m)), p["b"])
        if self.input_to_hidden:
            h = ops.add(h, ops.matvec(p["W_x"], x))
        if self.hidden_to_hidden:
            h = ops.add(h, ops.matvec(p["W_h"], s["h"]))
        h = ops.label(activate(ops, self.activation, h), "h_new")
        return {"m": m, "h": h} if "h" in self.states else {"m": m}, h
