"""Results of runs that nobody has trained."""

from vitrine_training.models.recipes import RECIPES
from vitrine_training.sweep.plan import SweepRun, Variant
from vitrine_training.sweep.results import RunResult


def variant(name):
    return Variant(name, RECIPES[name])


def results(name, validation, *, training_s=1.0, first_seed=0):
    """Results by seed of a recipe; None is a run that failed."""
    return [
        RunResult(SweepRun(variant(name), seed), reason="Training diverged")
        if figure is None
        else RunResult(
            SweepRun(variant(name), seed),
            validation=figure,
            test=figure - 0.01,
            training_s=training_s,
            epochs=3,
        )
        for seed, figure in enumerate(validation, first_seed)
    ]
