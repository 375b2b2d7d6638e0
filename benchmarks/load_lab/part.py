"""Part of the measurement: its figures, its table, and its verdicts."""

import json
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

from rich.console import Console
from rich.status import Status
from rich.table import Table

from benchmarks import results
from benchmarks.gateway.bodies import PICTURES
from benchmarks.gateway.figures import Verdict
from benchmarks.gateway.tables import verdicts_table
from harness.programmed_server import Running
from vitrine_client.loadtest.plan import Workload

Say = Callable[[str], None]


@dataclass(frozen=True)
class Part:
    """Figures for the file, what to print of them, and verdicts on the aims."""

    figures: dict[str, Any]
    headings: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    verdicts: list[Verdict]


def measure(
    names: Sequence[str], parts: Mapping[str, Callable[[Say], Part]], file: str, console: Console
) -> None:
    """Measures `names` of the parts, prints each, and writes it into
    `benchmarks/results/<file>.json`, which keeps what was measured of other parts before."""
    for name in names:
        began_s = time.monotonic()
        with console.status(name) as status:
            part = parts[name](partial(_say, status, name))
        _show(part, console)
        _write(part, file, name, time.monotonic() - began_s)


def _say(status: Status, name: str, now: str) -> None:
    status.update(f"{name}: {now}")


def _show(part: Part, console: Console) -> None:
    table = Table(*part.headings, box=None, header_style="bold")
    for column in table.columns[1:]:
        column.justify = "right"
    for row in part.rows:
        table.add_row(*row)
    console.print(table, "")
    if part.verdicts:
        console.print(verdicts_table(part.verdicts), "")


def _write(part: Part, file: str, name: str, took_s: float) -> None:
    path = results.RESULTS / f"{file}.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    aims = [vars(verdict) for verdict in part.verdicts]
    about = {
        "date": datetime.now(UTC).date().isoformat(),
        "python": platform.python_version(),
        "took_s": round(took_s),
    }
    results.write(file, {**known, name: {**about, **part.figures, "aims": aims}})


def target(server: Running) -> Workload:
    """Single pictures for a programmed server."""
    return Workload("raw", server.url, "mlp", tuple(PICTURES))


def at_most(aim: str, value: float, bound: float) -> Verdict:
    """Judges a value."""
    return Verdict(f"{aim}: at most {bound:g}", value, value <= bound)


def at_least(aim: str, value: float, bound: float) -> Verdict:
    """Judges a value."""
    return Verdict(f"{aim}: at least {bound:g}", value, value >= bound)
