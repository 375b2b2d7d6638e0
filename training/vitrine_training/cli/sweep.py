"""The command `vitrine-train sweep`: trains variants with several seeds and compares them."""

import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from vitrine_client.process import processors
from vitrine_client.process.exit_codes import NotBegun
from vitrine_training.cli import options, own_data
from vitrine_training.cli.sweep_report import SweepReport, train_all
from vitrine_training.cli.sweep_values import Seeds, Sizes, Vary, check_settings
from vitrine_training.cli.train import check_needed, varied
from vitrine_training.data.fashion_mnist import SIDE
from vitrine_training.models.recipes import RECIPES
from vitrine_training.sweep import plan, training
from vitrine_training.sweep.folder import SweptData, UnusableFolderError, claimed
from vitrine_training.sweep.plan import Choice, SweepRun, Variant
from vitrine_training.sweep.results import LOSS, measure_of

MOST_RUNS = 200
"""Runs of a sweep unless somebody asks for more: a number of values too many is an hour."""

MOST_PROCESSES = 8
"""Runs at a time unless somebody asks for more: each needs about a gigabyte of memory."""

_SPLIT_SEED = 0
"""Seed of the parts whose checksums tell the data of a sweep."""


@dataclass(frozen=True)
class Data:
    """Options that say what data a sweep is of, as they were typed."""

    own_path: Path | None
    data_dir: Path | None
    sizes: tuple[int, ...]
    fit: str
    label_column: str

    @property
    def words(self) -> list[str]:
        """Words of `train`'s command line, but the size."""
        words = [] if self.own_path is None else ["--data", str(self.own_path)]
        for name in filter(options.was_typed, ("data_dir", "fit", "label_column")):
            words += [f"--{name.replace('_', '-')}", str(getattr(self, name))]
        return words


@click.command()
@click.argument("recipes", nargs=-1, type=click.Choice(list(RECIPES)), metavar="RECIPE...")
@own_data.reading_options
@click.option(
    "--sizes",
    "--size",
    "size",
    type=Sizes(),
    default=str(SIDE),
    show_default=True,
    help="Sizes to try that picture files get, as in 28,32; arrays have their own.",
)
@options.data_dir
@click.option(
    "--vary",
    type=Vary(),
    multiple=True,
    help="Setting of `train` with the values to try: learning-rate=0.1,0.03, flip=yes,no, or "
    "'hidden-units=256;512,256;none'; one value holds for all runs.",
)
@click.option(
    "--seeds",
    type=Seeds(),
    default="0-2",
    show_default=True,
    help="Seeds of each variant, as in 0-4 or 0,1,7.",
)
@click.option(
    "--processes",
    type=click.IntRange(1, 256),
    help=f"Runs at a time, about a gigabyte of memory each.  [default: one a processor, "
    f"{MOST_PROCESSES} at most]",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("sweep"),
    show_default=True,
    help="Folder for the runs and the page; the same command goes on in it.",
)
@click.option("--as", "name", metavar="MODEL", help="Name that the best is to be published under.")
@click.option(
    "--most-runs",
    type=click.IntRange(1, 100_000),
    default=MOST_RUNS,
    show_default=True,
    help="Refuse to begin more runs than that.",
)
@options.as_json
def sweep(
    recipes: tuple[str, ...],
    own_path: Path | None,
    size: tuple[int, ...],
    fit: str,
    label_column: str,
    data_dir: Path | None,
    vary: tuple[tuple[Choice, ...], ...],
    seeds: tuple[int, ...],
    processes: int | None,
    out: Path,
    name: str | None,
    most_runs: int,
    as_json: bool,
) -> None:
    """Train variants of RECIPES with several seeds each, and say which one is the best.

    \b
    vitrine-train sweep softmax mlp mlp-best
    vitrine-train sweep mlp --data fruit --sizes 28,64 --seeds 0-4
    vitrine-train sweep mlp --vary learning-rate=0.1,0.03 --vary 'hidden-units=256;512,256'

    Every combination of recipe, size and values is a variant. Each run is what `vitrine-train
    train` does, to the same weights, in a process and with a models folder of its own: nothing that
    is served changes. Variants are compared by the median of validation accuracy over their seeds;
    the test set is shown, and chooses nothing. At the end is the command that publishes the best.

    What is done stays in --out: the same command goes on after an interruption, and with more
    seeds, values or sizes it trains those alone. Runs that failed are tried again. --out also gets
    a page, sweep.html, with a dot for every seed.

    Exit code 1: a run failed; the others are compared all the same.
    """
    own_data.check_unused(own_path)
    data = Data(own_path, data_dir, size, fit, label_column)
    check_settings(vary)
    names = _names(recipes, data)
    _check_count(plan.count(names, data.sizes, *vary, seeds), most_runs)
    variants = _variants(names, data, vary, name)
    runs = plan.runs(variants, seeds)
    if as_json:
        click.get_current_context().with_resource(options.notes_on_stderr(as_json))
    swept = _checked_data(data, variants)
    at_a_time = processes or min(processors.usable(), MOST_PROCESSES, len(runs))
    trainer = training.Trainer(out, lambda run: _words(run, data), at_a_time)
    try:
        with claimed(out, swept):
            report = SweepReport(out, runs, at_a_time, swept.source)
            report.command = lambda run: _command(run, data, name)
            train_all(trainer, report, as_json=as_json)
    except UnusableFolderError as error:
        raise NotBegun(f"--out: {error}") from error
    sys.exit(1 if report.failed else 0)


def _names(recipes: tuple[str, ...], data: Data) -> tuple[str, ...]:
    """Returns the names of the recipes, each of which is for the data."""
    if len(set(recipes)) < len(recipes):
        twice = next(name for name in recipes if recipes.count(name) > 1)
        raise click.UsageError(f"{twice} is there twice")
    if data.own_path is not None:
        return tuple(own_data.recipe_of((name,)) for name in recipes) or (own_data.recipe_of(()),)
    if not recipes:
        raise click.UsageError(
            "name the recipes to compare, as in `vitrine-train sweep softmax mlp`"
        )
    return recipes


def _variants(
    names: Sequence[str], data: Data, vary: Sequence[tuple[Choice, ...]], model: str | None
) -> list[Variant]:
    """Returns all variants, each of which `train` would take."""
    of_own = data.own_path is not None
    if data.own_path is not None:
        own_data.check_settings(choices[0].setting for choices in vary)
        model = own_data.name_of(data.own_path, model)
    typed = options.was_typed("size")
    sizes: tuple[int | None, ...] = data.sizes if typed else (None,)
    found = [
        Variant(name, recipe, choices, size)
        for choices in plan.combined(vary)
        for name in names
        for recipe in varied(
            (name,), {each.setting: each.value for each in choices}, model, of_own=of_own
        )
        for size in sizes
    ]
    check_needed([variant.recipe for variant in found])
    if len({measure_of(variant) for variant in found}) > 1:
        raise click.UsageError("linear has a loss and no accuracy: sweep it without the others")
    if same := plan.alike(found):
        raise click.UsageError(f"{same[0]} and {same[1]} are the same training: leave one out")
    return found


def _check_count(runs: int, most_runs: int) -> None:
    if runs > most_runs:
        raise click.UsageError(
            f"these are {runs:,} runs, and --most-runs allows {most_runs:,}: name fewer values or "
            "seeds, or allow more"
        )


def _checked_data(data: Data, variants: Sequence[Variant]) -> SweptData:
    """Returns the data of a sweep, with the checks of `train`. Own pictures are decoded here, once
    for each size: the runs find them in the cache."""
    if data.own_path is not None:
        return _own(data.own_path, data, variants)
    if all(measure_of(variant) is LOSS for variant in variants):
        return SweptData("synthetic data", {}, {})
    dataset = options.load(data.data_dir)
    return SweptData("Fashion-MNIST", {}, {str(SIDE): dict(dataset.checksums)})


def _own(path: Path, data: Data, variants: Sequence[Variant]) -> SweptData:
    checksums = {}
    for size in data.sizes:
        found = own_data.load(
            path, _SPLIT_SEED, size=size, fit=data.fit, label_column=data.label_column
        )
        checksums[str(size)] = dict(found.checksums)
        for variant in variants:
            if variant.size in (size, None):
                own_data.fitted(variant.recipe, found, is_given=variant.is_given)
    first = variants[0]
    decided = first.is_given("class_weights")
    own_data.advise_weights("--vary class-weights=yes", first.recipe, found, is_given=decided)
    reading = {"fit": data.fit, "label_column": data.label_column}
    return SweptData(str(path.resolve()), reading, checksums)


def _words(run: SweepRun, data: Data) -> list[str]:
    """Returns the words after `vitrine-train train` by which a run is trained."""
    words = [*run.variant.words, *data.words, "--seed", str(run.seed), "--json"]
    if data.own_path is not None:
        words += ["--as", run.variant.recipe.model]
    elif measure_of(run.variant) is not LOSS:
        words += ["--hard-pictures", "0"]  # they choose nothing, and take seconds
    return words


def _command(run: SweepRun, data: Data, model: str | None) -> str:
    """Returns the command that publishes what a run has trained."""
    words = ["vitrine-train", "train", *run.variant.words, *data.words, "--seed", str(run.seed)]
    return shlex.join([*words, *(["--as", model] if model else [])])
