"""The cells as a Nengo user meets them: networks to be dropped into a model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nengo.builder import Builder
from nengo.builder.network import build_network

from edgemem import cells
from edgemem.cells.base import check_positive
from edgemem.errors import ConfigError
from edgemem.networks.cell import CellNetwork
from edgemem.networks.stepped import graph_of
from edgemem.ops import Array


class LMU(CellNetwork):
    """A Legendre Memory Unit (Voelker et al. 2019) for ``with nengo.Network():`` blocks.

    Its parts carry the names of the terms: ``u`` (what is written), ``m_new`` (the memory),
    ``h_new`` (the hidden state, which is the output).

    Parameters
    ----------
    n_in : int
        Size of the input.
    n_units : int
        Size of the hidden state.
    order : int
        Number of Legendre coefficients of each memory channel.
    theta : float
        Length of the remembered window, in seconds.
    simulator_dt : float
        Step of the simulator that will run the network, in seconds. The cell counts in steps:
        its own ``theta`` is ``theta / simulator_dt``.
    params : mapping, optional
        Trained arrays by name, as :class:`edgemem.cells.LMU` lists them; fresh ones without it.
    seed : int, optional
        For the fresh arrays.
    label : str, optional
        Name of the network.
    add_to_container : bool, optional
        As for ``nengo.Network``.
    **options
        ``memory_d``, the coupling flags, ``use_bias``, ``activation``: as for
        :class:`edgemem.cells.LMU`.

    Raises
    ------
    ConfigError
        If a size or a time is not greater than zero, or an option is unknown; and when a
        simulator with a step other than ``simulator_dt`` builds the network.
    """

    def __init__(
        self,
        n_in: int,
        n_units: int,
        order: int,
        theta: float,
        *,
        simulator_dt: float = 0.001,
        params: Mapping[str, Array] | None = None,
        seed: int | None = None,
        label: str | None = "LMU",
        add_to_container: bool | None = None,
        **options: Any,
    ) -> None:
        check_positive("lmu", simulator_dt=simulator_dt)
        try:
            self.cell = cells.LMU(n_in, n_units, order, theta / simulator_dt, **options)
        except TypeError as error:
            raise ConfigError(f"lmu: {error}") from error
        self.simulator_dt = simulator_dt
        super().__init__(graph_of(self.cell, params, seed), label, seed, add_to_container)


class LEM(CellNetwork):
    """A Long Expressive Memory (Rusch et al. 2022) for ``with nengo.Network():`` blocks.

    Its parts carry the names of the terms: ``dt`` and ``dt_bar`` (the gates), ``z_candidate``,
    ``z_new``, ``y_candidate``, ``y_new`` (the state that is the output).

    Parameters
    ----------
    n_in : int
        Size of the input.
    n_units : int
        Size of each of the states ``y`` and ``z``.
    dt : float
        Largest time step of the equations, in simulator steps (not seconds).
    params : mapping, optional
        Trained arrays by name, as :class:`edgemem.cells.LEM` lists them; fresh ones without it.
    seed : int, optional
        For the fresh arrays.
    label : str, optional
        Name of the network.
    add_to_container : bool, optional
        As for ``nengo.Network``.
    """

    def __init__(
        self,
        n_in: int,
        n_units: int,
        dt: float = 1.0,
        *,
        params: Mapping[str, Array] | None = None,
        seed: int | None = None,
        label: str | None = "LEM",
        add_to_container: bool | None = None,
    ) -> None:
        self.cell = cells.LEM(n_in, n_units, dt)
        super().__init__(graph_of(self.cell, params, seed), label, seed, add_to_container)


@Builder.register(LMU)  # type: ignore[untyped-decorator]
def build_lmu(model: Any, network: LMU, progress: Any = None) -> None:
    """Build an :class:`LMU` into a model whose step is the one that it was made for."""
    if abs(model.dt - network.simulator_dt) > 1e-9 * network.simulator_dt:
        raise ConfigError(
            f"{network}: made for a simulator step of {network.simulator_dt} s, but the "
            f"simulator's dt is {model.dt} s; give the network simulator_dt={model.dt}"
        )
    build_network(model, network, progress)
