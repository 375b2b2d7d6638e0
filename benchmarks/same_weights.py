"""Same weights: recipes trained by two builds, the working tree and an earlier commit.

`python -m benchmarks.same_weights --before COMMIT` trains each of RECIPES for a few epochs by
`vitrine-train` of both, one after the other, on Fashion-MNIST, and compares the weights that they
publish bit for bit. Exit code 1: some differ.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import click
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from rich.console import Console

from benchmarks.gateway.peers.builds import import_path, prepare_build
from harness.paths import ROOT
from vitrine_training.models.recipes import RECIPES

Weights = dict[str, npt.NDArray[np.generic]]

_MEMBERS = ("client", "serving", "training")
_CHOSEN = ("softmax", "mlp", "photo")


class TrainingFailedError(Exception):
    """A build trained no model; the message has its last words."""


def trained(recipe: str, epochs: int, build: dict[str, str]) -> Weights:
    """Trains in a process with the variables `build`, which say where to import from; returns the
    published weights by name. Raises `TrainingFailedError`."""
    with tempfile.TemporaryDirectory() as models_dir:
        words = ("train", recipe, "--seed", "0", "--hard-pictures", "0", "--epochs", str(epochs))
        done = subprocess.run(
            [sys.executable, "-P", "-m", "vitrine_training", *words, "--models-dir", models_dir],
            env=os.environ | build,
            cwd=models_dir,
            capture_output=True,
            text=True,
        )
        found = list(Path(models_dir).glob("*/1/variables/variables.index"))
        if done.returncode or len(found) != 1:
            raise TrainingFailedError((done.stdout + done.stderr).strip()[-1000:])
        return weights_of(found[0].with_suffix(""))


def weights_of(variables: Path) -> Weights:
    """Returns the tensors of a checkpoint by name."""
    reader = tf.train.load_checkpoint(str(variables))
    names = [name for name in reader.get_variable_to_shape_map() if "OBJECT_GRAPH" not in name]
    return {name: reader.get_tensor(name) for name in names}


def differing(before: Weights, now: Weights) -> list[str]:
    """Returns the names of tensors that are not the same bit for bit, or are in one alone."""
    return sorted(
        name
        for name in before.keys() | now.keys()
        if name not in before or name not in now or not _are_same(before[name], now[name])
    )


def _are_same(one: npt.NDArray[np.generic], other: npt.NDArray[np.generic]) -> bool:
    return (one.shape, one.dtype) == (other.shape, other.dtype) and one.tobytes() == other.tobytes()


def working_tree() -> dict[str, str]:
    """Returns the variables with which a process imports the working tree's members."""
    return {"PYTHONPATH": os.pathsep.join(str(ROOT / member) for member in _MEMBERS)}


@click.command()
@click.argument("recipes", nargs=-1, type=click.Choice(list(RECIPES)), metavar="[RECIPE]...")
@click.option("--before", required=True, metavar="COMMIT", help="The earlier build.")
@click.option("--epochs", default=2, show_default=True, help="Of each training.")
def main(recipes: tuple[str, ...], before: str, epochs: int) -> None:
    """Train RECIPES (softmax, mlp and photo) by two builds, and compare their weights."""
    console = Console(highlight=False)
    failed = False
    with tempfile.TemporaryDirectory() as cache:
        if refused := prepare_build(before, Path(cache), console):
            raise click.ClickException(refused)
        for recipe in recipes or _CHOSEN:
            try:
                found = [
                    trained(recipe, epochs, build)
                    for build in (import_path(before, Path(cache)), working_tree())
                ]
            except TrainingFailedError as error:
                raise click.ClickException(f"{recipe}: {error}") from error
            names, count = differing(*found), len(found[0])
            said = (
                f"{len(names)} differ: {', '.join(names)}" if names else "all the same, bit for bit"
            )
            console.print(f"{recipe}, {epochs} epochs, {count} tensors: {said}", markup=False)
            failed = failed or bool(names)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
