"""What a newcomer sees first."""

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
    """Each row of the README's table of peers says what docs/benchmarks.md says of it."""
    figures = [row for table in tables(PAGES["docs/benchmarks.md"]) for row in table]
    measured = {row[""]: row for row in figures if "" in row}
    shown = next(t for t in tables(SCREEN) if any("**Vitrine**" in row.values() for row in t))
    assert len(shown) >= 5
    for row in shown:
        there = measured[row[""]]
        assert row == {column: there[column] for column in row}
