"""Checking a gateway: so many requests that are nearly right, and what is to be so after them."""

from collections.abc import Iterator

from harness.gateway import Gateway
from tests.fuzz import runner
from tests.fuzz.open_inference.asking import Asking
from tests.fuzz.runner import MIB, Report

LONGEST_S = 3600.0

MOST_GROWTH = 150 * MIB
"""Of all of a gateway's processes, from the good requests before to those after."""


def check(
    gateway: Gateway, grpc_address: str, seed: int, numbers: Iterator[int], workers: int
) -> Report:
    """Sends the requests of a seed by their numbers, and good ones before and after.

    It ends with the first fault: an answer that blames the gateway, or that no client can read, or
    none; a process that was lost, a good request that is not answered rightly, memory that grows.
    """
    ask = Asking(grpc_address)
    faults = ask.good(gateway)
    processes, before = gateway.workers, runner.memory(gateway)
    report = runner.run(gateway, seed, LONGEST_S, numbers, workers, ask)
    faults += ask.good(gateway)
    if gateway.workers != processes:
        faults.append(f"processes {processes} became {gateway.workers}")
    if (grown := runner.memory(gateway) - before) > MOST_GROWTH:
        faults.append(f"{grown / MIB:.0f} MiB more than before")
    if "Traceback" in (log := gateway.log.read_text()):
        faults.append(log[log.index("Traceback") :][:5000])
    ask.close()
    report.faults += faults
    return report
