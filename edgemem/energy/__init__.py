"""What an execution did, counted, and the joules that a named table makes of it."""

from edgemem.energy.counts import Counts as Counts
from edgemem.energy.execution import Activity as Activity
from edgemem.energy.execution import Execution as Execution
from edgemem.energy.execution import Simulated as Simulated
