"""The parts of pages that `make docs` writes are those that it would write now."""

import click
import pytest

from tests.docs import generated
from tests.docs.pages import EVERYTHING


@pytest.mark.parametrize("path", generated.pages(), ids=lambda path: path.name)
def test_pages_are_current(path):
    """Settings, metrics and commands stand in the pages as the code has them."""
    assert path.read_text() == generated.renewed(path.read_text()), "run `make docs`"


def test_each_block_has_its_place():
    """What can be made is shown once; and a block that nobody makes is an error."""
    for name in generated.MAKERS:
        assert EVERYTHING.count(f"<!-- made by make docs: {name} -->") == 1, name
    with pytest.raises(KeyError):
        generated.renewed("<!-- made by make docs: nothing -->\n\n<!-- end -->")


def test_a_setting_that_changes_changes_the_page():
    """What stood in a block is gone, and what is around it stays."""
    page = "before\n<!-- made by make docs: settings -->\nold\n<!-- end -->\nafter"
    made = generated.renewed(page)
    assert "old" not in made
    assert "| `VITRINE_PORT` | 8080 | Port to listen on. |" in made
    assert made.startswith("before\n<!--")
    assert made.endswith("<!-- end -->\nafter")


def test_the_table_has_every_command():
    """Each command of each program has its row, commands of commands included."""
    table = generated.commands()
    for name, group in generated.COMMANDS.items():
        for subcommand, command in group.commands.items():
            below = command.commands if isinstance(command, click.Group) else [""]
            for last in below:
                assert f"| `{f'{name} {subcommand} {last}'.strip()}` |" in table
