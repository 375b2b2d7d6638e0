"""`vitrine loadtest search` and `sweep`: the loads that they make, and how they end."""

import csv
import dataclasses
import io
import json
import signal
from collections import Counter
from pathlib import Path

import pytest

from tests.client.fake_load_lab import CAPACITY, PICTURE, FakeRun, lab, request
from tests.client.loadtest.made_results import made
from vitrine_client.cli.loadtest.lab import LoadLab
from vitrine_client.errors import Unavailable
from vitrine_client.loadtest.plan import Closed, Open
from vitrine_client.loadtest.results.result import Result


def test_the_search_starts_from_what_a_closed_loop_reached(capsys, tmp_path):
    """Probes are open loops about the capacity; each is told as it is done, the rate at the end."""
    run = FakeRun()
    out = tmp_path / "out.json"
    asked = request("search", PICTURE, "--slo=p99=50ms", "--connections=9", f"--json={out}")
    assert lab(asked, run).carry_out() == 0
    first, *probes = run.plans
    assert isinstance(first.load, Closed)
    assert all(isinstance(plan.load, Open) and plan.load.connections == 9 for plan in probes)
    assert probes[0].load.phases[0].rate == pytest.approx(CAPACITY / 2, rel=0.1)
    printed = capsys.readouterr()
    assert printed.err.count(" requests/s: ") == len(probes)
    assert "is the highest rate that meets p99=50ms" in " ".join(printed.out.split())
    assert printed.out.count("Warning: ") == 1  # the same one in all probes, but for its figure
    content = json.loads(out.read_text())
    assert content["search"]["rate"] == pytest.approx(CAPACITY, rel=0.05)
    rates = [plan.load.phases[0].rate for plan in probes]
    written = [probe["rate"] for probe in content["search"]["probes"]]
    assert written == rates[: len(written)]
    assert content["about"]["plan"]["load"]["phases"][0]["rate"] == content["search"]["rate"]


def test_no_rate_meets_the_objective(capsys):
    """Then it says so, and that is exit code 1."""
    asked = request("search", PICTURE, "--slo=p99=10us")
    assert lab(asked, FakeRun()).carry_out() == 1
    assert "No rate meets p99=10us" in capsys.readouterr().out


def test_a_sweep_writes_every_rate(capsys):
    """CSV has all loads, numbered; the table has them by rate."""
    run = FakeRun()
    assert lab(request("sweep", PICTURE, "--csv=-"), run).carry_out() == 0
    printed = capsys.readouterr()
    runs = {row["run"] for row in csv.DictReader(io.StringIO(printed.out))}
    assert runs == {str(number) for number in range(1, len(run.plans))}
    assert "answered/s" in printed.err


def test_ctrl_c_shows_what_there_is(capsys, tmp_path):
    """One load that was ended is shown and written, with exit code 130."""
    out = tmp_path / "out.json"
    asked = request("closed", PICTURE, f"--json={out}")
    assert lab(asked, FakeRun(interrupted_at=1)).carry_out() == 130
    assert "answered" in capsys.readouterr().out
    assert json.loads(out.read_text())["summary"]["answered"] > 0
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_search_that_is_cut_short(capsys, tmp_path):
    """The loads that are whole are shown and written: that it is not known yet which rate meets the
    objective, and the highest that held."""
    run, out = FakeRun(interrupted_at=4), tmp_path / "out.json"
    pages = [f"--{kind}={tmp_path}/out.{kind}" for kind in ("json", "csv", "html")]
    assert lab(request("search", PICTURE, "--slo=p99=50ms", *pages), run).carry_out() == 130
    assert len(run.plans) == 4
    shown = " ".join(capsys.readouterr().out.split())
    assert "meets p99=50ms is not known yet" in shown
    assert "Ctrl-C cut it short after 2 loads" in shown
    content = json.loads(out.read_text())
    search = content["search"]
    assert (search["complete"], len(search["probes"])) == (False, 2)
    assert search["rate"] in [probe["rate"] for probe in search["probes"]]
    assert content["warnings"][0] == "Ctrl-C cut it short after 2 loads"
    assert "cut short" in (tmp_path / "out.html").read_text()
    assert {row["run"] for row in csv.DictReader((tmp_path / "out.csv").open())} == {"1", "2"}


def test_a_sweep_that_is_cut_short(capsys, tmp_path):
    """The rates so far are a curve."""
    out = tmp_path / "out.json"
    asked = request("sweep", PICTURE, f"--json={out}")
    assert lab(asked, FakeRun(interrupted_at=3)).carry_out() == 130
    assert len(json.loads(out.read_text())["sweep"]) == 1
    assert "Ctrl-C cut it short after 1 load" in capsys.readouterr().out


def test_nothing_was_measured(capsys, tmp_path):
    """Before the first rate is measured there is nothing to write, and that is said."""
    out = tmp_path / "out.json"
    asked = request("search", PICTURE, "--slo=p99=50ms", f"--json={out}")
    assert lab(asked, FakeRun(interrupted_at=1)).carry_out() == 130
    assert "Ctrl-C came before the first load was whole" in capsys.readouterr().err
    assert not out.exists()


ERRORS = {second: Counter({"HTTP 500": 6}) for second in range(3)}


def test_a_search_of_a_server_with_errors(capsys, tmp_path):
    """An objective that permits some is searched to its end."""
    out = tmp_path / "out.json"

    def run(plan, **_) -> Result:
        rate = CAPACITY if isinstance(plan.load, Closed) else plan.load.phases[0].rate
        median_ms = 4 if rate <= CAPACITY else 90
        return made(seconds=3, rate=max(rate, 100), median_ms=median_ms, errors=ERRORS)

    asked = request("search", PICTURE, "--slo=p99=50ms,errors=10%", f"--json={out}")
    assert lab(asked, run).carry_out() == 0
    assert json.loads(out.read_text())["search"]["rate"] == pytest.approx(CAPACITY, rel=0.1)
    assert "Error" not in capsys.readouterr().err


class Leaves(FakeRun):
    """The server is gone with the load of that number."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self._gone_at = number

    def __call__(self, plan, **members) -> Result:
        result = super().__call__(plan, **members)
        if len(self.plans) < self._gone_at:
            return result
        refused = {second: Counter(refused=999) for second in range(3)}
        return made(seconds=3, errors=refused)


@pytest.mark.parametrize(("number", "task"), [(1, "search"), (4, "search"), (4, "sweep")])
def test_a_search_whose_server_goes_away(number, task, capsys, tmp_path):
    """What was measured is shown and written, with why it ended, and nothing is concluded of rates
    at which nobody was there; exit code 1."""
    out, asked_times = tmp_path / "out.json", []

    def make_ready(*_: object) -> None:
        asked_times.append(1)
        if len(asked_times) > 1:
            raise Unavailable("Nobody answers at http://there")

    run = Leaves(number)
    words = [PICTURE, "--slo=p99=50ms"] if task == "search" else [PICTURE]
    asked = request(task, *words, f"--json={out}")
    assert LoadLab(asked, run=run, make_ready=make_ready).carry_out() == 1
    assert len(run.plans) == number
    content = json.loads(out.read_text())
    assert content["warnings"][0].startswith("Nobody answers at http://there: it was cut short")
    if number > 1 and task == "search":
        assert content["search"]["complete"] is False
        assert len(content["search"]["probes"]) == number - 2
    assert "Nobody answers" in capsys.readouterr().out


def test_a_search_that_this_machine_cannot_make(capsys, tmp_path):
    """It is not the service that has to be asked less."""
    out = tmp_path / "out.json"

    class NoPorts(FakeRun):
        def __call__(self, plan, **members) -> Result:
            result = super().__call__(plan, **members)
            if len(self.plans) < 5:
                return result
            first, *others = result.intervals
            first = dataclasses.replace(first, unsent=Counter(EADDRNOTAVAIL=5))
            return dataclasses.replace(result, intervals=(first, *others))

    run = NoPorts()
    assert lab(request("search", PICTURE, "--slo=p99=50ms", f"--json={out}"), run).carry_out() == 1
    assert len(run.plans) == 5
    assert "no port is left on this machine" in json.loads(out.read_text())["warnings"][0]
    assert "is not known yet" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("number", "task"), [(1, "closed"), (1, "search"), (4, "search"), (4, "sweep")]
)
def test_a_process_of_the_load_that_is_killed(number, task, capsys, tmp_path):
    """What was measured is shown and written, with why it ended; exit code 1."""
    out, told = tmp_path / "out.json", "A process that made the load ended by itself (exit code -9)"

    class Killed(FakeRun):
        def __call__(self, plan, **members) -> Result:
            result = super().__call__(plan, **members)
            if len(self.plans) < number:
                return result
            return dataclasses.replace(result, about=result.about | {"lost": told})

    words = [PICTURE, "--slo=p99=50ms"] if task == "search" else [PICTURE]
    run = Killed()
    assert lab(request(task, *words, f"--json={out}"), run).carry_out() == 1
    assert len(run.plans) == number
    content = json.loads(out.read_text())
    assert content["summary"]["answered"] > 0
    if task != "closed":  # a load by itself has it among its own warnings
        assert content["warnings"][0].startswith(f"{told}: it was cut short")


def test_files_that_can_be_written_are(tmp_path):
    """Also where another one cannot."""
    full, out = Path("/dev/full"), tmp_path / "out.csv"
    with pytest.raises(OSError, match="No space"):
        lab(request("closed", PICTURE, f"--json={full}", f"--csv={out}"), FakeRun()).carry_out()
    assert out.read_text().startswith("run,")
