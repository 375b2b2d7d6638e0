"""A process that files' permissions hold for, also where root runs the tests."""

import ctypes
import os
import sys
from typing import Any

import pytest

_PR_CAPBSET_DROP = 24
_CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH = 1, 2


def unprivileged() -> dict[str, Any]:
    """Returns options for `subprocess`; root loses capabilities(7) and stays the files' owner."""
    if os.geteuid() != 0:
        return {}
    if sys.platform != "linux":
        pytest.skip("root may read everything here")
    return {"preexec_fn": _drop}


def _drop() -> None:
    for capability in (_CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH):
        ctypes.CDLL(None).prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)
