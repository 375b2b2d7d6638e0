"""A command that files' permissions hold for, also where root runs the tests."""

import os
import sys

import pytest

from harness.processes import after

# Constants of capabilities(7) and prctl(2).
_DROP = """
import ctypes
PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 24, 1, 2
prctl = ctypes.CDLL(None).prctl
prctl.argtypes = (ctypes.c_int, *[ctypes.c_ulong] * 4)
for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
    prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
"""


def unprivileged() -> tuple[str, ...]:
    """Returns the words before a command; root loses capabilities(7) and stays the files' owner."""
    if os.geteuid() != 0:
        return ()
    if sys.platform != "linux":
        pytest.skip("root may read everything here")
    return after(_DROP)
