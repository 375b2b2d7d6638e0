"""The command `vitrine-train import`: a classifier that was trained elsewhere, as a version."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from vitrine_client.process import signals
from vitrine_client.results.profiles.completion import LABELS_FILE
from vitrine_client.results.profiles.profile import (
    FITS,
    KINDS,
    LABELS_MEMBER,
    POLARITIES,
    RESIZES,
    SCALINGS,
    ProfileError,
)
from vitrine_client.store import generated_config, profile_files, shared_files
from vitrine_training.cli import options
from vitrine_training.cli.options import console
from vitrine_training.data import fashion_mnist as data

if TYPE_CHECKING:
    from vitrine_client.results.profiles.completion import ProfileLayer
    from vitrine_training.imports.inspection import Inspected
    from vitrine_training.imports.loading import ForeignModel
    from vitrine_training.imports.measurement import DataToMeasureBy
    from vitrine_training.imports.publication import Importing
    from vitrine_training.publish.archive import Card

_BY_CHANNEL = "mean/std"


class NumberList(click.ParamType[tuple[float, ...]]):
    """Numbers, separated by commas."""

    name = "NUMBERS"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, ...]:
        """Reads `0.5,0.5,0.5`."""
        try:
            return tuple(float(word) for word in value.split(","))
        except ValueError:
            self.fail("write numbers as in 0.5,0.5,0.5", param, ctx)


@click.command("import")
@click.argument("model", type=click.Path(exists=True, path_type=Path))
@click.option("--as", "name", metavar="NAME", required=True, help="Publish as a version of NAME.")
@options.models_dir
@click.option(
    "--labels",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A text file with the classes' labels in the order of their numbers, one a line.  "
    "[default: what the model or a labels.txt beside it says, the folders of --test-data, numbers]",
)
@click.option(
    "--scale",
    type=click.Choice(SCALINGS),
    help="What levels of 0 to 255 become before the model sees them.  [default: by the model's "
    "first layer or the dtype of its input, else 0..1]",
)
@click.option(
    "--mean", type=NumberList(), help="Of each channel, in 0..1, with --std: as torchvision."
)
@click.option("--std", type=NumberList(), help="Of each channel: (level / 255 - mean) / std.")
@click.option(
    "--fit",
    type=click.Choice(FITS),
    help="How a picture gets the model's size: its item alone, as in Fashion-MNIST; its largest "
    "part; all of it between bars; all of it, stretched.  [default: item for 28x28 grey, else "
    "stretch]",
)
@click.option(
    "--resize",
    type=click.Choice(RESIZES),
    help="The filter of its training; bilinear is that of image_dataset_from_directory.  [default: "
    "bilinear]",
)
@click.option(
    "--polarity",
    type=click.Choice(POLARITIES),
    help="negative: the model knows pictures with dark and light exchanged.  [default: as is]",
)
@click.option(
    "--signature", help="The signature of a SavedModel to take.  [default: serving_default]"
)
@click.option("--output", help="The output with a number for each class, where there are several.")
@click.option(
    "--kind",
    type=click.Choice(KINDS),
    help="What those numbers are; binary is a single one in 0..1, of two classes.  [default: seen "
    "in answers]",
)
@click.option(
    "--test-data",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A folder with a folder of pictures for each class, named by its label: for the accuracy "
    "in the card, for the comparison with the version before, and to watch drift.",
)
@click.option("--fashion-mnist", is_flag=True, help="Measure by Fashion-MNIST in its place.")
@options.data_dir
@click.option(
    "--force",
    is_flag=True,
    help="Publish it even if it is worse, the same, or if that cannot be told.",
)
@click.option(
    "--allow-code",
    is_flag=True,
    help="Turn Keras' safe mode off: code that is in the file, as in Lambda layers, is run, with "
    "all that you may do.",
)
@options.as_json
def import_model(model: Path, name: str, models_dir: Path, as_json: bool, **given: Any) -> None:
    """Import MODEL, an image classifier that was trained elsewhere, and publish it.

    MODEL is a .keras or .h5 file of Keras, or the folder of a SavedModel.

    \b
    vitrine-train import cnn.keras --labels labels.txt --scale 0..1 --as clothes
    vitrine-train import exported/ --as flowers --test-data photos/validation
    vitrine-train import net.keras --as cats --mean 0.485,0.456,0.406 --std 0.229,0.224,0.225

    It is loaded, asked about made-up pictures, written with the signatures of our own classifiers
    (pictures, encoded pictures, explanations, a description), compared with what it answered
    before, and published whole or not at all. What had to be assumed is said: check it, as a model
    that gets pictures otherwise than in its training answers, and is wrong. A model that answers at
    random or changes while it is served is refused; Keras' own random layers are turned off.

    A model is a program. A SavedModel may do what TensorFlow can, files included: import those
    whose makers you trust. Of .keras files, --allow-code is needed for code in them.

    Exit code 1: it is refused, or worse than the version before.
    """
    options.check_name(name)
    click.get_current_context().with_resource(options.notes_on_stderr(as_json))
    members = _members(given)
    console.print("Starting TensorFlow", style="dim")
    with signals.importing():
        from vitrine_training.publish.gate import SameModel

    try:
        version_dir, card = _published(model, name, models_dir, given, members)
    except SameModel as same:
        reason = f"the same model as {same.version_dir}: not published again (--force does)"
        _tell(as_json, {"model": name, "published": False, "reason": reason}, reason)
        return
    except click.ClickException:
        raise
    except Exception as error:  # of the model's own code and TensorFlow's, too
        _give_up(as_json, name, _reason(name, error))
    _tell(as_json, _outcome(version_dir, card), _summary(card))
    console.print(f"published as {version_dir} after {card['duration_s']:.1f} s")
    _tell_how_to_serve(models_dir / "models.config", name)


def _tell_how_to_serve(config: Path, name: str) -> None:
    if not generated_config.is_named(config, name):
        console.print(generated_config.how_to_serve(config, name))


def _give_up(as_json: bool, name: str, reason: str) -> NoReturn:
    if as_json:
        options.print_json({"model": name, "published": False, "reason": reason})
    click.echo(f"Error: {reason}", err=True)
    sys.exit(1)


def _reason(name: str, error: Exception) -> str:
    """Returns in a sentence why a model was not imported."""
    from vitrine_training.imports import ImportRefused
    from vitrine_training.publish.archive import ExportError
    from vitrine_training.publish.gate import WorseModel
    from vitrine_training.publish.incumbent import Incomparable
    from vitrine_training.publish.wholeness import first_line

    if isinstance(error, ImportRefused | WorseModel | Incomparable | ExportError):
        return str(error)
    if isinstance(error, OSError):
        return f"{name} was not published: {error}"
    return f"{name} was not published: {type(error).__name__}: {first_line(error)}"


def _outcome(version_dir: Path, card: "Card") -> dict[str, Any]:
    """Returns what `--json` prints."""
    told = ("metrics", "labels", "profile", "notes")
    found = {member: card[member] for member in told if member in card}
    return {**options.version_of(version_dir), "published": True, **found}


def _members(given: dict[str, Any]) -> dict[str, Any]:
    """Returns the members of a profile that options say. Raises `click.UsageError`."""
    if bool(given["mean"]) != bool(given["std"]):
        raise click.UsageError("--mean and --std go together")
    if given["mean"] and given["scale"] not in (None, _BY_CHANNEL):
        raise click.UsageError(
            f"--mean and --std are a scale of their own: leave out --scale {given['scale']}"
        )
    if given["scale"] == _BY_CHANNEL and not given["mean"]:
        raise click.UsageError(f"--scale {_BY_CHANNEL} wants --mean and --std")
    if given["fashion_mnist"] and given["test_data"]:
        raise click.UsageError("--fashion-mnist and --test-data exclude each other")
    if options.was_typed("data_dir") and not given["fashion_mnist"]:
        raise click.UsageError(
            "--data-dir is where --fashion-mnist looks: add that, or leave it out"
        )
    members = {
        "scaling": _BY_CHANNEL if given["mean"] else given["scale"],
        **{each: given[each] for each in ("mean", "std", "fit", "resize", "polarity")},
        **{each: given[each] for each in ("signature", "output", "kind")},
        LABELS_MEMBER: _labels(given["labels"]),
    }
    return {member: value for member, value in members.items() if value is not None}


def _labels(path: Path | None) -> tuple[str, ...] | None:
    if path is None:
        return None
    try:
        text = shared_files.content_of(path, profile_files.MOST_BYTES).decode()
        (layer,) = profile_files.layers({LABELS_FILE: text})
    except (ProfileError, UnicodeDecodeError) as error:
        raise click.BadParameter(f"{path}: {error}", param_hint="--labels") from error
    except OSError as error:
        reason = error.strerror or error
        raise click.BadParameter(f"{path}: {reason}", param_hint="--labels") from error
    found: tuple[str, ...] = layer.members[LABELS_MEMBER]
    return found


def _published(
    path: Path, name: str, models_dir: Path, given: dict[str, Any], members: dict[str, Any]
) -> "tuple[Path, Card]":
    from vitrine_training.imports.inspection import inspected
    from vitrine_training.imports.loading import load
    from vitrine_training.imports.publication import publish_import

    dataset = options.load(given["data_dir"]) if given["fashion_mnist"] else None
    console.print(f"loading {path}")
    loaded = load(path, allow_code=given["allow_code"])
    console.print("asking it about made-up pictures")
    found = inspected(loaded, members, _last(given["test_data"], dataset))
    job = _job(path, name, models_dir, given, loaded, found, dataset)
    return publish_import(job, lambda text: console.print(text))


def _last(test_data: Path | None, dataset: data.Dataset | None) -> "ProfileLayer | None":
    """Returns the labels that the data to measure by has."""
    from vitrine_client.results.profiles.completion import ProfileLayer
    from vitrine_training.imports.measurement import class_folders

    if dataset is not None:
        return ProfileLayer("Fashion-MNIST", {LABELS_MEMBER: tuple(data.LABELS)})
    if test_data is None:
        return None
    return ProfileLayer(
        str(test_data), {LABELS_MEMBER: tuple(e.name for e in class_folders(test_data))}
    )


def _job(
    path: Path,
    name: str,
    models_dir: Path,
    given: dict[str, Any],
    loaded: "ForeignModel",
    found: "Inspected",
    dataset: data.Dataset | None,
) -> "Importing":
    from vitrine_training.imports.measurement import ImportJudge
    from vitrine_training.imports.publication import Importing

    profile, labels = found.served.profile, found.served.labels
    measured_by = _test_data(found, given["test_data"], dataset)
    judge = ImportJudge(labels, profile, measured_by, Bar("measuring"))
    force = given["force"]
    return Importing(path, loaded.format, name, models_dir, force, found, judge, loaded.held)


def _test_data(
    found: "Inspected", test_data: Path | None, dataset: data.Dataset | None
) -> "DataToMeasureBy | None":
    from vitrine_training.imports.measurement import of_fashion_mnist, of_folder

    profile, labels = found.served.profile, found.served.labels
    if dataset is not None:
        return of_fashion_mnist(dataset, profile)
    if test_data is None:
        return None
    return of_folder(test_data, profile, labels, Bar("reading pictures"))


class Bar:
    """Progress bar on a terminal, for as long as it is told of pictures; nothing elsewhere."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._progress: Progress | None = None

    def __call__(self, done: int, count: int) -> None:
        """Shows how many pictures are done, of `count`."""
        if self._progress is None:
            columns = (TextColumn("{task.description}"), MofNCompleteColumn(), BarColumn())
            self._progress = Progress(
                *columns, console=console, transient=True, disable=not console.is_terminal
            )
            self._progress.start()
            self._progress.add_task(self._text, total=count)
        self._progress.update(self._progress.task_ids[0], completed=done)
        if done >= count:
            self._progress.stop()
            self._progress = None


def _summary(card: "Card") -> str:
    """Returns the last lines on what was imported."""
    profile, metrics = card["profile"], card.get("metrics", {})
    shape = "x".join("free" if size is None else str(size) for size in profile["shape"])
    lines = [
        f"{card['model']}: {shape} {profile['dtype']} pictures, {profile['scaling']}, "
        f"{len(card['labels'])} classes"
    ]
    if "test_accuracy" in metrics:
        measured = card["measured_on"]
        lines.append(
            f"  test accuracy {metrics['test_accuracy']:.4f} on {measured['pictures']:,} pictures "
            f"of {measured['source']}"
        )
    return "\n".join(lines + [f"  {note}" for note in card["notes"]])


def _tell(as_json: bool, outcome: dict[str, Any], text: str) -> None:
    """Prints how it went."""
    console.print(text)
    if as_json:
        options.print_json(outcome)
