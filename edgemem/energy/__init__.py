"""What an execution did, counted, and the joules that a named table makes of it."""

from edgemem.energy.counts import Counts as Counts
from edgemem.energy.dense import graph_counts as graph_counts
from edgemem.energy.dense import program_counts as program_counts
from edgemem.energy.dense import times as times
from edgemem.energy.execution import Activity as Activity
from edgemem.energy.execution import Counted as Counted
from edgemem.energy.execution import Execution as Execution
from edgemem.energy.execution import Simulated as Simulated
from edgemem.energy.execution import check_sequences as check_sequences
from edgemem.energy.joules import Modelled as Modelled
from edgemem.energy.joules import joules as joules
from edgemem.energy.tables import Device as Device
from edgemem.energy.tables import Figure as Figure
from edgemem.energy.tables import Form as Form
from edgemem.energy.tables import Table as Table
from edgemem.energy.tables import built_in as built_in
