"""Placement of a network on the cores of a Loihi-style chip."""

from edgemem_loihi.placement.network import ChipNetwork as ChipNetwork
from edgemem_loihi.placement.network import Group as Group
from edgemem_loihi.placement.network import Synapses as Synapses
from edgemem_loihi.placement.network import Traffic as Traffic
