"""Passes: pure functions from Graph to Graph that leave the outputs as they were.

Each target composes the ones that serve it.
"""

from edgemem.ir.passes.balance import balance as balance
from edgemem.ir.passes.fold import fold as fold
from edgemem.ir.passes.fuse import fuse as fuse
from edgemem.ir.passes.prune import prune as prune
from edgemem.ir.passes.residual import residual as residual
