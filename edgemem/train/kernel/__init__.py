"""A recurrence over a whole sequence as a compiled C kernel, generated from its step.

Like every other meaning of a step, the kernel knows no cell: it walks the nodes of a
:class:`~edgemem.ir.passes.adjoint.Recurrence` and of its adjoint.
"""

from edgemem.train.kernel.call import Kernel, kernel_of

__all__ = ["Kernel", "kernel_of"]
