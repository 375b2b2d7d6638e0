"""The newcomer's table in CONTRIBUTING: each change goes to one file, and a search finds it."""

import pytest

from tests.docs.pages import PAGES, tables
from tests.house import tree

SECTION = PAGES["CONTRIBUTING.md"].split("## Where does a change go?")[1].split("\n## ")[0]
ROWS = tables(SECTION)[0]


def test_twelve_changes_go_to_twelve_files():
    assert len(ROWS) == len({row["a change of"] for row in ROWS}) == 12
    assert len({row["goes to"] for row in ROWS}) == 12


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["a change of"])
def test_the_file_has_the_word(row):
    file = row["goes to"].strip("`")
    assert file in map(str, tree.tracked(*tree.MEMBERS, "deploy"))
    lines = (tree.ROOT / file).read_text().lower().splitlines()
    assert any(row["word"] in line for line in lines)
