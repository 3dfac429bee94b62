"""Keep freed memory in the process: a training step asks for the same large blocks each time."""

from __future__ import annotations

import ctypes
import platform

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4  # from glibc's malloc.h
_TRIM_BYTES = (1 << 31) - 1
_PAD_BYTES = 256 << 20


def keep_freed_memory() -> None:
    """Tell glibc not to give freed blocks back to the kernel; elsewhere nothing happens.

    By default glibc maps and unmaps every activation of a step anew, and the kernel zeroes it page
    by page: on a virtual machine that took three quarters of a training step's time on the CPU.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    libc = ctypes.CDLL(None)
    libc.mallopt(_M_MMAP_MAX, 0)
    libc.mallopt(_M_TRIM_THRESHOLD, _TRIM_BYTES)
    libc.mallopt(_M_TOP_PAD, _PAD_BYTES)
