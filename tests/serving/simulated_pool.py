"""Simulated pool: servers that answer as told, judged by outlier ejection, in time that passes at
once."""

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from vitrine_serving.gateway.upstream import outliers
from vitrine_serving.gateway.upstream.ejection import (
    EjectionSettings,
    OutlierEjection,
    Standing,
    State,
)

Took = Callable[[int, int, float, random.Random], float]
"""Returns the seconds of a call, by its server, its kind and the time."""

Outcome = Callable[[int, int, float, random.Random], int]
"""Returns the outcome of a call, by the same."""

PAUSE_S = 0.01


def always_ok(server: int, kind: int, now_s: float, chance: random.Random) -> int:
    """Never fails."""
    return outliers.OK


def heavy_tailed(server: int, kind: int, now_s: float, chance: random.Random) -> float:
    """Takes 10 ms on the median, 50 of one call in 20, and 100 of one in 100; longer by kind."""
    return 0.01 * (1 + kind) * chance.lognormvariate(0, 1)


@dataclass
class SimulatedPool:
    """Pool of `count` servers, each with `rate` calls a second by the least busy first."""

    count: int
    rate: float
    took_s: Took = heavy_tailed
    outcome: Outcome = always_ok
    kinds: int = 3
    seed: int = 1
    now_s: float = 0.0
    ejection: OutlierEjection = field(default_factory=lambda: OutlierEjection(EjectionSettings()))
    turn: int = 0
    most_out: int = 0

    def __post_init__(self) -> None:
        self.ejection.note_servers(self.count)
        self.standings = [Standing(f"server {n}", self.ejection) for n in range(self.count)]
        self.calls = [0] * self.count
        self.chance = random.Random(self.seed)
        self._in_flight: list[tuple[float, int, int, float, int]] = []
        self._busy = [0] * self.count
        self._judged_s = 0.0

    @property
    def states(self) -> list[State]:
        """What becomes of the servers."""
        return [each.state for each in self.standings]

    def run(self, seconds: float, stop: Callable[[], bool] = lambda: False) -> None:
        """Goes on for a time, or until `stop()` holds after a comparison."""
        end_s = self.now_s + seconds
        while self.now_s < end_s:
            next_s = self.now_s + self.chance.expovariate(self.rate * self.count)
            while self._in_flight and self._in_flight[0][0] <= next_s:
                self._end_call(heapq.heappop(self._in_flight))
                if stop():
                    return
            self._pass_time(next_s)
            if stop():
                return
            self._call()

    def _pass_time(self, until_s: float) -> None:
        if self._judged_s + 1.0 <= until_s:
            self._judge(max(self._judged_s + 1.0, until_s - 1.0))
        self.now_s = until_s

    def _judge(self, now_s: float) -> None:
        self.ejection.due.clear()
        self.ejection.judge(self.standings, now_s)
        self._judged_s = now_s
        self.most_out = max(self.most_out, sum(bool(state) for state in self.states))

    def _call(self) -> None:
        busy = self._busy
        free = [n for n in range(self.count) if self.standings[n].may_be_asked(busy[n])]
        free.sort(key=lambda n: (busy[n], (n - self.turn) % self.count))
        server, kind = free[0], self.chance.randrange(self.kinds)
        self.turn = server + 1
        self._busy[server] += 1
        asked = server, kind, self.now_s, self.chance
        end_s = self.now_s + self.took_s(*asked)
        heapq.heappush(self._in_flight, (end_s, server, kind, self.now_s, self.outcome(*asked)))

    def _end_call(self, call: tuple[float, int, int, float, int]) -> None:
        end_s, server, kind, started_s, outcome = call
        self._pass_time(end_s)
        self.calls[server] += 1
        self._busy[server] -= 1
        name = "Predict", b"mlp", kind
        if self.ejection.is_on:
            self.standings[server].note_call((name, started_s, end_s, outcome))
        if self.ejection.due.is_set() and end_s - self._judged_s >= PAUSE_S * self.count:
            self._judge(end_s)
