#!/usr/bin/env python3
"""Starts a program for which the kernel has no system call ``statx``.

usage: without_statx.py PROGRAM [ARGUMENT ...]

proot 5.1 (Debian 12) translates the paths of every call but this one, whose path is then one of the
host's. Told that the call does not exist, QEMU makes another of it that proot knows. A filter of
seccomp tells it so; it needs no privilege and holds for all children.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
import sys

STATX = {"x86_64": 332, "aarch64": 291}
PR_SET_NO_NEW_PRIVS = 38
PR_SET_SECCOMP = 22
SECCOMP_MODE_FILTER = 2
ALLOW = 0x7FFF0000
ERRNO = 0x00050000
# instructions of a classic BPF program, as linux/filter.h and linux/bpf_common.h have them
LOAD, JUMP_EQUAL, RETURN = 0x20, 0x15, 0x06


def instruction(code: int, value: int, otherwise: int = 0) -> bytes:
    """One instruction; a comparison that fails skips ``otherwise`` ones."""
    return struct.pack("=HBBI", code, 0, otherwise, value)


def main(*command: str) -> None:
    number = STATX.get(platform.machine())
    if number is not None:
        program = instruction(LOAD, 0)  # the number of the call
        program += instruction(JUMP_EQUAL, number, otherwise=1)
        program += instruction(RETURN, ERRNO | errno.ENOSYS)
        program += instruction(RETURN, ALLOW)
        text = ctypes.create_string_buffer(program, len(program))
        loaded = struct.pack("@HP", len(program) // 8, ctypes.addressof(text))
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        if libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, loaded, 0, 0):
            sys.exit(f"without_statx.py: {os.strerror(ctypes.get_errno())}")
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(*sys.argv[1:])
