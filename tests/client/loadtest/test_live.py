"""The view of a running test, on a terminal and elsewhere."""

import io
from collections import Counter

from rich.console import Console

from tests.client.loadtest.made_results import made, plan_of
from vitrine_client.loadtest.plan import Closed
from vitrine_client.loadtest.report.live import View, bars


def shown(result, *, terminal: bool, title: str = "") -> str:
    file = io.StringIO()
    console = Console(file=file, width=100, force_terminal=terminal, color_system=None)
    plan = plan_of(Closed(8, len(result.intervals) + 1))
    with View(plan, console, title, clock=lambda: 0.0) as view:
        for interval in result.intervals:
            view.watch(interval)
    return file.getvalue()


def test_elsewhere_it_writes_a_line_every_five_seconds():
    """No control codes, one line for five seconds, each with that time's own figures."""
    result = made(seconds=12, errors={6: Counter({"wrong answer": 4})})
    lines = shown(result, terminal=False, title="probe 2, ").splitlines()
    assert [line.partition(":")[0] for line in lines] == [
        "probe 2, 5 s of 12 s",
        "probe 2, 10 s of 12 s",
    ]
    assert "errors: none" in lines[0]
    assert "errors: 4 wrong answer" in lines[1]
    answered = sum(one.answered for one in result.intervals[5:10])
    assert f" {answered / 5:.0f} requests/s" in lines[1]


def test_on_a_terminal_it_draws_the_state_and_wipes_it_away():
    """The time left, figures of now and so far, and bars; what is written last clears them."""
    drawn = shown(made(seconds=12), terminal=True)
    for text in ("measuring", "s left", "now", "so far", "requests/s", "p99", "█"):
        assert text in drawn
    assert drawn.rstrip("\x1b[?25h\n").endswith("\x1b[2K")


def test_the_warm_up_counts_for_nothing():
    """What begins before zero is shown as it happens, and is in no sum."""
    file = io.StringIO()
    console = Console(file=file, width=100)
    with View(plan_of(Closed(8, 7)), console, clock=lambda: 0.0) as view:
        slow = made(seconds=1, median_ms=900).intervals[0]
        view.watch(slow.__class__(**{**vars(slow), "start_s": -1.0}))
        for interval in made(seconds=5).intervals:
            view.watch(interval)
    (line,) = file.getvalue().splitlines()
    assert float(line.partition("p99 ")[2].split()[0]) < 100


def test_bars_go_from_zero_to_the_largest():
    """An eighth has the height of one step, and what is unknown stays blank."""
    assert bars([0, 7, float("nan"), 14]) == "▁▅ █"
    assert bars([]) == ""
    assert bars([0, 0]) == "▁▁"
