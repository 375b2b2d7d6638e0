"""Capacity of pods, from the figures of docs/benchmarks.md: the table of docs/kubernetes.md."""

import textwrap
from math import ceil

from tests.docs.pages import PAGES, tables

BENCHMARKS = "docs/benchmarks.md"
RATES = (1_000, 10_000, 100_000, 1_000_000)
SHARES = (0.4, 0.6)
"""Shares of what a pod answers in a closed loop. The tutorial's search held p99 at 20 ms up to 0.34
to 0.42 of it."""

FEWEST = 2
"""Pods: one may always be away."""

PROCESSORS = 2
"""Of a pod: those on which the figures were measured, the load generator among them."""

HTTP_BYTES = 1_000 + 600
"""A picture of 28x28 as PNG with its headers, and its answer; assumed."""

ROW_BYTES = 28 * 28 * 4 + 80
"""A row as float32 in a call of its own; of a call of many the 80 bytes count once."""


def closed_loop() -> float:
    """Returns the requests/s of a gateway and a model server on two processors, 64 in flight."""
    rows = [row for table in tables(PAGES[BENCHMARKS]) for row in table if "64" in row]
    (ours,) = [row["64"] for row in rows if row[""] == "**Vitrine**"]
    return float(ours.replace(",", ""))


def by_rate() -> list[dict[str, float]]:
    """Returns the processor time by the rate: `rate`, `gateway` and `server` in us, `rows`."""
    (found,) = [table for table in tables(PAGES[BENCHMARKS]) if "rows a call" in table[0]]
    names = {"rate": "requests/s", "gateway": "gateway", "server": "model server"}
    return [
        {name: float(row[head].split()[0].replace(",", "")) for name, head in names.items()}
        | {"rows": float(row["rows a call"])}
        for row in found
    ]


def processors(row: dict[str, float]) -> float:
    """Returns the processors that a rate of `by_rate` takes."""
    return row["rate"] * (row["gateway"] + row["server"]) / 1e6


def pods(rate: float, share: float) -> int:
    """Returns how many pods a rate takes, each at a share of what it can answer; two at least."""
    return max(FEWEST, ceil(rate / (share * closed_loop())))


def page() -> str:
    """Returns the formula, the table, and what it assumes."""
    most, last = closed_loop(), by_rate()[-1]
    gateways = last["gateway"] / (last["gateway"] + last["server"])
    formula = (
        f"**pods = requests/s ÷ (share × {most:,.0f})**, and {FEWEST} at least: a gateway and a "
        f"model server on {PROCESSORS} processors answer {most:,.0f} pictures of 28×28 a second in "
        "a closed loop, the load generator beside them ([benchmarks](benchmarks.md#figures))."
    )
    assumed = (
        "Assumed: the share is 40 % for a p99 of 20 ms, which a "
        "[search](tutorial.md#how-much-can-it-take) held at 34 to 42 % on one machine, and 60 % "
        "where 50 ms do (not measured). Pods share nothing. The figure is that of the embedded "
        "model server over its local socket; gRPC costs the gateway more, and TensorFlow Serving "
        "less than ours. A request and its answer have "
        f"{HTTP_BYTES / 1000:g} kB, a row {ROW_BYTES:,} bytes, which cross the network in the "
        f"split profile alone; there the gateways have {100 * gateways:.0f} % of the processors. "
        "What a cloud calls a processor may be half a core, so measure one pod of yours: "
        "`vitrine loadtest search` gives both figures of the formula."
    )
    columns = ("requests/s", "pods at 40 %", "at 60 %", "processors at 60 %", "HTTP, both ways")
    lines = [_wrapped(formula), "", _row(*columns, "rows as float32"), "|---|---|---|---|---|---|"]
    for rate in RATES:
        low, high = (pods(rate, share) for share in SHARES)
        numbers = (f"{each:,}" for each in (rate, low, high, PROCESSORS * high))
        lines.append(_row(*numbers, *(_bits(rate * size) for size in (HTTP_BYTES, ROW_BYTES))))
    return "\n".join([*lines, "", _wrapped(assumed)])


def _wrapped(text: str) -> str:
    return textwrap.fill(text, 118, break_on_hyphens=False)


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _bits(bytes_a_second: float) -> str:
    mega = 8 * bytes_a_second / 1e6
    return f"{mega / 1000:,.1f} Gbit/s" if mega >= 1000 else f"{mega:,.0f} Mbit/s"
