"""Tables that are printed: the figures, the ratios, and the aims."""

from collections.abc import Collection, Mapping, Sequence

from rich.table import Table
from rich.text import Text

from benchmarks.gateway.figures import (
    COMPARED,
    IN_FLIGHT,
    Figures,
    Rounds,
    Verdict,
    best,
    median,
    ratio,
)


def _empty(caption: str, *columns: str) -> Table:
    table = Table(box=None, header_style="bold", caption=caption, caption_justify="left")
    table.add_column("", min_width=20)
    for name in columns:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _number(value: float, form: str = ",.0f") -> str:
    return "–" if value != value else f"{value:{form}}"


def figures_table(rounds: Rounds, titles: Mapping[str, str], in_forms: Collection[str]) -> Table:
    """Medians over the rounds, the most requests/s at 64 in flight last; `in_forms` are those who
    take a single picture in a form only."""
    form = f"; {', '.join(titles[peer] for peer in in_forms)}: in a form" if in_forms else ""
    table = _empty(
        "Requests/s with 1, 16 and 64 in flight, each a PNG of 28x28 as it is"
        f"{form}. Images/s in batches of 32, 8 in flight: forms of 32 PNGs, or npy. Memory is of "
        "all processes; the start is to the first answer, with the model loaded.",
        *("c=1", "c=16", "c=64", "p99, ms", "forms", "npy", "MB", "start, s"),
    )
    for peer in _by_rate(rounds):
        failed = sum(figures["errors"] for figures in rounds[peer])
        title = Text(titles[peer])
        if failed:
            title.append(f" ({failed:.0f} failed)", "red")
        table.add_row(
            title,
            *(_number(median(rounds, peer, f"rate_{number}")) for number in IN_FLIGHT),
            _number(median(rounds, peer, "p99_64_ms"), ",.1f"),
            _number(median(rounds, peer, "images")),
            _number(median(rounds, peer, "images_npy")),
            _number(median(rounds, peer, "memory_mb")),
            _number(median(rounds, peer, "start_s"), ".1f"),
        )
    return table


def processor_table(rounds: Rounds, titles: Mapping[str, str], cores: int) -> Table:
    """Processor time a request of all of a peer's processes, and requests/s for a second of it."""
    table = _empty(
        f"wrk has the {cores} cores in common with what it measures, so that requests/s are of "
        "what it leaves. These leave wrk out: us of processor time that all processes of a server "
        "take for a request, and requests/s for each second of that; wrk's own us at 64.",
        *(f"us, {number}" for number in IN_FLIGHT),
        *(f"per s, {number}" for number in IN_FLIGHT),
        "wrk's us",
    )
    names = [f"cpu_{number}_us" for number in IN_FLIGHT]
    names += [f"per_cpu_s_{number}" for number in IN_FLIGHT]
    for peer in _by_rate(rounds):
        shown = [_number(median(rounds, peer, name)) for name in [*names, "generator_cpu_64_us"]]
        table.add_row(titles[peer], *shown)
    return table


def ratios_table(rounds: Rounds, titles: Mapping[str, str], family: Sequence[str]) -> Table:
    """Each peer's figures as multiples of those of the best of a family in the same round."""
    bases = {figure: best(rounds, family, figure) for figure in COMPARED}
    names = dict.fromkeys(titles[base] for base in bases.values() if base)
    either = "; whichever is best at each" if len(names) > 1 else ""
    table = _empty(
        f"Times the figures in the same round of: {'; '.join(names)}{either}.",
        *COMPARED.values(),
    )
    for peer in _by_rate(rounds):
        shares = [
            ratio(rounds, peer, base, figure) if base else float("nan")
            for figure, base in bases.items()
        ]
        table.add_row(titles[peer], *(_number(share, ".2f") for share in shares))
    return table


def gateway_table(rounds: Rounds, titles: Mapping[str, str], peers: Sequence[str]) -> Table:
    """What is the gateway's own in Vitrine's figures."""
    rows = {
        "gateway's CPU a request at 1, us": ("gateway_cpu_1_us", ",.0f"),
        "at 16": ("gateway_cpu_16_us", ",.0f"),
        "at 64": ("gateway_cpu_64_us", ",.0f"),
        "all of Vitrine's at 1": ("cpu_1_us", ",.0f"),
        "at 16 ": ("cpu_16_us", ",.0f"),
        "at 64 ": ("cpu_64_us", ",.0f"),
        "gateway's processes, MB": ("gateway_mb", ",.0f"),
        "its largest worker, MB": ("worker_mb", ",.0f"),
        "direct Predict, p50, ms": ("direct_ms", ".2f"),
        "through the gateway, p50, ms": ("gateway_ms", ".2f"),
        "start of all, s": ("start_s", ".2f"),
        "of the gateway alone, s": ("gateway_start_s", ".2f"),
    }
    table = _empty("", *(titles[peer] for peer in peers))
    for name, (figure, form) in rows.items():
        table.add_row(name, *(_number(median(rounds, peer, figure), form) for peer in peers))
    return table


def verdicts_table(verdicts: Sequence[Verdict]) -> Table:
    """A line for each aim."""
    table = Table("", "reached", "aim", box=None, header_style="bold")
    for verdict in verdicts:
        mark = "[green]yes[/]" if verdict.holds else "[red]no[/]"
        table.add_row(mark, _number(verdict.value, ",.2f"), verdict.aim)
    return table


def markdown(table: Table) -> str:
    """Returns a table as docs have it, with its caption above."""
    rows = zip(*(list(column.cells) for column in table.columns), strict=True)
    lines: list[Sequence[object]] = [[column.header for column in table.columns]]
    lines += [["---"] * len(table.columns), *rows]
    plain = [[Text.from_markup(str(cell)).plain for cell in line] for line in lines]
    text = "".join(f"| {' | '.join(line)} |\n" for line in plain)
    return f"{table.caption or ''}\n\n{text}"


def _by_rate(rounds: Mapping[str, Sequence[Figures]]) -> list[str]:
    return sorted(rounds, key=lambda peer: median(rounds, peer, "rate_64"))
