"""A recurrence over a whole sequence as a compiled C kernel, generated from its step.

Like every other meaning of a step, the kernel knows no cell: it walks the nodes of a
:class:`~edgemem.ir.passes.adjoint.Recurrence` and of its adjoint. ``plan`` puts them in order and
decides what is saved, ``joining`` makes one product of products that are added up, ``product`` has
the blocks that fill the vector registers, ``places`` and ``source`` write the C text, ``build``
compiles and loads it, ``call`` runs it over arrays and ``tensors`` over tensors.

The system's ``cc``, ``gcc`` or ``clang`` compiles it, once for each recurrence in a process, in a
temporary folder that is removed at exit. Without one, on a GPU, in other precisions than float32,
for an op without a kernel, or with the environment variable ``EDGEMEM_KERNEL=0``, the loops of
:mod:`edgemem.train.scan` do the same in TensorFlow.
"""

from edgemem.train.kernel.call import Kernel, kernel_of

__all__ = ["Kernel", "kernel_of"]
