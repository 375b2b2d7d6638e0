"""Batch: recipes trained one after the other, whatever becomes of each of them."""

import textwrap
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from vitrine_client.store import generated_config
from vitrine_training.cli import options, summary
from vitrine_training.cli.options import console

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vitrine_training.fit.loop import Epoch, State
    from vitrine_training.run import Run
    from vitrine_training.tasks import Task

Outcome = dict[str, Any]
"""Outcome of a recipe, as `--json` prints it."""

LINES = 20
"""At most about so many epochs of a run are printed; the bar shows the others."""


REASON_WIDTH = 80
"""Of the table; a reason is told in full where it comes up."""


class Batch:
    """Runs of a command. `outcomes` has one for each that was begun or left alone; `failed` says
    whether one missed its goal."""

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []
        self.failed = False

    def leave_alone(self, model: str, reason: str) -> None:
        """Notes a model that nothing is published of, and why."""
        self.outcomes.append({"model": model, "published": False, "reason": reason})

    def fail(self, model: str, reason: str) -> None:
        """Notes and tells the reason why a model was not trained or published."""
        self.failed = True
        self.leave_alone(model, reason)
        click.echo(f"Error: {reason}", err=True)

    def train(self, runs: "Sequence[tuple[Run, Task]]") -> None:
        """Trains and publishes by each run; those that fail keep no other from its turn."""
        for number, (run, task) in enumerate(runs):
            try:
                self._train(run, task)
            except SystemExit:  # a signal
                self.leave_alone(run.recipe.model, "interrupted")
                for left, _ in runs[number + 1 :]:
                    self.leave_alone(left.recipe.model, "not begun: interrupted")
                raise

    def _train(self, run: "Run", task: "Task") -> None:
        from vitrine_training.fit.loop import Diverged
        from vitrine_training.publish.archive import ExportError
        from vitrine_training.publish.gate import SameModel, WorseModel
        from vitrine_training.publish.incumbent import Incomparable
        from vitrine_training.publish.wholeness import first_line

        model = run.recipe.model
        console.print(f"\n[bold]{model}[/]: {run.recipe.summary}; seed {run.seed}")
        try:
            started = time.monotonic()
            version_dir, card = _trained(run, task)
            self._published(run, version_dir, card, time.monotonic() - started)
        except SameModel as same:
            summary.show(run.recipe, same.card)
            console.print(f"  {same}")
            self.leave_alone(model, str(same))
        except (Diverged, WorseModel, Incomparable, ExportError) as error:
            self.fail(model, str(error))
        except OSError as error:
            self.fail(model, f"{model} was not published: {error}")
        except Exception as error:  # TensorFlow's, as of too little memory, keeps no other back
            reason = f"{type(error).__name__}: {first_line(error)}"
            self.fail(model, f"{model} was not published: {reason}")

    def _published(
        self, run: "Run", version_dir: Path, card: dict[str, Any], duration_s: float
    ) -> None:
        told: Outcome = {
            name: card[name]
            for name in ("metrics", "verdict", "robustness", "feedback")
            if name in card
        }
        version = options.version_of(version_dir)
        self.outcomes.append(
            {**version, "published": True, "duration_s": round(duration_s, 3), **told}
        )
        summary.show(run.recipe, card)
        console.print(f"  published as {version_dir} after {duration_s:.1f} s")
        config = version_dir.parent.parent / "models.config"
        if not generated_config.is_named(config, run.recipe.model):
            console.print(f"  {generated_config.how_to_serve(config, run.recipe.model)}")

    def table(self) -> Table:
        """Returns a line for each outcome."""
        table = Table(box=None, pad_edge=False, header_style="dim")
        for heading in ("model", "test accuracy", "verdict", ""):
            table.add_column(heading)
        for outcome in self.outcomes:
            accuracy = outcome.get("metrics", {}).get("test_accuracy")
            table.add_row(
                outcome["model"],
                "" if accuracy is None else f"{accuracy:.4f}",
                outcome.get("verdict", {}).get("word", ""),
                f"published as {outcome['path']}"
                if outcome["published"]
                else f"not published: {_short(outcome)}",
            )
        return table


def _short(outcome: Outcome) -> str:
    reason = outcome["reason"].removeprefix(f"{outcome['model']} was not published: ")
    return textwrap.shorten(reason, REASON_WIDTH, placeholder=" …")


def _trained(run: "Run", task: "Task") -> tuple[Path, dict[str, Any]]:
    """Trains with a bar and a line for some of the epochs."""
    from vitrine_training.run import NotKept, RunListener, train_and_publish

    columns = (TextColumn("  epoch"), MofNCompleteColumn(), BarColumn(), TimeRemainingColumn())
    epochs = run.recipe.epochs
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as progress:
        bar = progress.add_task("", total=epochs)

        def on_start(state: "State | None") -> None:
            if state:
                console.print(f"  goes on after epoch {len(state.history)}, from its checkpoint")
                progress.update(bar, completed=len(state.history))

        def on_epoch(epoch: "Epoch") -> None:
            progress.update(bar, completed=epoch.number)
            if epoch.number % -(-epochs // LINES) == 0 or epoch.number in (1, epochs):
                console.print(_line(epoch, epochs))

        listener = RunListener(on_start, on_epoch, lambda text: console.print(f"  {text}"))
        try:
            return train_and_publish(run, task, listener)
        except NotKept as end:
            click.echo(f"Interrupted; its last epochs could not be kept: {end.reason}", err=True)
            raise
        except SystemExit:  # a signal
            click.echo(_how_to_go_on(int(progress.tasks[bar].completed)), err=True)
            raise


def _how_to_go_on(epochs: int) -> str:
    if not epochs:
        return "Interrupted in the first epoch; the same command begins again"
    return f"Interrupted; the same command goes on after epoch {epochs}"


def _line(epoch: "Epoch", epochs: int) -> str:
    line = f"  epoch {epoch.number:{len(str(epochs))}}/{epochs}   loss {epoch.train_loss:.4f}   "
    if epoch.validation_accuracy is None:
        line += f"validation loss {epoch.validation_loss:.4f}"
    else:
        line += f"train {epoch.train_accuracy:.4f}   validation {epoch.validation_accuracy:.4f}"
    return f"{line}   {epoch.duration_s:.2f} s"
