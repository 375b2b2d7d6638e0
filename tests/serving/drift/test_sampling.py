"""Sample of rows: all of few, and of many as many a second, evenly."""

import numpy as np
import pytest

from vitrine_serving.gateway.telemetry.drift.sampling import ALL, MOST_A_SECOND, RowSample


class Stream:
    """Requests to a version, at times of a clock of their own; tells which rows were chosen."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.sample = RowSample(lambda: self.now_s)

    def ask(self, rows: int, *, every_s: float, times: int, version: int = 1) -> list[list[int]]:
        """The places of the chosen rows of each request."""
        found = []
        for _ in range(times):
            self.now_s += every_s
            chosen = self.sample.choose("mlp", version, rows)
            found.append([*range(rows)][chosen] if chosen == ALL else list(chosen))
        return found


@pytest.mark.parametrize(("rows", "every_s"), [(1, 1.0), (1, 0.0011), (64, 0.07), (1000, 1.1)])
def test_all_of_few(rows, every_s):
    """Up to the most a second, every row is looked at."""
    found = Stream().ask(rows, every_s=every_s, times=300)
    assert found == 300 * [[*range(rows)]]


def test_all_of_a_burst():
    """What comes after a while in which little came is looked at, however fast: so a window fills
    at once."""
    stream = Stream()
    stream.ask(1, every_s=1.0, times=5)
    assert stream.ask(32, every_s=1e-4, times=50) == 50 * [[*range(32)]]


@pytest.mark.parametrize("rows", [1, 7, 32, 64, 4000])
def test_a_part_of_many(rows):
    """Of more, about as many a second are looked at, in order and each once."""
    stream, rate = Stream(), 16_000
    stream.ask(rows, every_s=rows / rate, times=2 * rate // rows + 2)
    found = stream.ask(rows, every_s=rows / rate, times=10 * rate // rows)
    count = sum(map(len, found))
    assert 0.8 * MOST_A_SECOND <= count / 10 <= 1.2 * MOST_A_SECOND
    assert all(sorted(set(each)) == each and max(each, default=0) < rows for each in found)


def test_each_place_has_the_same_chance():
    """No row of a request is preferred, also where as many are passed over as it has."""
    stream, rows = Stream(), 16
    stream.ask(rows, every_s=0.001, times=1001)
    found = stream.ask(rows, every_s=0.001, times=40_000)
    counts = np.bincount([place for each in found for place in each], minlength=rows)
    expected = counts.sum() / rows
    assert abs(counts - expected).max() < 6 * np.sqrt(expected)


def test_versions_by_themselves():
    """That one version is busy takes nothing from another."""
    stream = Stream()
    for _ in range(30):
        busy = stream.ask(1000, every_s=0.1, times=1)
        assert stream.ask(10, every_s=0.0, times=1, version=2) == [[*range(10)]]
    assert len(busy[0]) < 200


def test_all_again():
    """Once less comes, all is looked at again."""
    stream = Stream()
    stream.ask(64, every_s=0.001, times=3000)
    stream.ask(1, every_s=0.5, times=3)
    assert stream.ask(1, every_s=0.5, times=20) == 20 * [[0]]


def test_many_versions():
    """Those that were seen first are forgotten, so that memory is bounded."""
    stream = Stream()
    stream.ask(64, every_s=0.001, times=2000)
    for version in range(2, 300):
        stream.ask(1, every_s=0.0, times=1, version=version)
    assert stream.ask(64, every_s=0.0, times=1) == [[*range(64)]]
