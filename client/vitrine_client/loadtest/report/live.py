"""What a load test does while it runs: a picture in a terminal, elsewhere a line now and then."""

import math
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from vitrine_client.loadtest.plan import Plan
from vitrine_client.loadtest.report.wording import ms, per_second
from vitrine_client.loadtest.results.histogram import Histogram
from vitrine_client.loadtest.results.parts import Interval

SHOWN_S = 60
"""How far back the bars go."""

LINE_EVERY_S = 5.0
"""Where there is no terminal."""

_BARS = "▁▂▃▄▅▆▇█"


class View:
    """Shows a test that runs by `plan` on a console, until it is left; `watch` is for `run`.

    On a terminal it draws twice a second, and wipes that away in the end.
    """

    def __init__(
        self,
        plan: Plan,
        console: Console,
        title: str = "",
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._count = plan.count
        self._measured_s = plan.load.duration_s - plan.warm_up_s
        self._console, self._title, self._clock = console, title, clock
        self._recent: deque[Interval] = deque(maxlen=SHOWN_S)
        self._so_far = _Sum()
        self._since_line = _Sum()
        self._began_s: float | None = None
        self._live = Live(
            console=console, get_renderable=self._picture, refresh_per_second=2, transient=True
        )

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._console.is_terminal:
            self._live.stop()

    def watch(self, interval: Interval) -> None:
        """Takes in what a second saw; the warm-up (`start_s` < 0) is shown, but not added up."""
        end_s = interval.start_s + interval.duration_s
        self._began_s = self._clock() - end_s
        self._recent.append(interval)
        if interval.start_s < 0:
            return
        self._so_far.add(interval)
        self._since_line.add(interval)
        if not self._console.is_terminal and self._since_line.duration_s >= LINE_EVERY_S - 0.5:
            of = f"{end_s:.0f} s" + ("" if self._count else f" of {self._measured_s:.0f} s")
            self._console.print(f"{self._title}{of}: {self._since_line}", highlight=False)
            self._since_line = _Sum()

    def _picture(self) -> RenderableType:
        recent = list(self._recent)
        if self._began_s is None or not recent:
            return Text(f"{self._title}starting", style="dim")
        at_s = self._clock() - self._began_s
        rates = [one.answered / one.duration_s for one in recent]
        p99s_ms = [one.latency.percentile_ms(99) for one in recent]
        table = Table.grid(padding=(0, 2))
        table.add_row("now", str(_Sum(recent[-1:])))
        if self._so_far.duration_s:
            table.add_row("so far", str(self._so_far))
        table.add_row("requests/s", f"{bars(rates)} up to {per_second(max(rates))}")
        table.add_row("p99", f"{bars(p99s_ms)} up to {ms(_largest(p99s_ms))} ms")
        return Group(self._progress(at_s), table)

    def _progress(self, at_s: float) -> Table:
        left_s = max(self._measured_s - at_s, 0)
        left = f"{left_s:.0f} s left"
        if self._count:
            at_s, left = self._measured_s * self._so_far.due / self._count, f"of {self._count:,}"
        row = Table.grid(padding=(0, 2))
        row.add_row(
            Text(f"{self._title}{'warming up' if at_s < 0 else 'measuring'}"),
            ProgressBar(
                self._measured_s,
                max(at_s, 0),
                width=30,
                complete_style="cyan",
                finished_style="cyan",
            ),
            left,
        )
        return row


class _Sum:
    """Intervals added up as they come; its text is one line."""

    def __init__(self, intervals: Sequence[Interval] = ()) -> None:
        self.duration_s, self.due, self._latency = 0.0, 0, Histogram.of([])
        self._errors: Counter[str] = Counter()
        for interval in intervals:
            self.add(interval)

    def add(self, interval: Interval) -> None:
        self.duration_s += interval.duration_s
        self.due += interval.due
        self._latency = Histogram.merged([self._latency, interval.latency])
        self._errors += interval.errors + Counter(dropped=interval.dropped) + interval.unsent

    def __str__(self) -> str:
        p50, p99 = (ms(self._latency.percentile_ms(percent)) for percent in (50, 99))
        rate = per_second(self._latency.count / self.duration_s)
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in self._errors.most_common(3))
        return f"{rate} requests/s, p50 {p50} ms, p99 {p99} ms, errors: {kinds or 'none'}"


def bars(values: Sequence[float]) -> str:
    """One character a value, from zero to the largest of them; a blank where it is NaN."""
    top = _largest(values) or 1
    return "".join(
        _BARS[round(value / top * (len(_BARS) - 1))] if value == value else " " for value in values
    )


def _largest(values: Sequence[float]) -> float:
    return max((value for value in values if value == value), default=math.nan)
