"""`make contract`: what it says of a real server, without one."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.contract.case import Case, Raw, Rest, Wire
from tests.contract.cases import CASES
from tests.contract.differences import GROUPS, LEFT_OPEN, Compared, Recorded, main, real_server
from tests.contract.seen import NOT_SEEN, SEEN, recorded, seen
from tests.contract.server import Reply, Server
from tests.docs.pages import ROOT

CASE = Case("a row", Rest("GET", "/"), Raw("here"), SEEN)


class Answering(Server):
    """A server that answers the same to all."""

    def http(self, method, path, body, headers):
        return Reply(200, "application/json", self.rest_address.encode(), "OK", {})

    def reply(self, request):
        return self.http("GET", "/", None, {})

    def replies(self, sent):
        return [self.reply(sent)] * 2


class RecordedAnswering(Recorded, Answering):
    pass


def compared(real: str, embedded: str, answer: str) -> Compared:
    case = Case(CASE.name, CASE.call, Raw(answer), CASE.source)
    one, other = (RecordedAnswering("", said, Path("/base"), Path()) for said in (real, embedded))
    return Compared(case, one.asked(case), other.asked(case))


@pytest.mark.parametrize(
    ("real", "embedded", "group"),
    [
        ("here", "here", ""),
        ("here", "there", GROUPS[True, False]),
        ("there", "here", GROUPS[False, True]),
        ("there", "there", GROUPS[False, False]),
    ],
)
def test_a_difference_is_in_its_group(real: str, embedded: str, group: str):
    """By who is against the table."""
    assert compared(real, embedded, "here").group == group


def test_a_difference_shows_both_answers():
    """And why an answer is not the table's, and when the row was seen."""
    text = str(compared("here", "there", "here"))
    assert "a row  (2.20.0, November 2026)" in text
    assert "b'here'" in text
    assert "b'there'" in text
    assert "against the table: 'there' is not 'here'" in text


@pytest.mark.parametrize("call", [CASE.call, Wire(b""), Wire(b"", (CASE.answer,))])
def test_an_answer_is_kept(call: Rest | Wire):
    """Whatever the call is."""
    server = RecordedAnswering("", "here", Path("/base"), Path())
    answer, why = server.asked(Case(CASE.name, call, CASE.answer, CASE.source))
    assert "b'here'" in answer
    assert not why


def test_what_the_table_leaves_open_is_told():
    """Two answers, of which a pattern takes either."""
    one, other = ("200 text: 'a'", ""), ("200 text: 'b'", "")
    assert Compared(CASE, one, other).group == LEFT_OPEN


@pytest.mark.parametrize(
    ("told", "kind"),
    [
        ("address", "address"),
        ("127.0.0.1:8500,127.0.0.1:8501", "address"),
        ("binary", "binary"),
        (sys.executable, "binary"),
        ("/nowhere/tensorflow_model_server", "binary"),
        ("./tensorflow_model_server", "binary"),
        ("image", "docker"),
        ("tensorflow/serving:2.21.0", "docker"),
    ],
)
def test_a_server_is_found_by_its_form(told: str, kind: str):
    """An address, a binary, else an image."""
    assert real_server(told)[0] == kind


SKIPPED = "skipped, as there is no real TensorFlow Serving: "


def test_without_a_server_it_is_skipped():
    """And says why; that is no error."""
    command = [sys.executable, "-m", "tests.contract.differences", "tensorflow/serving:of-nobody"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{SKIPPED}no ")


@pytest.mark.parametrize(
    ("arguments", "reasons"),
    [
        ([], ["VITRINE_CONTRACT_GRPC", "no program tensorflow_model_server on the PATH", "docker"]),
        (["/nowhere/tfs"], ["no program /nowhere/tfs\n"]),
    ],
)
def test_each_place_that_was_looked_at_is_told(arguments, reasons, monkeypatch, capsys):
    """All of them where none is named."""
    monkeypatch.setenv("PATH", "/nowhere")
    for name in ("GRPC", "REST", "MODELS", "BINARY", "IMAGE"):
        monkeypatch.setenv(f"VITRINE_CONTRACT_{name}", "")  # `main` sets some: gone afterwards
    assert main(arguments) == 0
    said = capsys.readouterr().out
    assert said.startswith(SKIPPED)
    assert [each for each in reasons if each not in said] == []


def test_each_row_says_when_it_was_seen():
    """On which version, by its source or by seen.txt; or that it was not."""
    assert [case.name for case in CASES if not seen(case)] == []


def test_a_sighting_is_of_a_row():
    """One of a row that is gone says nothing any more."""
    assert recorded().keys() - {case.name for case in CASES} == set()


def test_a_source_is_newer_than_a_run():
    """A row that was mended since."""
    name = next(iter(recorded()))
    assert seen(Case(name, CASE.call, Raw(""), "code")) == "2.20.0, November 2026"
    assert seen(Case(name, CASE.call, Raw(""), "seen on 2.21.0, May 2027")) == "2.21.0, May 2027"
    assert seen(Case("no such row", CASE.call, Raw(""), "not seen: code")) == NOT_SEEN
    assert not seen(Case("no such row", CASE.call, Raw(""), "code"))
