"""Tables that are printed: the figures, the ratios, and the aims."""

from collections.abc import Collection, Mapping, Sequence

from rich.table import Table
from rich.text import Text

from benchmarks.gateway.figures import IN_FLIGHT, Figures, Rounds, Verdict, median, ratio

_COMPARED = [*(f"rate_{number}" for number in IN_FLIGHT), "p99_64_ms", "images", "images_npy"]


def _number(value: float, form: str = ",.0f") -> str:
    return "–" if value != value else f"{value:{form}}"


def figures_table(rounds: Rounds, titles: Mapping[str, str], in_forms: Collection[str]) -> Table:
    """Medians over the rounds, the most requests/s at 64 in flight last; `in_forms` are those who
    take a single picture in a form only."""
    form = f"; {', '.join(titles[peer] for peer in in_forms)}: in a form" if in_forms else ""
    table = Table(
        box=None,
        header_style="bold",
        caption="Requests/s with 1, 16 and 64 in flight, each a PNG of 28x28 as it is"
        f"{form}. Images/s in batches of 32, 8 in flight: forms of 32 PNGs, or npy. Memory is of "
        "all processes; Vitrine's start is its gateway's, with the model server up.",
        caption_justify="left",
    )
    table.add_column("")
    names = ("c=1", "c=16", "c=64", "p99, ms", "forms", "npy", "MB", "start, s")
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
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


def ratios_table(rounds: Rounds, titles: Mapping[str, str], base: str) -> Table:
    """Each peer's rates as a multiple of one peer's in the same round."""
    table = Table(
        box=None,
        header_style="bold",
        caption=f"Times the figures of {titles[base]} in the same round.",
        caption_justify="left",
    )
    table.add_column("")
    for name in ("c=1", "c=16", "c=64", "p99", "forms", "npy"):
        table.add_column(name, justify="right", no_wrap=True)
    for peer in _by_rate(rounds):
        shares = [ratio(rounds, peer, base, figure) for figure in _COMPARED]
        table.add_row(titles[peer], *(_number(share, ".2f") for share in shares))
    return table


def gateway_table(rounds: Rounds, titles: Mapping[str, str], peers: Sequence[str]) -> Table:
    """What is the gateway's own in Vitrine's figures."""
    table = Table(box=None, header_style="bold")
    rows = {
        "gateway's CPU a request at 1, us": ("gateway_cpu_1_us", ",.0f"),
        "at 16": ("gateway_cpu_16_us", ",.0f"),
        "at 64": ("gateway_cpu_64_us", ",.0f"),
        "gateway's processes, MB": ("gateway_mb", ",.0f"),
        "its largest worker, MB": ("worker_mb", ",.0f"),
        "direct Predict, p50, ms": ("direct_ms", ".2f"),
        "through the gateway, p50, ms": ("gateway_ms", ".2f"),
    }
    table.add_column("")
    for peer in peers:
        table.add_column(titles[peer], justify="right", no_wrap=True)
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


def _by_rate(rounds: Mapping[str, Sequence[Figures]]) -> list[str]:
    return sorted(rounds, key=lambda peer: median(rounds, peer, "rate_64"))
