"""Published models that benchmarks measure."""

from pathlib import Path

import click

from vitrine_training.publish import versions


def newest_version(models_dir: str | Path, model: str = "mlp") -> Path:
    """Returns the directory of a model's newest version, absolute. Raises `ClickException`."""
    try:
        return versions.latest(Path(models_dir).absolute(), model)
    except FileNotFoundError as error:
        raise click.ClickException(str(error)) from error
