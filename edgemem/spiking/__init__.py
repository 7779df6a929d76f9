"""Networks on spikes: what a graph's terms become, and plain populations of LIF neurons."""

from edgemem.spiking.network import SpikingNetwork as SpikingNetwork
from edgemem.spiking.network import measured as measured
from edgemem.spiking.network import prepare as prepare
from edgemem.spiking.populations import Plan as Plan
from edgemem.spiking.populations import Population as Population
from edgemem.spiking.populations import plan as plan
from edgemem.spiking.populations import populations as populations
from edgemem.spiking.populations import spikes_of as spikes_of
from edgemem.spiking.simulation import Frames as Frames
from edgemem.spiking.simulation import simulate as simulate
