"""The command `vitrine-train rollback`: retires a model's newest version, or brings it back."""

from pathlib import Path

import click

from vitrine_client.errors import InvalidRequest
from vitrine_client.store.model_configs import ModelConfigs
from vitrine_training.cli import options
from vitrine_training.cli.options import console
from vitrine_training.publish import versions as publish


@click.command()
@options.model
@options.models_dir
@click.option("--undo", is_flag=True, help="Publish the version again that was rolled back last.")
@click.option("--force", is_flag=True, help="Retire it even if version labels name it.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a sentence.")
def rollback(model: str, models_dir: Path, undo: bool, force: bool, as_json: bool) -> None:
    """Retire the newest version of MODEL, so that the one before is served again.

    The retired version is kept, and a running model server needs no restart.

    It takes a version out of service. To make a version label name what it named before, with all
    versions served as they are: vitrine rollback MODEL.
    """
    if not (undo or force):
        _check_no_label(models_dir, model)
    try:
        newest = (publish.restore if undo else publish.rollback)(models_dir, model)
    except (publish.RollbackError, OSError) as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        options.print_json(options.version_of(newest))
    else:
        console.print(f"{newest} is the newest now")


def _check_no_label(models_dir: Path, model: str) -> None:
    """Raises `ClickException` where a version label names the newest version."""
    config, published = models_dir / "models.config", publish.versions(models_dir, model)
    if not published or not config.is_file():
        return
    newest = published[-1]
    try:
        labels = ModelConfigs.parse(config.read_bytes(), str(config)).labels_of(model, newest)
    except (OSError, InvalidRequest) as error:
        raise click.ClickException(
            f"{error}; whether a version label names {model}/{newest} cannot be told, and --force "
            "retires it all the same"
        ) from error
    if labels:
        first = "".join(f"; `vitrine rollback {model} --label {label}`" for label in labels)
        raise click.ClickException(
            f"{config} has {' and '.join(labels)} of {model} name version {newest}. Move "
            f"{'them' if len(labels) > 1 else 'it'} first{first}. With --force it is retired all "
            "the same, and who asks for a label that names it gets 404"
        )
