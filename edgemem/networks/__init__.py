"""Recurrent memory networks as ``nengo.Network`` objects, one time step per simulator step."""

from __future__ import annotations

from edgemem.errors import MissingExtraError

try:
    import nengo as _nengo  # noqa: F401
except ModuleNotFoundError as error:
    raise MissingExtraError("edgemem.networks", "nengo", "train") from error

from edgemem.networks.cell import CellNetwork as CellNetwork
from edgemem.networks.cell import read_params as read_params
from edgemem.networks.recurrent import LEM as LEM
from edgemem.networks.recurrent import LMU as LMU
from edgemem.networks.stepped import Stepped as Stepped
from edgemem.networks.stepped import build as build
from edgemem.networks.stepped import simulate as simulate
