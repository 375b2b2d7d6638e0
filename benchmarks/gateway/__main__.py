"""`python -m benchmarks.gateway`: measure, print, and write `benchmarks/results/gateway.*`."""

import os
import platform
import random
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from benchmarks import results
from benchmarks.gateway import picture, steps, tables, wrk
from benchmarks.gateway.aims import FASTAPI, VITRINE, verdicts
from benchmarks.gateway.bodies import PICTURES
from benchmarks.gateway.figures import Rounds, against
from benchmarks.gateway.peers import builds, environments
from benchmarks.gateway.peers.frameworks import PEERS
from benchmarks.gateway.peers.peer import Peer
from benchmarks.gateway.rounds import AnyPeer, Expected, WrongAnswerError, expected, run
from benchmarks.gateway.vitrine import vitrines
from benchmarks.published import newest_version
from harness.processes import NotStartedError
from vitrine_client.process import signals

_WIDTH = 130
_COUNT = click.IntRange(1)


def choose(names: str, everyone: list[AnyPeer]) -> list[AnyPeer]:
    """Returns those that are named, all if none is. Raises `BadParameter`."""
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    known = {peer.name: peer for peer in everyone}
    unknown = [name for name in wanted if name not in known]
    if unknown:
        told = f"{', '.join(unknown)}: choose from {', '.join(known)}"
        raise click.BadParameter(told, param_hint="--peers")
    return [known[name] for name in wanted] or everyone


class Comparison:
    """Rounds of all peers, one after the other; a peer that fails is left out from then on."""

    def __init__(self, peers: list[AnyPeer], cache: Path, version: Path, console: Console) -> None:
        self._cache = cache
        self._version = version
        self._console = console
        self.peers = [peer for peer in peers if self._is_there(peer)]
        self.rounds: dict[str, list[dict[str, float]]] = {peer.name: [] for peer in self.peers}

    def _is_there(self, peer: AnyPeer) -> bool:
        why_not = peer.prepare(self._cache, self._console)
        if why_not:
            self._console.print(f"[yellow]Without {peer.title}: {why_not}[/]")
        return not why_not

    def measure(self, rounds: int, duration_s: int, seed: int, about: dict[str, Any]) -> None:
        """Fills `rounds`; the order is another one in each. What there is after each round is
        written, `about` with it, so that a run that is ended has not been for nothing."""
        columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
        with Progress(*columns, console=self._console, transient=True) as progress:
            task = progress.add_task("What the model server answers", total=None)
            right = expected(self._version)
            order = random.Random(seed)  # noqa: S311
            for number in range(1, rounds + 1):
                for peer in order.sample(self.peers, len(self.peers)):
                    before = f"Round {number} of {rounds}: {peer.title}: "
                    self._run(peer, right, duration_s, partial(_say, progress, task, before))
                results.write("gateway", {**about, "rounds": self.rounds})

    def _run(
        self, peer: AnyPeer, right: Expected, duration_s: int, say: Callable[[str], None]
    ) -> None:
        try:
            figures = run(peer, self._cache, self._version, right, duration_s, say)
        except (NotStartedError, WrongAnswerError, click.ClickException) as error:
            self._console.print(f"[red]Without {peer.title}:[/] {escape(str(error))}")
            self.peers.remove(peer)
            del self.rounds[peer.name]
        else:
            self.rounds[peer.name].append(figures)


def _say(progress: Progress, task: TaskID, before: str, what: str) -> None:
    progress.update(task, description=before + what)


def report(peers: list[AnyPeer], rounds: Rounds, console: Console, about: dict[str, Any]) -> None:
    """Prints the tables and writes the files."""
    titles = {peer.name: peer.title for peer in peers}
    families: dict[str, list[str]] = {}
    for peer in peers:
        families.setdefault(peer.family, []).append(peer.name)
    in_forms = {p.name for p in peers if "form" in p.wire.single(PICTURES[0]).content_type}
    shown = [
        tables.figures_table(rounds, titles, in_forms),
        tables.processor_table(rounds, titles, about["cores"]),
    ]
    bases = [family for family in (FASTAPI, builds.EARLIER) if family in families]
    shown += [tables.ratios_table(rounds, titles, families[base]) for base in bases]
    ours = [peer.name for peer in peers if not isinstance(peer, Peer)]
    if ours:
        shown.append(tables.gateway_table(rounds, titles, ours))
    found = verdicts(rounds, families)
    if found:
        shown.append(tables.verdicts_table(found))
    for table in shown:
        console.print(table, "")
    ratios = {base: against(rounds, families[base]) for base in bases}
    aims = [vars(verdict) for verdict in found]
    path = results.write("gateway", {**about, "rounds": rounds, "ratios": ratios, "aims": aims})
    text, drawing = path.with_suffix(".md"), path.with_suffix(".svg")
    text.write_text("\n".join(map(tables.markdown, shown)))
    picture.draw(rounds, titles, drawing)
    console.print(f"Written: {path}, {text}, {drawing}")


def profile(version: Path, console: Console) -> None:
    """Prints and writes what each step of a request takes."""
    with console.status("The steps of one request"):
        us = steps.measure(version)
    console.print(steps.table(us), "")
    results.write("gateway_profile", us)


@click.command()
@click.option(
    "--peers",
    default="",
    help="Whom to measure, separated by commas (docs/benchmarks.md has a table); all if empty.",
)
@click.option("--rounds", default=3, type=_COUNT, show_default=True, help="Turns of each.")
@click.option("--duration-s", default=3, type=_COUNT, show_default=True, help="Length of a load.")
@click.option("--models-dir", default="models", show_default=True, help="Where the mlp is.")
@click.option(
    "--cache",
    default=environments.CACHE,
    show_default=True,
    type=click.Path(path_type=Path),
    help="Where the peers' environments, about 1.6 GB each, and earlier builds are made, once.",
)
@click.option("--before", default=builds.BEFORE, show_default=True, help="Its commit.")
@click.option("--tensorflow-serving", help="gRPC address of one that serves the mlp.")
@click.option("--seed", default=0, show_default=True, help="Of the order of the peers.")
@click.option("--profile", "only_profile", is_flag=True, help="Only the steps of one request.")
def main(
    peers: str,
    rounds: int,
    duration_s: int,
    models_dir: str,
    cache: Path,
    before: str,
    tensorflow_serving: str | None,
    seed: int,
    only_profile: bool,
) -> None:
    """Measure the gateway and its peers, each alone, in several rounds; then its steps."""
    # Tables are wide; a file has room for them.
    console = Console(highlight=False, width=None if sys.stdout.isatty() else _WIDTH)
    version = newest_version(models_dir)
    if only_profile:
        profile(version, console)
        return
    wrk.require()
    chosen = choose(peers, [*vitrines(tensorflow_serving, before), *PEERS])
    comparison = Comparison(chosen, cache.expanduser().absolute(), version, console)
    about = {
        "version": version.name,
        "duration_s": duration_s,
        "python": platform.python_version(),
        "cores": len(os.sched_getaffinity(0)),
        "titles": {peer.name: peer.title for peer in comparison.peers},
    }
    if comparison.peers:
        comparison.measure(rounds, duration_s, seed, about)
    if not comparison.peers:
        raise click.ClickException("nobody is left to show")
    report(comparison.peers, comparison.rounds, console, about)
    if VITRINE in comparison.rounds:
        profile(version, console)


if __name__ == "__main__":
    with signals.raising():  # so that what was started is ended
        main()
