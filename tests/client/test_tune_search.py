"""The search of `vitrine tune`, over services that are formulas: none is started."""

import math
import os
import random
import re
from collections import Counter

import pytest

from harness.paths import ROOT
from vitrine_client.loadtest.analysis.probes import RateFound
from vitrine_client.loadtest.tune.configuration import Batching, Configuration, axes
from vitrine_client.loadtest.tune.search import (
    Confirmation,
    Duel,
    Time,
    Trial,
    Tuned,
    Unfit,
    confirm,
    tune,
)
from vitrine_serving.cli import up
from vitrine_serving.gateway.settings import FIELDS
from vitrine_serving.model_server.runtime.batching import read_parameters

DEFAULT = Configuration()
TOP = Configuration(workers=4, max_batch_size=64)
CORES = 4
MEASURE_S = 20.0


def found(rate: float) -> RateFound:
    return RateFound(rate, rate, rate, 0, 0, ())


class Machine:
    """Measures by a formula: noise is its standard deviation in the logarithm, and each
    measurement takes time, in which everything may become slower."""

    def __init__(self, rate, *, noise: float = 0.0, slower: float = 1.0, seed: int = 0) -> None:
        self.now_s, self.measured = 0.0, Counter()
        self._rate, self._noise, self._slower = rate, noise, slower
        self._random = random.Random(seed)

    def __call__(self, configuration: Configuration) -> RateFound:
        self.now_s += MEASURE_S
        self.measured[configuration] += 1
        luck = math.exp(self._random.gauss(0, self._noise))
        return found(self._rate(configuration) * luck * self._slower ** (self.now_s / MEASURE_S))

    def tuned(self, kind: str = "raw", for_s: float = 1000):
        return tune(DEFAULT, axes(kind, CORES), self, Time(for_s, lambda: self.now_s))


def hill(configuration: Configuration) -> float:
    """Best with 4 processes and batches of 64: 1.56 times the default."""
    slope = abs(math.log2(configuration.workers / 4)) + abs(
        math.log2(64 / configuration.max_batch_size)
    )
    return 1000 * 1.16**-slope * (0.5 if configuration.batching else 1)


def test_finds_the_top_of_a_hill():
    """Without noise it is found, and not by a full grid; the duel with the default confirms it."""
    machine = Machine(hill)
    tuned = machine.tuned()
    assert tuned.best == TOP
    assert tuned.complete
    assert len(tuned.trials) <= 12
    assert tuned.duels[-1].won
    assert tuned.duels[-1].ratio == pytest.approx(1.16**3)


@pytest.mark.parametrize(
    ("holds", "rates"), [(2000, [1000]), (810, [1000, 800]), (0, [1000, 800, 500, 250])]
)
def test_the_rate_is_confirmed_for_longer(holds, rates):
    """Where what recurs shows in the longer load alone, a lower rate is what it kept up."""
    tuned = Tuned(DEFAULT, (Trial(DEFAULT, found(1000)),), (), complete=True)

    def load(configuration: Configuration, rate: float) -> Confirmation:
        assert configuration == DEFAULT
        return Confirmation(rate, 24, () if rate <= holds else ("p99 is 900 ms",))

    confirmed = confirm(tuned, load)
    assert [one.rate for one in confirmed.confirmations] == rates
    assert confirmed.reached == bool(holds)
    nothing = Tuned(DEFAULT, (Trial(DEFAULT, found(0)),), (), complete=True)
    assert confirm(nothing, load).confirmations == ()


def test_noise_does_not_hide_it():
    """With 8 % of noise, at least 18 of 20 find something that is really better."""
    chosen = [Machine(hill, noise=0.08, seed=n).tuned().best for n in range(20)]
    assert sum(hill(best) > 1.3 * hill(DEFAULT) for best in chosen) >= 18


def test_noise_alone_changes_nothing():
    """Where all are the same, at least 36 of 40 stay with the default, whatever luck some had."""
    chosen = [Machine(lambda _: 500, noise=0.1, seed=n).tuned().best for n in range(40)]
    assert chosen.count(DEFAULT) >= 36


def test_a_machine_that_becomes_slower_is_no_winner():
    """Measured in turn, who is second is so as often as first: drift favours nobody."""
    assert Machine(lambda _: 500, slower=1.03).tuned().best == DEFAULT
    assert Machine(lambda _: 500, slower=0.97).tuned().best == DEFAULT


def test_the_time_is_kept():
    """A measurement that would end after the time is not begun, and what was found is told."""
    for for_s in (5, 50, 130, 400):
        machine = Machine(hill)
        tuned = machine.tuned(for_s=for_s)
        assert machine.now_s <= max(for_s, MEASURE_S)
        assert tuned.complete == (for_s == 400)
        assert tuned.best == (TOP if for_s == 400 else DEFAULT)  # or there is no time to be sure


def test_what_cannot_be_measured_is_skipped_with_its_reason():
    """Others are tried, and found; the default has to work."""

    def broken(configuration: Configuration) -> float:
        if configuration.batching or configuration.workers == 1:
            raise Unfit("it does not start: no")
        return hill(configuration)

    tuned = Machine(broken).tuned()
    assert tuned.best == TOP
    assert {trial.reason for trial in tuned.trials if not trial.found} == {"it does not start: no"}

    def out_of_order(_: Configuration) -> float:
        raise Unfit("nothing works")

    with pytest.raises(Unfit, match="nothing works"):
        Machine(out_of_order).tuned()


def test_an_objective_that_the_default_misses():
    """Who meets it where the default does not has won; where none does, none has."""
    tuned = Machine(lambda c: 300 if c.workers == 4 else 0).tuned()
    assert tuned.best == Configuration(workers=4)
    assert tuned.reached
    tuned = Machine(lambda _: 0).tuned()
    assert tuned.best == DEFAULT
    assert not tuned.reached
    assert not tuned.duels


def test_batching_is_tuned_where_it_can_matter():
    """Its parameters are tried once it is on and good; a load past the gateway does not try the
    gateway's settings."""

    def threaded(configuration: Configuration) -> float:
        batching = configuration.batching
        return 100 if not batching else 200 + 20 * batching.num_batch_threads

    machine = Machine(threaded)
    tuned = machine.tuned("grpc", for_s=2000)
    assert tuned.best.batching.num_batch_threads == 2 * CORES
    assert tuned.best.gateway() == DEFAULT.gateway()
    assert all(tried.gateway() == DEFAULT.gateway() for tried in machine.measured)


def test_threads_of_the_model_server_are_tuned():
    """Those of an operation for every load, those of operations for one that they can matter to;
    oneDNN's kernels last, beside whatever is best until then."""

    def large(configuration: Configuration) -> float:
        return 100 * configuration.intra_op_threads * (2 if configuration.onednn else 1)

    for kind in ("raw", "json", "grpc", "rest"):
        machine = Machine(large)
        best = machine.tuned(kind, for_s=3000).best
        assert (best.intra_op_threads, best.onednn) == (CORES, True)
        inter_op = {tried.inter_op_threads for tried in machine.measured}
        assert inter_op == ({1, CORES} if kind == "rest" else {1})
    (axis,) = [each for each in axes("raw", 1) if each(DEFAULT) and each(DEFAULT)[0].onednn]
    assert axis(DEFAULT)[0].model_server()["TF_ENABLE_ONEDNN_OPTS"] == "1"
    assert all(one.intra_op_threads == 1 for each in axes("raw", 1) for one in each(DEFAULT))


def test_few_pairs_prove_nothing():
    """Two pairs are no proof, however clear; three that agree are; three that do not are none."""

    def duel(*rates: tuple[float, float]) -> Duel:
        pairs = [(Trial(DEFAULT, found(a)), Trial(DEFAULT, found(b))) for a, b in rates]
        return Duel(DEFAULT, DEFAULT, tuple(pairs))

    assert not duel((100, 200), (100, 200)).won
    assert duel((100, 120), (110, 130), (90, 108)).won
    assert not duel((100, 150), (110, 100), (90, 108)).won
    assert math.isnan(duel().ratio)


def test_defaults_are_the_services_own(tmp_path):
    """What the search starts from is what runs without any setting, and the batching.config that
    comes with the service."""
    assert FIELDS["workers"].default == DEFAULT.workers
    assert FIELDS["max_batch_size"].default == DEFAULT.max_batch_size
    written = tmp_path / "batching.config"
    written.write_text(Batching(num_batch_threads=2).text())
    shipped = ROOT / "deploy/tensorflow_serving/batching.config"
    assert read_parameters(written) == read_parameters(shipped)
    options = {option.envvar: option.default for option in up.params if option.envvar}
    compose = dict(re.findall(r"\$\{(\w+):-(\d)\}", (ROOT / "docker-compose.yml").read_text()))
    for name, value in DEFAULT.model_server().items():
        assert compose[name] == value
        assert str(options.get(name, 0)) == value
    assert Batching().num_batch_threads == os.cpu_count()
