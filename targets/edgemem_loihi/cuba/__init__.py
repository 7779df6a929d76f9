"""Loihi 1: compartments of current-based LIF neurons in the chip's integers, emulated."""

from edgemem_loihi.cuba.chip import Compartments as Compartments
from edgemem_loihi.cuba.chip import Network as Network
from edgemem_loihi.cuba.chip import Synapses as Synapses
from edgemem_loihi.cuba.discretize import Discretized as Discretized
from edgemem_loihi.cuba.discretize import discretize as discretize
from edgemem_loihi.cuba.emulator import Emulator as Emulator
from edgemem_loihi.cuba.recording import Recording as Recording
