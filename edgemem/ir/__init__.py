"""The intermediate representation: one time step as a graph of ops."""

from edgemem.ir.graph import INPUT as INPUT
from edgemem.ir.graph import Graph as Graph
from edgemem.ir.graph import Node as Node
from edgemem.ir.trace import trace as trace
