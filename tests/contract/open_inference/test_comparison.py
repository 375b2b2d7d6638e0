"""The comparison with a real Triton: what it prints, and what it takes for a difference."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.contract.open_inference import comparison, page
from tests.contract.open_inference.cases import ROWS
from tests.contract.open_inference.comparison import Compared, told
from tests.contract.open_inference.row import observed
from tests.contract.open_inference.seen import Seen

BY_ID = {row.id: row for row in ROWS}
ERROR = {"content-type": "application/json"}


def refusal(status: int, words: str) -> Seen:
    return Seen("http", status, words, {"error": words}, headers=ERROR)


TRITON = refusal(400, "[request id: x] inference input 'images' data-type is 'FP64', but model ")
TRITON = replace(TRITON, words=TRITON.words + "'mlp' expects 'FP32'")
SAME = Compared(BY_ID["B-fp64"], "http", TRITON, refusal(400, "images is FP64, and takes FP32"))
CHOSEN = Compared(
    BY_ID["B-id-num"],
    "http",
    refusal(500, "Unable to parse 'id': attempt to access JSON non-string as string"),
    refusal(400, "`id` is a string"),
)


def test_what_is_as_the_table_says():
    text, is_well = told([SAME, CHOSEN])
    assert is_well, text
    assert "2 calls of each" in text
    assert "1: both differ by choice" in text
    assert f"  - {CHOSEN.row.why}:\n    B-id-num (http): id a number\n" in text
    assert "Triton 500 Unable to parse" in text
    assert text.endswith("1: the same answer")


@pytest.mark.parametrize(
    ("found", "heading"),
    [
        (
            replace(SAME, real=refusal(400, "other words")),
            "1: Triton answers otherwise than it was seen to",
        ),
        (
            replace(SAME, real=refusal(404, SAME.real.words)),
            "1: both differ, and nothing says why",
        ),
        (
            replace(SAME, ours=refusal(500, SAME.ours.words)),
            "1: we answer otherwise than the table says",
        ),
    ],
    ids=["words", "status", "ours"],
)
def test_what_is_not(found, heading):
    text, is_well = told([found])
    assert not is_well
    assert heading in text


@pytest.mark.parametrize("python", ["nowhere/python", sys.executable], ids=["none", "no wheel"])
def test_no_triton(python, capsys):
    assert comparison.main([python]) == 0
    assert capsys.readouterr().out.startswith("skipped, as there is no real Triton: ")


def test_the_page_has_each_reason_once():
    table = page.choices()
    reasons = {row.why for row in ROWS if row.why}
    assert len(table.splitlines()) == 2 + len(reasons)
    assert all(table.count(f"| {reason} |") == 1 for reason in reasons)


def test_observed_answers_have_a_status_and_no_place():
    for name, each in observed().items():
        assert 200 <= each.status < 600, name
        for text in (each.triton, each.mlserver, each.kserve):
            assert text, name
            assert str(Path.home()) not in text, name
