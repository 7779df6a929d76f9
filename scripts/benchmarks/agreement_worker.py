#!/usr/bin/env python3
"""One interpreter's share of agreement.py: stream clips through a file and write what comes out.

Needs NumPy and an interpreter of the file; edgemem itself is found beside this script.

usage: agreement_worker.py FILE KERNELS FEATURES.npy OUT.npz [EXPOSED.tflite TRACED]

KERNELS is default (as edgemem opens the file), plain (no delegate), reference, or one of tensorflow
and tensorflow-reference (TensorFlow's own interpreter). OUT gets ``y`` (n, t, n_out) and a note
``engine``; with EXPOSED, a TFLite file all of whose tensors are outputs, also every tensor of the
first TRACED clips.
"""

from __future__ import annotations

import platform
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "targets")]

import numpy as np  # noqa: E402


def main(file: str, kernels: str, features: str, out: str, *traced: str) -> None:
    if kernels.startswith("tensorflow"):
        from edgemem_tflite import interpreter

        interpreter.MODULES = ("tensorflow.lite.python.interpreter",)

    from edgemem import artefact, target
    from edgemem.verification import engine_of, replay

    x = np.load(features)
    opened = artefact.read(file)
    if kernels == "plain":
        runner: Any = Loop(undelegated(opened.payload))
    else:
        runner = target.load(opened, reference_kernels=kernels.endswith("reference"))
    y, _ = replay(runner, x)
    found = {"y": y, "engine": f"{engine_of(runner)}|{platform.machine()}"}
    if traced:
        payload = Path(traced[0]).read_bytes()
        found.update(trace(opener(kernels)(payload), x[: int(traced[1])]))
    np.savez(out, **found)


def opener(kernels: str) -> Any:
    """What opens a flatbuffer with these kernels."""
    from edgemem_tflite.interpreter import open_interpreter

    if kernels == "plain":
        return undelegated
    return lambda payload: open_interpreter(
        payload, reference_kernels=kernels.endswith("reference")
    )


def undelegated(payload: bytes) -> Any:
    """An interpreter with its own fast kernels and no delegate."""
    from edgemem_tflite.interpreter import find_module

    module: Any = find_module()
    kind = module.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = module.Interpreter(
        model_content=payload, num_threads=1, experimental_op_resolver_type=kind
    )
    interpreter.allocate_tensors()
    return interpreter


class Loop:
    """A step over an interpreter, states carried over by their names."""

    def __init__(self, interpreter: Any) -> None:
        from edgemem_tflite.interpreter import engine, signature

        self.interpreter = interpreter
        self.inputs, self.outputs = signature(interpreter)
        self.states = [name for name in self.inputs if name != "x"]
        self.engine = engine(interpreter, False)
        self.output_scale = None
        self.n_in = interpreter.get_tensor(self.inputs["x"]).size
        self.n_out = interpreter.get_tensor(self.outputs["y"]).size
        self.reset()

    def reset(self) -> None:
        for name in self.states:
            self._set(name, np.zeros_like(self.interpreter.get_tensor(self.inputs[name])))

    def _set(self, name: str, value: Any) -> None:
        self.interpreter.set_tensor(self.inputs[name], value)

    def step(self, x: Any) -> Any:
        self._set("x", x[None])
        self.interpreter.invoke()
        for name in self.states:
            self._set(name, self.interpreter.get_tensor(self.outputs[name + ".next"]))
        return self.interpreter.get_tensor(self.outputs["y"]).reshape(-1)

    def tensors(self) -> dict[str, Any]:
        """Nothing for edgemem; see :func:`trace`."""
        return {}


def trace(interpreter: Any, x: Any) -> dict[str, Any]:
    """Every output of every step: ``t/NAME`` of shape (n, t, size), and ``traced``, the logits."""
    loop = Loop(interpreter)
    rows: dict[str, list[Any]] = {name: [] for name in loop.outputs}
    for clip in x:
        loop.reset()
        for frame in clip:
            loop.step(frame)
            for name, tensor in loop.outputs.items():
                rows[name].append(interpreter.get_tensor(tensor).reshape(-1))
    return {f"t/{name}": np.stack(r).reshape(*x.shape[:2], -1) for name, r in rows.items()}


if __name__ == "__main__":
    main(*sys.argv[1:])
