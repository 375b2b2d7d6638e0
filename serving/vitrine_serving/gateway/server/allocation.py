"""Allocation of memory: large blocks go back to the system as soon as they are free."""

import ctypes
from contextlib import suppress

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of mallopt(3)
_MAPPED_BYTES, _KEPT_BYTES = 2**20, 2**24


def return_large_blocks() -> None:
    """Has glibc map each block of a megabyte and more by itself, in this process and those that are
    forked from it.

    By its own rules it raises that bound up to 32 MB with what is freed, and then keeps what large
    pictures and bodies took: a worker stayed at 491 MB. With that bound fixed it would keep 128 KB
    of small blocks, and grow and shrink with each request.
    """
    with suppress(AttributeError):  # elsewhere than in glibc
        mallopt = ctypes.CDLL(None).mallopt
        mallopt.argtypes, mallopt.restype = (ctypes.c_int, ctypes.c_int), ctypes.c_int
        mallopt(_M_MMAP_THRESHOLD, _MAPPED_BYTES)
        mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)
