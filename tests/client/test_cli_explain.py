"""`vitrine explain`: the heat map in colours and in characters, JSON, PNG, and how it ends."""

import json

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image
from rich.console import Console

from harness.ports import free_port
from tests.client.fake_gateway import STRAY, FakeGateway, problem
from tests.client.test_explanations import ATTRIBUTIONS, BAG, explaining
from vitrine_client import Explanation
from vitrine_client.cli import main
from vitrine_client.cli.explain import LEGEND, heat_map
from vitrine_client.images import NOTHING


@pytest.fixture
def gateway():
    with FakeGateway(explaining) as running:
        yield running


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "bag.png"
    path.write_bytes(BAG)
    return str(path)


def explain(gateway, *words: str, stdin: bytes = b"") -> Result:
    return CliRunner().invoke(main, ["explain", "--url", gateway.url, *words], input=stdin)


def test_in_a_pipe(gateway, picture):
    """Characters, twice each, and what they mean; what is doubtful is a note beside the output."""
    done = explain(gateway, picture)
    assert (done.exit_code, done.stderr) == (0, f"{STRAY}\n"), done.output
    first, *rows = done.stdout.splitlines()
    assert first == f"{picture}: Bag, probability 0.400, by mlp/12"
    assert rows[:28][3] == " " * 8 + "##"
    assert rows[:28][5] == " " * 12 + "--"
    assert rows[:28][7] == " " * 16 + "++"
    assert rows[28:] == [
        f"({LEGEND})",
        "Pixels add +2.25 and -0.50 to the logit of Bag; "
        "the answer is the class with the highest logit",
    ]


def _found() -> Explanation:
    return Explanation("Bag", 1, 0.4, np.array(ATTRIBUTIONS, np.float32), "mlp", 12)


def _lines(**options) -> list[str]:
    console = Console(force_terminal=True, width=80, legacy_windows=False, **options)
    with console.capture() as capture:
        console.print(heat_map(_found(), console), soft_wrap=True)
    return capture.get().splitlines()


def test_on_a_terminal():
    """Half blocks, two rows a line: orange for the class above, blue against it below."""
    lines = _lines(color_system="truecolor", no_color=False)
    assert len(lines) == 14
    assert all(line.count("▀") == 28 for line in lines)
    assert "48;2;255;150;30" in lines[1]  # row 3 is the lower half of line 1
    assert "48;2;30;61;111" in lines[2]


def test_wider_than_the_console():
    """Squares of pixels are one, in colours and in characters; an odd row has black below it."""
    wide = Explanation("Bag", 1, 0.4, np.full((98, 100), 0.5, np.float32), "mlp", 12)
    console = Console(force_terminal=True, width=80, color_system="truecolor", legacy_windows=False)
    lines = heat_map(wide, console).plain.splitlines()
    assert [len(line) for line in lines] == [50] * 25  # 49 rows
    plain = Console(width=80, color_system=None)
    assert [*map(len, heat_map(wide, plain).plain.splitlines()[:-1])] == [68] * 33


@pytest.mark.parametrize("colours", ["standard", None])
def test_without_colours_enough(colours):
    """Characters, where there are 16 colours or none."""
    lines = _lines(color_system=colours)
    assert len(lines) == 29
    assert "##" in lines[3]


def test_json_and_png(gateway, picture, tmp_path):
    """JSON alone on standard output, the picture in its file, and a note where."""
    png = tmp_path / "why.png"
    done = explain(gateway, picture, "--class", "7", "--json", "--out", str(png))
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert (told["picture"], told["label"], told["class_id"]) == (picture, "7", 2)
    assert told["attributions"] == ATTRIBUTIONS
    assert f"Written to {png}" in done.stderr
    assert Image.open(png).size == (448, 448)


def test_which_class_model_and_place(gateway, picture):
    """They are asked for as `predict` asks; standard input is one picture."""
    words = ["--model", "softmax", "--version", "3", "--box", "1,2,20,20", "--class", "3"]
    assert explain(gateway, picture, *words).exit_code == 0
    assert gateway.asked[-1].path == (
        "/v1/models/softmax/versions/3:explain?class_id=3&box=1,2,20,20"
    )
    assert explain(gateway, "-", stdin=BAG).exit_code == 0
    assert gateway.asked[-1].body == BAG


@pytest.mark.parametrize("form", [[], ["--json"]], ids=str)
def test_pictures_that_have_no_explanation(gateway, form):
    """Exit code 1, with why: on standard error, or as `predict --json` says it."""
    for content, reason in ((b"garbage", "This is no picture"), (b"empty", NOTHING)):
        done = explain(gateway, "-", *form, stdin=content)
        assert done.exit_code == 1
        if form:
            told = json.loads(done.stdout)
            assert told["picture"] == "-"
            assert told.get("error") == reason or told["empty"]
        else:
            assert (done.stdout, done.stderr) == ("", f"Error: -: {reason}\n")


def test_how_it_ends_otherwise(gateway, picture, tmp_path):
    """No such class or model 1; wrong usage, and no answer, 2."""
    (tmp_path / "coat.png").write_bytes(BAG)
    for words, hint in (
        ([str(tmp_path)], "names 2 pictures; explain takes one"),
        (["gone.png"], "gone.png is not there"),
        (["https://example.org/a.png"], "is a URL, not a file; download it first"),
        ([picture, "--out", "heat.jpg"], "name it .png"),
        ([picture, "--out", "nowhere/heat.png"], "there is no folder nowhere"),
        ([picture, "--box", "1,2"], "four numbers"),
    ):
        done = explain(gateway, *words)
        assert (done.exit_code, done.stdout) == (2, ""), words
        assert hint in done.stderr
    done = explain(gateway, picture, "--class", "Bagg")
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == "Error: mlp has no class Bagg; there are 42, Bag, 7, 0\n"
    assert explain(gateway, picture, "--class", "bAG").exit_code == 0
    gateway.answer = lambda _: problem(404, "no such model")
    done = explain(gateway, picture, "--model", "nope")
    assert (done.exit_code, done.stdout) == (1, "")
    words = ["explain", picture, "--url", f"http://127.0.0.1:{free_port()}"]
    assert CliRunner().invoke(main, words).exit_code == 2
