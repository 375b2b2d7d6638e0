"""Processors that a process may use."""

import subprocess
import sys

import pytest

from vitrine_client.process import processors


def test_there_is_one():
    assert processors.usable() >= 1


@pytest.mark.skipif(sys.platform != "linux", reason="a process is kept to no processor here")
def test_a_process_that_is_kept_to_one_has_one():
    subprocess.run([sys.executable, "-c", KEPT], check=True)


KEPT = """
import os, sys
from vitrine_client.process import processors
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
sys.exit(processors.usable() != 1)
"""
