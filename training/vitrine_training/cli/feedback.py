"""Feedback options of `vitrine-train train`: answers that people flagged as wrong, and what of them
is learnt."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click
from rich.table import Table
from rich.text import Text

from vitrine_training.cli import options
from vitrine_training.cli.batch import Batch
from vitrine_training.cli.options import console
from vitrine_training.data.feedback import flags, logged
from vitrine_training.data.idx import DataError
from vitrine_training.data.own.files import cut

if TYPE_CHECKING:
    from vitrine_training.data.feedback.learning import Learning
    from vitrine_training.run import Run
    from vitrine_training.tasks import Task

MOST_ROWS = 20
"""Rows of the table of changes."""

_LETTERS = 40

_NO_LOG = (
    "--with-feedback: the pictures are in the gateway's prediction log, so name that with "
    "--predictions; VITRINE_PREDICTION_LOG_IMAGES=1 keeps them there"
)


class GivenFeedback(NamedTuple):
    """Flags of all models, and the pictures that they are of."""

    flags: flags.FlaggedPictures
    logged: logged.Logged


feedback_options = options.adder(
    click.option(
        "--with-feedback",
        "feedback_files",
        multiple=True,
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Learn from answers that people flagged as wrong: the gateway's feedback file, and "
        "those beside it that it was rotated to (FILE.1, FILE.2). Validation and test stay as they "
        "are. May be given several times.",
    ),
    click.option(
        "--predictions",
        "prediction_logs",
        multiple=True,
        type=click.Path(path_type=Path),
        metavar="LOG",
        help="The gateway's prediction log with their pictures, which it keeps with "
        "VITRINE_PREDICTION_LOG_IMAGES=1. May be given several times.",
    ),
)
"""Adds the options of feedback to a command."""


def read(files: Sequence[Path], logs: Sequence[Path]) -> GivenFeedback | None:
    """Returns feedback, None where no option asks for it, or ends the command with advice."""
    if not files:
        if logs:
            raise click.UsageError("--predictions: it goes with --with-feedback")
        return None
    if not logs:
        raise click.UsageError(_NO_LOG)
    try:
        found = flags.read(files)
        return GivenFeedback(found, logged.read(logs, found.every))
    except DataError as error:
        raise click.ClickException(str(error)) from error


def taught(
    runs: "Sequence[tuple[Run, Task]]", feedback: GivenFeedback | None, batch: Batch
) -> "list[tuple[Run, Task]]":
    """Returns the runs with feedback in their tasks, and tells what they learn. One that has
    nothing to learn from it fails, and keeps no other from its turn."""
    if feedback is None:
        return list(runs)
    from vitrine_training.data.feedback.learning import learn
    from vitrine_training.tasks import Classification

    for note in (*feedback.flags.notes, *feedback.logged.notes):
        console.print(f"feedback: {note}", markup=False)
    found: list[tuple[Run, Task]] = []
    for run, task in runs:
        if not isinstance(task, Classification):  # a regression has no pictures
            found.append((run, task))
            continue
        model = run.recipe.model
        try:
            learning = learn(model, *feedback, task.base)
        except DataError as error:
            batch.fail(model, f"{model} was not trained: {error}")
            continue
        _tell(model, learning)
        if len(learning.examples):
            found.append((run, task.taught(learning)))
        else:
            batch.fail(model, f"{model} was not trained: {_nothing(feedback)}")
    return found


def _nothing(feedback: GivenFeedback) -> str:
    if feedback.flags.every:
        return "no flagged picture is left to learn from"
    return "nothing is flagged in the feedback"


def _tell(model: str, learning: "Learning") -> None:
    count, out = len(learning.examples), sum(learning.left_out.counts.values())
    console.print(
        f"feedback on {model}: {count:,} flagged pictures to learn from, {learning.added:,} of "
        f"them new; {learning.relabelled:,} rows that were there have another label now; {out:,} "
        "flags left out",
        markup=False,
    )
    for line in learning.left_out.told():
        console.print(f"  {line}", markup=False)
    if learning.changes:
        options.print_table(_changes(learning))
        if (more := len(learning.changes) - MOST_ROWS) > 0:
            console.print(f"  and {more:,} more rows")


def _changes(learning: "Learning") -> Table:
    """Returns the table of who says what of which answers, the most frequent first."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("  who", "it is", "answered"):
        table.add_column(heading)
    table.add_column("flags", justify="right")
    every = sorted(learning.changes.items(), key=lambda each: (-each[1], each[0]))
    for (key, label, answer), count in every[:MOST_ROWS]:
        names = (key or "(no key)", label, answer)
        cells = [Text(cut(name, _LETTERS)) for name in names]
        table.add_row(Text("  ") + cells[0], *cells[1:], f"{count:,}")
    return table
