"""What a newcomer sees first."""

import re

from tests.docs.pages import PAGES, command_lines, fences, tables

SCREEN = "\n".join(PAGES["README.md"].splitlines()[:60])


def test_the_first_screen_has_it_all():
    """Two commands, what they print, and a picture of the page for either colour scheme."""
    typed = list(command_lines(SCREEN))
    assert {"make demo", "make test"} <= {line.strip() for line in typed}
    assert any("Ankle boot" in content for _, content in fences(SCREEN))
    for part in ("<picture>", "(prefers-color-scheme: dark)", "page-dark.png", "page-light.png"):
        assert part in SCREEN


def test_the_figures_are_those_of_the_benchmarks():
    """Requests a second and the ratios to two peers are those of docs/benchmarks.md's table."""
    rows = {
        row[""]: float(row["64"].replace(",", ""))
        for table in tables(PAGES["docs/benchmarks.md"])
        for row in table
        if "64" in row and row.get("")
    }
    ours = rows["**Vitrine**"]
    said = re.search(
        r"answer ([\d,]+) pictures a second, ([\d.]+) times MLServer's figure and "
        r"([\d.]+) times that of a FastAPI program",
        PAGES["README.md"],
    )
    assert said
    assert float(said[1].replace(",", "")) == ours
    assert float(said[2]) == round(ours / rows["MLServer"], 1)
    assert float(said[3]) == round(ours / rows["FastAPI, two processes"], 1)
