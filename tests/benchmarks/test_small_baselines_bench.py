"""How the benchmark of small baselines draws and counts."""

import numpy as np
import pytest

from benchmarks.small_baselines import FEWER, KINDS, Population, measured


@pytest.fixture(scope="module")
def population(training_run, dataset):
    """Two classes of clothes, as a trained model answers."""
    return Population(training_run.models_dir / "mlp" / "1", dataset.test, (2, 4))


def test_baselines_have_all_classes(population):
    drawn = population.drawn(56, np.random.default_rng(0))
    assert len({*drawn}) == 56
    assert {*population.labels[drawn]} == {0, 1}
    np.testing.assert_allclose(population.outputs.sum(axis=1), 1)


def test_windows_are_counted_by_kind_and_size(population):
    found = measured(population, 56, baselines=1, windows=5)
    assert set(found) == {"", *KINDS, FEWER}
    (rate,) = found["inverted"][100]["gateway"]
    assert rate == 1
    assert found[""][100]["plain"] == [0]
