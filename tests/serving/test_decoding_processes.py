"""Decoding processes at their start and end, in a program of their own, as they are forked."""

import subprocess
import sys

WITHOUT_A_TAKER = """
import logging
import os

from vitrine_serving.gateway.inference.decoding.processes import DecodingProcesses

logging.basicConfig()
processes = DecodingProcesses({}, 1, 5.0)
processes.offers.close()
processes.look()
_, status = os.wait()
print(os.waitstatus_to_exitcode(status))
"""


def test_a_gateway_that_ends_as_they_start():
    """Nobody is left who would take their offers, and nothing is said of it."""
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_A_TAKER], capture_output=True, text=True, timeout=60
    )
    assert (done.stdout, done.stderr) == ("0\n", "")
