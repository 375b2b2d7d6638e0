"""Report of a sweep: a line for each run, the table, the words, the page, and JSON."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from rich.table import Table
from rich.text import Text

from vitrine_training.cli import options
from vitrine_training.cli.options import console
from vitrine_training.sweep import page, results
from vitrine_training.sweep.folder import PAGE
from vitrine_training.sweep.page import shown
from vitrine_training.sweep.plan import SweepRun
from vitrine_training.sweep.ranking import Spread, Standing, conclusion, ranked
from vitrine_training.sweep.results import RunResult, measure_of
from vitrine_training.sweep.training import Trainer


class SweepReport:
    """Report of the runs of a sweep in a folder, `processes` of which are trained at a time.

    `command` returns the command that publishes what a run has trained.
    """

    def __init__(
        self, sweep_dir: Path, runs: Sequence[SweepRun], processes: int, source: str
    ) -> None:
        self._dir, self._runs, self._processes, self._source = sweep_dir, runs, processes, source
        self._measure = measure_of(runs[0].variant)
        self._seconds: list[float] = []
        self._lacks_page = False
        self.command: Callable[[SweepRun], str] = str
        self.results: dict[SweepRun, RunResult] = {
            run: found for run in runs if (found := results.done(run, sweep_dir))
        }

    @property
    def failed(self) -> bool:
        """Whether a run has no result, or the page could not be written."""
        return self._lacks_page or any(not result.is_done for result in self.results.values())

    @property
    def left(self) -> list[SweepRun]:
        """Runs that are neither done nor have failed."""
        return [run for run in self._runs if run not in self.results]

    def begin(self) -> None:
        """Says how many runs there are."""
        there = f", {len(self.results)} of which are done already" if self.results else ""
        console.print(
            f"{_counted(len(self._runs), 'run')} of "
            f"{_counted(len({run.variant for run in self._runs}), 'variant')}{there}; "
            f"{self._processes} at a time, in {self._dir}",
            markup=False,
        )

    def ended(self, result: RunResult, seconds: float) -> None:
        """Notes and tells the result of a run that took `seconds`."""
        self.results[result.run] = result
        self._seconds += [seconds] if seconds else []
        line = Text(f"  {len(self.results)}/{len(self._runs)}  {result.run}   ")
        if result.is_done:
            line.append(f"validation {shown(result.validation)}   {seconds:.1f} s")
        else:
            line.append(f"failed: {result.reason}", style="yellow")
        if self.left and self._seconds:
            line.append(f"   {self._time_left()}", style="dim")
        console.print(line)

    def _time_left(self) -> str:
        """About how long the others take, as long as those that have ended."""
        turns = -(-len(self.left) // self._processes)
        seconds = turns * sum(self._seconds) / len(self._seconds)
        if seconds < 100:
            return f"about {seconds:.0f} s left"
        minutes = seconds / 60
        return (
            f"about {minutes:.0f} min left" if minutes < 100 else f"about {minutes / 60:.0f} h left"
        )

    def end(self, *, as_json: bool) -> None:
        """Shows all that there is, and writes the page."""
        standings = ranked(self._all(), self._measure)
        words = conclusion(standings, self._measure)
        placed = bool(standings and standings[0].validation)
        command = self.command(standings[0].typical.run) if placed else None
        if as_json:
            options.print_json(self._as_json(standings, words, command))
        console.print()
        options.print_table(self._table(standings))
        console.print(f"\n{words}", markup=False)
        if command:
            console.print(f"This publishes it:\n  {command}", markup=False)
        self._write_page(standings, words, command)

    def _write_page(self, standings: Sequence[Standing], words: str, command: str | None) -> None:
        path = self._dir / PAGE
        try:
            page.write(
                path,
                standings,
                self._measure,
                source=self._source,
                conclusion=words,
                command=command,
                at=datetime.now(UTC).isoformat(timespec="seconds"),
            )
            console.print(f"{path} has a dot for every seed", markup=False)
        except OSError as error:
            self._lacks_page = True
            click.echo(f"Error: {path} cannot be written: {error.strerror or error}", err=True)

    def _all(self) -> list[RunResult]:
        return [self.results.get(run) or self._left(run) for run in self._runs]

    @staticmethod
    def _left(run: SweepRun) -> RunResult:
        return RunResult(run, "not done yet", is_left=True)

    def _table(self, standings: Sequence[Standing]) -> Table:
        measure = self._measure
        table = Table(box=None, pad_edge=False, header_style="dim")
        table.add_column("variant")
        headings = ["seeds", f"validation {measure.name}", "lowest to highest"]
        headings += [f"test {measure.name}"] if measure.test else []
        for heading in (*headings, "training"):
            table.add_column(heading, justify="right")
        table.add_column("")
        for place, standing in enumerate(standings):
            best = place == 0 and bool(standing.validation)
            cells = [_seeds(standing), _median(standing.validation), _range(standing.validation)]
            cells += [_median(standing.test)] if measure.test else []
            seconds = standing.training_s
            cells += ["–" if seconds is None else f"{seconds:.1f} s", "best" if best else ""]
            style = "bold" if best else None
            table.add_row(Text(str(standing.variant)), *cells, style=style)
        return table

    def _as_json(
        self, standings: Sequence[Standing], words: str, command: str | None
    ) -> dict[str, Any]:
        best = standings[0] if command else None
        return {
            "folder": self._dir,
            "data": self._source,
            "measure": self._measure.validation,
            "runs": len(self._runs),
            "complete": not self.left and not self.failed,
            "variants": [_variant_as_json(standing) for standing in standings],
            "best": best
            and {"variant": str(best.variant), "seed": best.typical.run.seed, "command": command},
            "conclusion": words,
            "page": self._dir / PAGE,
        }


def train_all(trainer: Trainer, report: SweepReport, *, as_json: bool) -> None:
    """Trains the runs that are left, and reports, also where a signal ends it."""
    report.begin()
    status: AbstractContextManager[Any] = nullcontext()
    if console.is_terminal and report.left:
        status = console.status("Training", spinner="line")
    try:
        with status:
            trainer.train(report.left, report.ended)
    except SystemExit:
        console.print("Interrupted; the same command goes on", markup=False)
        raise
    finally:
        report.end(as_json=as_json)


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def _seeds(standing: Standing) -> str:
    done, all_of_them = len(standing.done), len(standing.results)
    return str(done) if done == all_of_them else f"{done} of {all_of_them}"


def _median(spread: Spread | None) -> str:
    return shown(spread.median if spread else None)


def _range(spread: Spread | None) -> str:
    return f"{shown(spread.low)} to {shown(spread.high)}" if spread else "–"


def _variant_as_json(standing: Standing) -> dict[str, Any]:
    variant = standing.variant
    return {
        "variant": str(variant),
        "recipe": variant.name,
        "settings": {choice.setting: choice.value for choice in variant.choices},
        "size": variant.size,
        "validation": standing.validation and asdict(standing.validation),
        "test": standing.test and asdict(standing.test),
        "training_s": standing.training_s,
        "seeds": [_result_as_json(result) for result in standing.results],
    }


def _result_as_json(result: RunResult) -> dict[str, Any]:
    if not result.is_done:
        return {"seed": result.run.seed, "done": False, "reason": result.reason}
    return {
        "seed": result.run.seed,
        "done": True,
        "validation": result.validation,
        "test": result.test,
        "training_s": result.training_s,
        "epochs": result.epochs,
        "path": result.version_dir,
    }
