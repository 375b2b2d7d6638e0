"""Load lab whose loads are made up: a server that answers up to `CAPACITY` requests a second."""

import signal

from harness.paths import SAMPLES
from tests.client.loadtest.made_results import made
from vitrine_client.cli.loadtest.command import loadtest
from vitrine_client.cli.loadtest.lab import LoadLab
from vitrine_client.cli.loadtest.request import LoadRequest
from vitrine_client.loadtest.plan import Closed
from vitrine_client.loadtest.results.result import Result

PICTURE = str(SAMPLES[0])
CAPACITY = 300


def request(task, *words) -> LoadRequest:
    named = ["--model=mlp", *(str(word) for word in words)]
    return LoadRequest(task, **loadtest.commands[task].make_context(task, named).params)


class FakeRun:
    """Answers up to `CAPACITY`; Ctrl-C comes in the call of that number."""

    def __init__(self, interrupted_at: int = 0) -> None:
        self.plans, self._interrupted_at = [], interrupted_at

    def __call__(self, plan, *, watch, stop, ready=None) -> Result:
        self.plans.append(plan)
        if len(self.plans) == self._interrupted_at:
            signal.raise_signal(signal.SIGINT)
        closed = isinstance(plan.load, Closed)
        rate = CAPACITY if closed else plan.load.phases[0].rate
        result = made(
            seconds=3,
            rate=rate,
            median_ms=4 if rate <= CAPACITY else 90,
            loop="closed" if closed else "open",
            seed=len(self.plans),
            warnings=(f"late by {rate:.1f} ms",),
        )
        for interval in result.intervals:
            watch(interval)
        return result


def lab(asked: LoadRequest, run: FakeRun) -> LoadLab:
    """A load lab that asks nobody."""
    return LoadLab(asked, run=run, make_ready=lambda *_: None)
