"""What a table of predictions looks like, on a terminal and elsewhere."""

import csv
import io
from dataclasses import replace

from rich.console import Console

from vitrine_client.cli.output import formats, tables
from vitrine_client.errors import EmptyPicture, InvalidImage
from vitrine_client.images import NOTHING
from vitrine_client.results.predictions import Prediction


def answer(label: str) -> Prediction:
    return Prediction(label, 0, 1.0, {label: 1.0, "T-shirt/top": 0.0}, "mlp", 1)


def table(names: list[str], *answers, **console) -> str:
    text = io.StringIO()
    write = formats.as_table(Console(file=text, highlight=False, **console), 1, names)
    for name, found in zip(names, answers, strict=True):
        write(name, found)
    return text.getvalue()


def test_colours_on_a_terminal(monkeypatch):
    """A bar in colour and an error in red; with NO_COLOR neither, and the same characters."""
    rows = ["a.png", "b.png"], answer("Bag"), InvalidImage("bad [red]")
    terminal = {"force_terminal": True, "width": 100, "color_system": "standard"}
    painted = table(*rows, **terminal)
    assert "\x1b[36m█" in painted
    assert "\x1b[31mbad [red]" in painted
    monkeypatch.setenv("NO_COLOR", "1")
    plain = table(*rows, **terminal)
    assert "\x1b[3" not in plain
    monkeypatch.delenv("NO_COLOR")
    assert table(*rows).splitlines()[1:] == [
        f"a.png    Bag                1.000  {'█' * 20}  mlp/1",
        "b.png    bad [red]",
    ]


def test_what_was_left_out_is_dim():
    """Below its row; that there is nothing to see is no failure, and said once."""
    found = replace(answer("Bag"), warnings=("stray marks left out", "two items, the larger one"))
    nothing = EmptyPicture(NOTHING, warnings=(NOTHING,))
    terminal = {"force_terminal": True, "width": 100, "color_system": "standard"}
    painted = table(["a.png", "b.png"], found, nothing, **terminal)
    assert "\x1b[2mstray marks left out; two items, the larger one" in painted
    assert f"\x1b[33m{NOTHING}" in painted
    assert painted.count(NOTHING) == 1


def test_names_fit():
    """Files of one name are shown by their paths; wide characters count as two, and what would
    move the cursor is no part of a name; on a terminal a long name ends in an ellipsis."""
    rows = table(["x/a.png", "y/a.png"], answer("Bag"), answer("Bag")).splitlines()
    assert [row.split()[0] for row in rows[1:]] == ["x/a.png", "y/a.png"]
    rows = table(["靴.png", "\x1b[2J\n\udcff.png"], answer("Bag"), answer("Bag")).splitlines()
    hostile = r"\u001b[2J\u000a\udcff.png"
    assert rows[1].startswith(f"靴.png{' ' * (len(hostile) - 4)}Bag")
    assert rows[2].startswith(f"{hostile}  Bag")
    long = f"{'n' * 90}.png"
    assert table([long], answer("Bag")).splitlines()[1].startswith(f"{long}  Bag")
    cut = table([long], answer("Bag"), force_terminal=True, width=80, no_color=True)
    assert "n…" in cut


def test_labels_are_other_peoples_words():
    """They move no cursor, begin no line, and turn no direction of writing."""
    hostile = "\x1b]0;title\x07\x1b[31mred\nBag 1.000\u202e"
    text = table(["a.png"], answer(hostile))
    shown = r"\u001b]0;title\u0007\u001b[31mred\u000aBag 1.000\u202e"
    assert text.splitlines()[1].startswith(f"a.png    {shown}   ")
    assert len(text.splitlines()) == 2
    assert "\x1b" not in text
    cell = io.StringIO()
    rows = tables.table("label")
    tables.add(rows, hostile)
    Console(file=cell).print(rows)
    assert "\x1b" not in cell.getvalue()


def test_ends_of_lines_are_in_their_cells():
    """A file's name makes no rows of its own, and what others named none of its own either."""
    names = ["a\nb.png,Bag,8,1.0,mlp,1,,", "c.png"]
    text = io.StringIO()
    write = formats.as_csv(Console(file=text, highlight=False), None)
    for name in names:
        write(name, InvalidImage("not\none line"))
    rows = list(csv.reader(io.StringIO(text.getvalue(), newline="")))
    assert [row[0] for row in rows] == ["picture", *names]
    assert [row[6] for row in rows[1:]] == ["not\none line"] * 2


def test_names_in_csv_are_told_apart():
    """What a terminal would obey is an escape in them, and not left out."""
    names = ["a\x07.png", "a\r.png", "a\x0c.png", "a\x1b[2J.png", "a.png"]
    text = io.StringIO()
    write = formats.as_csv(Console(file=text, highlight=False), None)
    for name in names:
        write(name, answer("Bag"))
    rows = list(csv.reader(io.StringIO(text.getvalue(), newline="")))
    shown = [r"a\u0007.png", r"a\u000d.png", r"a\u000c.png", r"a\u001b[2J.png", "a.png"]
    assert [row[0] for row in rows[1:]] == shown


def test_a_bar_where_there_are_no_blocks():
    """An encoding without them has another sign for it."""
    text = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    formats.as_table(Console(file=text), 1, ["a.png"])("a.png", answer("Bag"))
    text.seek(0)
    assert "#" * 20 in text.read()
