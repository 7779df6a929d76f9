"""Placement of a network on the cores of a Loihi-style chip."""

from .limits import LOIHI as LOIHI
from .limits import Limits as Limits
from .limits import Usage as Usage
from .network import ChipNetwork as ChipNetwork
from .network import Group as Group
from .network import Synapses as Synapses
from .network import Traffic as Traffic
from .partition import place as place
from .result import Core as Core
from .result import Link as Link
from .result import Placement as Placement
from .result import Routes as Routes
from .slices import Slice as Slice
