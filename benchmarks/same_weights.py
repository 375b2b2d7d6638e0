"""Same weights: recipes trained by two builds, the working tree and an earlier commit.

`python -m benchmarks.same_weights --before COMMIT` trains each of RECIPES for a few epochs by
`vitrine-train` of both, one after the other, on Fashion-MNIST, and compares the weights that they
publish bit for bit. Exit code 1: some differ.
"""

import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import click
from rich.console import Console

from benchmarks.gateway.peers.builds import import_path, prepare_build
from harness.paths import ROOT
from vitrine_training.models.recipes import RECIPES
from vitrine_training.publish.gate import Tensor, weights_of

_MEMBERS = ("client", "serving", "training")
_CHOSEN = ("softmax", "mlp", "photo")


class TrainingFailedError(Exception):
    """A build trained no model; the message has its last words."""


def trained(recipe: str, epochs: int, build: dict[str, str]) -> list[Tensor]:
    """Trains in a process with the variables `build`, which say where to import from; returns the
    published weights. Raises `TrainingFailedError`."""
    with tempfile.TemporaryDirectory() as models_dir:
        words = ("train", recipe, "--seed", "0", "--hard-pictures", "0", "--epochs", str(epochs))
        done = subprocess.run(
            [sys.executable, "-P", "-m", "vitrine_training", *words, "--models-dir", models_dir],
            env=os.environ | build,
            cwd=models_dir,
            capture_output=True,
            text=True,
        )
        found = list(Path(models_dir).glob("*/1"))
        if done.returncode or len(found) != 1:
            raise TrainingFailedError((done.stdout + done.stderr).strip()[-1000:])
        return weights_of(found[0])


def differing(before: Sequence[Tensor], now: Sequence[Tensor]) -> int:
    """Returns how many tensors of either have no equal one, bit for bit, in the other."""
    found, wanted = Counter(before), Counter(now)
    return max((found - wanted).total(), (wanted - found).total())


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
            others = differing(*found)
            said = f"{others} differ" if others else "all the same, bit for bit"
            console.print(f"{recipe}, {epochs} epochs, {len(found[0])} tensors: {said}")
            failed = failed or others > 0
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
