"""JSON of results: that of earlier versions is read, and what is damaged is told in a sentence."""

import copy
import dataclasses
import json
from pathlib import Path

import pytest

from tests.client.loadtest.made_results import TARGET, made
from vitrine_client.loadtest.analysis.compare import compare
from vitrine_client.loadtest.plan import Closed, Plan
from vitrine_client.loadtest.results.histogram import LatencyHistogram
from vitrine_client.loadtest.results.result import Connecting, Result

EARLIER = Path(__file__).parent / "data" / "result_before_unsent.json"


def test_what_an_earlier_version_wrote_is_read():
    """What it did not measure is empty, and it can be compared."""
    result = Result.read(EARLIER)
    assert result.answered + result.errors["HTTP 500"] == result.due > 100
    assert (result.unsent.total(), result.connecting) == (0, None)
    change = {row.measure: row.change for row in compare(result, result).rows}
    assert change["p50"] == 0


def test_what_is_written_is_read():
    """All of it."""
    connecting = Connecting(LatencyHistogram.of([0.001]), LatencyHistogram.of([]), 4, (3, 5))
    whole = made(seconds=2, connecting=connecting)
    result = dataclasses.replace(whole, about=json.loads(json.dumps(whole.about)))
    assert Result.from_json(json.loads(json.dumps(result.to_json()))) == result


def damaged(where: tuple[str | int, ...], value: object) -> object:
    content = copy.deepcopy(json.loads(EARLIER.read_bytes()))
    part = content
    for name in where[:-1]:
        part = part[name]
    part[where[-1]] = value
    return content


BLOB = json.loads(EARLIER.read_bytes())["intervals"][0]["latency"]


@pytest.mark.parametrize(
    ("where", "value"),
    [
        *((("intervals", 0, "latency"), blob) for blob in (BLOB[:40], BLOB[4:], "", "x", None, 7)),
        (("intervals", 0, "service"), BLOB[:-6] + "AAAAA="),
        (("intervals", 0, "due"), "many"),
        (("intervals", 0, "errors"), ["HTTP 500"]),
        (("intervals", 0), 5),
        (("intervals",), None),
        (("about",), "a load test"),
        (("generator",), {}),
        (("generator", "cpu_s"), None),
        (("events",), [1]),
    ],
)
def test_a_damaged_file_is_a_sentence(where, value, tmp_path):
    """And no traceback later, when it is shown."""
    path = tmp_path / "damaged.json"
    path.write_text(json.dumps(damaged(where, value)))
    with pytest.raises(ValueError, match=r"damaged\.json: ") as raised:
        Result.read(path)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("text", ["", "[]", "7", "null", "{", '{"format": 2}', "[" * 100_000])
def test_what_is_no_result_is_a_sentence(text, tmp_path):
    """Whatever it is."""
    path = tmp_path / "other.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"other\.json: "):
        Result.read(path)


@pytest.mark.parametrize("address", ["http://user:secret@host:1", "dns://user:secret@ns/host:1"])
def test_passwords_in_addresses_are_not_kept(address):
    """Nor is who made the plan by hand asked to cut them out."""
    plan = Plan(dataclasses.replace(TARGET, address=address), Closed(1, 1))
    assert "secret" not in json.dumps(plan.described())
    assert plan.described()["target"]["address"].endswith("host:1")
