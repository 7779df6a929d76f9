#!/usr/bin/env python3
"""Time of one streaming step from Python: edgemem's int8 runner beside a Keras LSTM.

The LSTM has the width of our networks (128 units, 80 inputs, 12 labels) and is what TensorFlow's
converter makes of it: one step, full int8, states as inputs and outputs. Its states leave with one
scale and enter with another, so its user dequantises and requantises them between steps. It runs
in the interpreter as it is installed, and once more with the int8 delegate that edgemem's runner
switches on. All run in one process, by turns; the median of many steps is printed, and of the
interpreter's own share.

usage: step_time.py [--steps N] [--json] [FILE.tflite ...]    (default: the pretrained networks)
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

N_IN, N_UNITS, N_OUT = 80, 128, 12
LSTM = f"Keras LSTM({N_UNITS}), converter's int8"
TUNED = f"{LSTM}, edgemem's delegate"
ROUND = 200


def make_lstm(out: Path) -> None:
    """Write the single-step int8 LSTM with TensorFlow's converter."""
    from edgemem.frameworks import tf

    tf.keras.utils.set_random_seed(0)
    cell = tf.keras.layers.LSTMCell(N_UNITS)
    dense = tf.keras.layers.Dense(N_OUT)
    x = tf.keras.Input((N_IN,), batch_size=1, name="x")
    h = tf.keras.Input((N_UNITS,), batch_size=1, name="h")
    c = tf.keras.Input((N_UNITS,), batch_size=1, name="c")
    y, (h_new, c_new) = cell(x, [h, c])
    model = tf.keras.Model([x, h, c], {"y": dense(y), "h_new": h_new, "c_new": c_new})

    def trajectory() -> Any:
        rng = np.random.default_rng(0)
        state = {n: np.zeros((1, N_UNITS), np.float32) for n in ("h", "c")}
        for _ in range(200):
            feature = rng.normal(size=(1, N_IN)).astype(np.float32)
            yield {"x": feature, **state}
            after = model([feature, state["h"], state["c"]])
            state = {"h": after["h_new"].numpy(), "c": after["c_new"].numpy()}

    @tf.function(
        input_signature=[
            tf.TensorSpec((1, N_IN), tf.float32, "x"),
            tf.TensorSpec((1, N_UNITS), tf.float32, "h"),
            tf.TensorSpec((1, N_UNITS), tf.float32, "c"),
        ]
    )
    def step(x: Any, h: Any, c: Any) -> Any:
        return model([x, h, c])

    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(model, folder, signatures=step)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = trajectory
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = tf.int8
        converter.inference_output_type = tf.int8
        out.write_bytes(converter.convert())


class LstmStep:
    """One step of the converted LSTM as its user writes it."""

    def __init__(self, interpreter: Any) -> None:
        self.interpreter = interpreter
        runner = interpreter.get_signature_runner("serving_default")
        ins, outs = runner.get_input_details(), runner.get_output_details()
        self.into = {n: ins[n] for n in ("x", "h", "c")}
        self.out = {n: outs[n] for n in ("y", "h_new", "c_new")}
        self.states = {n: np.zeros((1, N_UNITS), np.float32) for n in ("h", "c")}

    def _put(self, name: str, value: Any) -> None:
        scale, zero = self.into[name]["quantization"]
        q = np.clip(np.round(value / scale + zero), -128, 127).astype(np.int8)
        self.interpreter.set_tensor(self.into[name]["index"], q)

    def _get(self, name: str) -> Any:
        scale, zero = self.out[name]["quantization"]
        q = self.interpreter.get_tensor(self.out[name]["index"])
        return (q.astype(np.float32) - zero) * np.float32(scale)

    def step(self, x: Any) -> Any:
        self._put("x", x[None])
        for name, value in self.states.items():
            self._put(name, value)
        self.interpreter.invoke()
        self.states = {"h": self._get("h_new"), "c": self._get("c_new")}
        return self._get("y")[0]


def medians(calls: dict[str, Callable[[], Any]], steps: int) -> dict[str, float]:
    """Median microseconds of each call, in rounds by turns."""
    spent: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(max(1, steps // ROUND)):
        for name, call in calls.items():
            for _ in range(ROUND):
                begin = time.perf_counter()
                call()
                spent[name].append(time.perf_counter() - begin)
    return {name: 1e6 * float(np.median(times)) for name, times in spent.items()}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("files", nargs="*")
    parser.add_argument("--steps", type=int, default=20_000)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--make-lstm", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.make_lstm:
        make_lstm(options.make_lstm)
        return

    from edgemem import pretrained
    from edgemem.runtime.network import open_network
    from edgemem_tflite.interpreter import find_module, open_interpreter

    files = options.files or list(pretrained.names())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "lstm.tflite"
        # TensorFlow and the device interpreter cannot live in one process
        subprocess.run([sys.executable, __file__, "--make-lstm", str(path)], check=True)
        payload = path.read_bytes()
    plain = find_module().Interpreter(model_content=payload, num_threads=1)
    plain.allocate_tensors()
    whole: dict[str, Callable[[], Any]] = {}
    inner: dict[str, Callable[[], Any]] = {}
    rng = np.random.default_rng(0)
    noise = rng.normal(size=N_IN).astype(np.float32)
    for name, interpreter in ((LSTM, plain), (TUNED, open_interpreter(payload))):
        peer = LstmStep(interpreter)
        whole[name] = lambda peer=peer: peer.step(noise)
        inner[name] = interpreter.invoke
    for file in files:
        runner: Any = open_network(file).runner
        frame = rng.uniform(0, 255, runner.n_in).astype(np.float32)
        whole[file] = lambda runner=runner, frame=frame: runner.step(frame)
        inner[file] = runner.interpreter.invoke
    step, invoke = medians(whole, options.steps), medians(inner, options.steps)
    rows = [
        {
            "network": n,
            "step_us": step[n],
            "invoke_us": invoke[n],
            "ratio": step[LSTM] / step[n],
            "ratio_tuned": step[TUNED] / step[n],
        }
        for n in step
    ]
    if options.json:
        print(json.dumps(rows))
        return
    print(
        "| network | whole step, us | interpreter alone, us | times as fast as the LSTM "
        "| with edgemem's delegate |"
    )
    print("|---|---|---|---|---|")
    form = "| {network} | {step_us:.1f} | {invoke_us:.1f} | {ratio:.1f} | {ratio_tuned:.1f} |"
    for row in rows:
        print(form.format(**row))


if __name__ == "__main__":
    main()
