#!/usr/bin/python3 -ES
"""``arecord`` at the pace of a microphone; stands before the real one in PATH, in the userland.

ALSA's file plug-in gives sound as fast as it is read, which no microphone does.
"""

import os
import subprocess
import sys
import time

REAL = "/usr/bin/arecord"
BLOCK = 3200
"""Bytes of a tenth of a second."""


def main() -> None:
    command = [REAL, *sys.argv[1:]]
    if "raw" not in command:
        os.execv(REAL, command)
    with subprocess.Popen(command, stdout=subprocess.PIPE) as recorder:
        assert recorder.stdout is not None
        start = time.monotonic()
        out = sys.stdout.buffer
        number = 0
        try:
            while block := recorder.stdout.read(BLOCK):
                number += 1
                time.sleep(max(0.0, start + number / 10 - time.monotonic()))
                out.write(block)
                out.flush()
        except BrokenPipeError:
            recorder.kill()
            os._exit(1)
    sys.exit(recorder.returncode)


if __name__ == "__main__":
    main()
