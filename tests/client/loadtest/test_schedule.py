"""When requests of an open loop are due."""

import itertools

import numpy as np
import pytest

from vitrine_client.loadtest.generator.schedule import due_times
from vitrine_client.loadtest.plan import Open, Phase


def due(load: Open, **share: int) -> np.ndarray:
    """All due times of a schedule, or of a process's share of it."""
    return np.concatenate([np.empty(0), *due_times(load, **share)])


def test_constant_gaps_are_all_the_same():
    """100 a second for two seconds are 200, 10 ms apart, none at the very edges."""
    times_s = due(Open((Phase(2, 100, 100),), "constant"))
    assert times_s == pytest.approx(np.arange(200) / 100 + 0.005)


def test_arrivals_by_chance_are_poisson():
    """The gaps are exponential: mean and standard deviation are the same, so is the share of short
    ones; and what one second brings says nothing of the next."""
    times_s = due(Open((Phase(200, 500, 500),)))
    gaps_s = np.diff(times_s)
    assert len(times_s) == pytest.approx(100_000, rel=0.01)
    assert gaps_s.mean() == pytest.approx(1 / 500, rel=0.01)
    assert gaps_s.std() == pytest.approx(1 / 500, rel=0.02)
    assert (gaps_s < 1 / 500).mean() == pytest.approx(1 - np.exp(-1), abs=0.01)
    counts = np.bincount(times_s.astype(int))
    assert abs(np.corrcoef(counts[:-1], counts[1:])[0, 1]) < 0.25


@pytest.mark.parametrize("arrivals", ["constant", "poisson"])
def test_a_ramp_has_the_rate_of_its_line(arrivals):
    """From 0 to 1,000 a second in ten seconds and back: the n-th second has its share of the area
    under the line."""
    times_s = due(Open((Phase(10, 0, 1000), Phase(10, 1000, 0)), arrivals))
    up = np.arange(10) * 100 + 50
    assert np.bincount(times_s.astype(int), minlength=20) == pytest.approx(
        np.concatenate([up, up[::-1]]), abs=0.6 if arrivals == "constant" else 120
    )
    assert (np.diff(times_s) >= 0).all()


def test_steps_and_pauses_follow_each_other():
    """A phase of no requests is a pause; one without length is nothing."""
    load = Open(
        (Phase(1, 50, 50), Phase(0, 9, 9), Phase(2, 0, 0), Phase(1, 200, 200), Phase(1, 0, 0)),
        "constant",
    )
    assert np.bincount(due(load).astype(int)).tolist() == [50, 0, 0, 200]


@pytest.mark.parametrize("phases", [(), (Phase(3, 0, 0),), (Phase(0, 10, 10),)])
def test_nothing_may_be_due(phases):
    """No phase, no rate or no time are no error, and no request."""
    assert len(due(Open(phases))) == 0


@pytest.mark.parametrize("arrivals", ["constant", "poisson"])
def test_processes_share_one_schedule(arrivals):
    """What three processes send is together exactly what one alone sends, in turns."""
    load = Open((Phase(4, 900, 1500), Phase(1, 77, 77)), arrivals, seed=3)
    whole = due(load)
    shares = [due(load, first=first, step=3) for first in range(3)]
    assert np.array_equal(np.sort(np.concatenate(shares)), whole)
    assert all(np.array_equal(share, whole[first::3]) for first, share in enumerate(shares))


def test_a_seed_is_a_schedule():
    """The same seed gives the same arrivals, another one others."""
    phases = (Phase(2, 100, 100),)
    assert np.array_equal(due(Open(phases, seed=1)), due(Open(phases, seed=1)))
    assert not np.array_equal(due(Open(phases, seed=1))[:50], due(Open(phases, seed=2))[:50])


def test_a_year_needs_no_memory():
    """The first requests of 31 billion are there at once."""
    chunks = due_times(Open((Phase(365 * 86400, 1000, 1000),)))
    first = list(itertools.islice(chunks, 3))
    assert sum(len(chunk) for chunk in first) < 10_000
    assert first[-1][-1] == pytest.approx(sum(len(chunk) for chunk in first) / 1000, rel=0.1)
