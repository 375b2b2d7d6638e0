"""Processor time that a request takes the load lab, and wrk."""

import resource
import statistics
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.gateway import wrk
from benchmarks.gateway.bodies import PICTURES, png
from benchmarks.load_lab.part import Part, Say, at_least, at_most, target
from harness.programmed_latency import Behaviour, Latency
from harness.programmed_server import Running, programmed_server
from vitrine_client.loadtest.plan import Closed, Plan
from vitrine_client.loadtest.run import run

_ROUNDS, _IN_FLIGHT, _DURATION_S = 3, 16, 5
_LATENCY_S = 0.005
"""With 16 in flight it lets both send the same: 16 in about 5 ms, near 3,000 requests/s."""


def measure(say: Say) -> Part:
    """Loads a server that makes both equally fast, and one that does nothing."""
    with TemporaryDirectory() as name:
        say("at equal load")
        with programmed_server(Behaviour(Latency("constant", _LATENCY_S))) as server:
            equal = [_both(server, Path(name)) for _ in range(_ROUNDS)]
        say("as fast as it can")
        with programmed_server() as server:
            fastest = [_both(server, Path(name)) for _ in range(_ROUNDS)]
    ratio = statistics.median(each["cpu_us"] / each["wrk_cpu_us"] for each in equal)
    a_core = statistics.median(1e6 / each["cpu_us"] for each in fastest)
    figures = {"equal": equal, "fastest": fastest, "ratio": ratio, "requests_a_core": a_core}
    rows = []
    for title, rounds in (("5 ms a request", equal), ("nothing to do", fastest)):
        for who, before in (("wrk", "wrk_"), ("the load lab", "")):
            medians = [
                statistics.median(each[before + name] for each in rounds)
                for name in ("rate", "cpu_us")
            ]
            rows.append((title, who, *(f"{median:,.1f}" for median in medians)))
    verdicts = [
        at_most("CPU a request at equal load, of wrk's", ratio, 4),
        at_least("requests/s a core, the server does nothing", a_core, 8000),
    ]
    return Part(figures, ("server", "", "requests/s", "CPU a request, us"), rows, verdicts)


def _both(server: Running, folder: Path) -> dict[str, float]:
    """Processor time is user's and system's: of wrk, and of the load lab's processes, that which
    makes the load from its beginning, that which counts from its own."""
    script = wrk.script(png(PICTURES[0]), folder, "picture")
    url = f"{server.url}/v1/models/mlp:predict"
    before_s = _children_s()
    other = wrk.run(url, script, in_flight=_IN_FLIGHT, duration_s=_DURATION_S)
    wrk_s = _children_s() - before_s
    counting_s = time.process_time()
    ours = run(Plan(target(server), Closed(_IN_FLIGHT, _DURATION_S), warm_up_s=0))
    counting_s = time.process_time() - counting_s
    return {
        "wrk_rate": other.rate,
        "wrk_cpu_us": 1e6 * wrk_s / other.requests,
        "rate": ours.throughput,
        "cpu_us": 1e6 * (ours.generator.cpu_s + counting_s) / ours.answered,
        "sending_cpu_us": 1e6 * ours.generator.cpu_s / ours.answered,
    }


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
