"""`vitrine predict`: which pictures, how answers are written, and how it ends."""

import csv
import io
import json
import socket

import pytest
from click.testing import CliRunner, Result

from harness.fake_model_server import FakeModelServer, classifying
from harness.paths import SAMPLES
from harness.ports import free_port
from tests.client.cli_gateway import answering, photos
from tests.client.fake_gateway import (
    BOX,
    STRAY,
    Asked,
    FakeGateway,
    Reply,
    lacking,
    predicting,
    problem,
    seeing,
)
from vitrine_client.cli import main
from vitrine_client.images import NOTHING, find_item


@pytest.fixture
def gateway():
    """Finds in a picture what its bytes say."""
    with FakeGateway() as running:
        yield running


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working directory: a.png a bag, b.png a coat, c.png no picture."""
    monkeypatch.chdir(tmp_path)
    return photos(tmp_path, a="Bag", b="Coat", c="bad")


def predict(gateway, *words: str, stdin: bytes = b"") -> Result:
    command = ["predict", "--url", gateway.url, *words]
    return CliRunner().invoke(main, command, input=stdin)


def pictures(done: Result) -> list[str]:
    return [json.loads(line)["picture"] for line in done.stdout.splitlines()]


def test_a_table(gateway, folder):
    """Aligned rows under a header, without colours where there is no terminal; one line where
    something failed, and exit code 1."""
    done = predict(gateway, "a.png", "c.png", "b.png")
    assert done.exit_code == 1, done.exception
    header, bag, bad, coat = done.stdout.splitlines()
    assert header == "picture  label  probability                        model"
    assert bag == "a.png    Bag          0.750  ███████████████       mlp/12"
    assert coat == "b.png    Coat         0.750  ███████████████       mlp/12"
    assert bad == "c.png    This is no picture: really"


def test_a_bar_for_each_class(gateway, folder):
    """`--top 2` has a line for each of two classes, best first, under the picture's name."""
    first, second = predict(gateway, "--top", "2", "b.png").stdout.splitlines()[1:]
    assert first == "b.png    Coat         0.750  ███████████████       mlp/12"
    assert second == "         other        0.250  █████"


def test_json_parses_back(gateway, folder):
    """One object a line, with everything that a `Prediction` has, or with an error."""
    done = predict(gateway, "--json", "a.png", "c.png")
    bag, bad = (json.loads(line) for line in done.stdout.splitlines())
    assert (bag["picture"], bag["label"], bag["class_id"]) == ("a.png", "Bag", 1)
    assert (bag["model"], bag["version"]) == ("mlp", 12)
    assert bag["probabilities"] == {"other": 0.25, "Bag": 0.75}
    assert (bad.keys(), bad["picture"]) == ({"picture", "error"}, "c.png")
    assert done.exit_code == 1
    done = predict(gateway, "--json", "--top", "1", "b.png")
    assert json.loads(done.stdout)["probabilities"] == {"Coat": 0.75}
    assert done.exit_code == 0


def test_csv_parses_back(gateway, folder):
    """A header; a name with a comma and a quote comes back; a failed picture has its error."""
    odd = 'a "bag", mine.png'
    (folder / odd).write_text("Bag")
    done = predict(gateway, "--csv", "--top", "2", odd, "c.png")
    bag, bad = csv.DictReader(io.StringIO(done.stdout))
    assert bag == {
        "picture": odd,
        "label": "Bag",
        "class_id": "1",
        "probability": "0.75",
        "model": "mlp",
        "version": "12",
        "error": "",
        "warnings": "",
        "label_2": "other",
        "probability_2": "0.25",
    }
    assert (bad["picture"], bad["label"], bad["label_2"]) == ("c.png", "", "")
    assert "This is no picture" in bad["error"]
    assert "\r" not in done.stdout


@pytest.fixture
def seen(gateway, folder):
    """The gateway says where items are, and sees nothing in `e.png` and `f.png`."""
    gateway.answer = seeing
    photos(folder, e="empty", f="empty")
    return gateway


def test_nothing_to_see_in_a_table(seen):
    """Its row says so, and below each row is what was left out; all is well as long as there is
    something to see in one of them."""
    done = predict(seen, "a.png", "e.png")
    _, bag, bag_note, nothing, note = done.stdout.splitlines()
    assert bag.startswith("a.png    Bag ")
    assert nothing == f"e.png    {NOTHING}"
    assert bag_note == note == f"         {STRAY}"
    assert done.exit_code == 0, done.output
    assert predict(seen, "e.png", "f.png").exit_code == 1
    assert predict(seen, "a.png", "c.png", "e.png").exit_code == 1


def test_nothing_to_see_in_json(seen):
    """An object as the gateway's entry; predictions have box and warnings."""
    done = predict(seen, "--json", "a.png", "e.png", "c.png")
    bag, nothing, bad = (json.loads(line) for line in done.stdout.splitlines())
    assert (bag["box"], bag["warnings"]) == (BOX, [STRAY])
    assert nothing == {"picture": "e.png", "empty": True, "warnings": [NOTHING, STRAY]}
    assert bad.keys() == {"picture", "error"}
    done = predict(seen, "--json", "e.png")
    assert (done.exit_code, len(done.stdout.splitlines())) == (1, 1)


def test_nothing_to_see_in_csv(seen):
    """Its row has the reason that it has no prediction, and the rest in a column of warnings."""
    done = predict(seen, "--csv", "--top", "2", "a.png", "e.png")
    bag, nothing = csv.DictReader(io.StringIO(done.stdout))
    assert (bag["error"], bag["warnings"], bag["label_2"]) == ("", STRAY, "other")
    assert (nothing["error"], nothing["warnings"], nothing["label"]) == (NOTHING, STRAY, "")
    assert nothing["label_2"] == ""
    assert done.exit_code == 0
    done = predict(seen, "--csv", "e.png", "f.png")
    assert done.exit_code == 1


def test_a_box(seen):
    """It goes with the one picture, by whichever word that is named; one that the gateway refuses
    is exit code 1 with its words, and nothing to see in it a row."""
    done = predict(seen, "--json", "--box", "5,6,70,80.5", "--label", "stable", "a.png")
    assert seen.asked[0].path == "/v1/models/photo/labels/stable:predict?box=5,6,70,80.5"
    done = predict(seen, "--json", "--box", "5, 6,70,80", "[a].png")
    assert (done.exit_code, json.loads(done.stdout)["box"]) == (0, [5, 6, 70, 80])
    done = predict(seen, "--box", "100,0,9,9", "a.png")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "box is not inside the picture" in done.stderr
    for picture, reason in (("e.png", NOTHING), ("c.png", "This is no picture")):
        done = predict(seen, "--box", "1,2,3,4", picture)
        assert done.exit_code == 1
        assert reason in done.stdout


def test_a_box_without_a_gateway():
    """Here, and past the gateway, the same place is shown."""
    box = list(find_item(SAMPLES[0], box=(3, 4, 20, 22)).box)
    words = ["--json", "--box", "3,4,20,22", str(SAMPLES[0])]
    with FakeModelServer(classifying()) as server:
        past = ["predict", "--model-server", server.address]
        done = CliRunner().invoke(main, [*past, *words])
        assert json.loads(done.stdout)["box"] == box, done.output
        outside = CliRunner().invoke(main, [*past, "--box", "20,20,9,9", str(SAMPLES[0])])
    assert (outside.exit_code, outside.stdout) == (1, "")
    assert "box 20,20,9,9 is not inside the picture" in outside.stderr
    with FakeGateway(seeing) as gateway:
        done = predict(gateway, "--local", *words)
    assert json.loads(done.stdout)["box"] == box, done.output


@pytest.mark.parametrize("form", [[], ["--json"], ["--csv"]], ids=str)
def test_another_model_than_the_default(seen, form):
    """Where `photo` is not served, mlp answers, and one line on standard error says so; whoever
    names a model hears nothing."""
    seen.answer = lacking("photo")
    done = predict(seen, *form, "--batch-size", "1", "a.png", "b.png")
    assert done.exit_code == 0, done.output
    assert "mlp" in done.stdout
    (line,) = done.stderr.splitlines()
    assert line.startswith("The model photo is not served here, so mlp is asked")
    assert predict(seen, *form, "--model", "mlp", "a.png").stderr == ""
    seen.answer = seeing
    assert predict(seen, *form, "a.png").stderr == ""


def test_which_pictures(gateway, folder):
    """Files as named, folders sorted by name and without what is no picture, quoted globs, also
    through folders, standard input; the order is that of the words."""
    photos(folder / "more", z="Bag", y="Coat")
    photos(folder / "more" / "deep", x="Bag")
    (folder / "more" / "notes.txt").write_text("not a picture")
    (folder / "[odd].png").write_text("Bag")
    for words, expected in (
        (["b.png", "a.png"], ["b.png", "a.png"]),
        (["more"], ["more/y.png", "more/z.png"]),
        (["[ab].png"], ["a.png", "b.png"]),
        (["more/**/*.png"], ["more/deep/x.png", "more/y.png", "more/z.png"]),
        (["more/[!n]*"], ["more/y.png", "more/z.png"]),
        (["[odd].png"], ["[odd].png"]),
        (["-", "a.png"], ["-", "a.png"]),
    ):
        done = predict(gateway, "--json", *words, stdin=b"Coat")
        assert (done.exit_code, pictures(done)) == (0, expected), done.output


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["no.png"], "no.png is not there"),
        (["a.png", "no*.png"], "no*.png matches no file"),
        (["empty"], "empty has no picture in it"),
        (["-", "-"], "- can be read once"),
        (["a.png", "--csv", "--json"], "give one"),
        (["a.png", "--version", "1", "--label", "stable"], "give one"),
        (["a.png", "--top", "0"], "--top"),
        (["a.png", "b.png", "--box", "1,2,3,4"], "one picture; 2 are named"),
        (["a.png", "--box", "1,2,3"], "'1,2,3' is none; write four numbers"),
        (["a.png", "--box", "a,b,c,d"], "four numbers"),
        (["a.png", "--version", str(2**63)], "--version"),
        ([], "PICTURES"),
    ],
)
def test_nothing_to_ask_for(gateway, folder, words, hint):
    """What names no picture, or makes no sense, is exit code 2 before anything is asked."""
    (folder / "empty").mkdir()
    done = predict(gateway, *words)
    assert (done.exit_code, done.stdout, gateway.asked) == (2, "", [])
    assert hint in done.stderr


def test_a_file_that_cannot_be_read_is_a_row(gateway, folder):
    """One that is there and cannot be opened keeps its place, and the others are answered."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("aa.png")  # which nobody may open, not even root
        done = predict(gateway, "--json", "a.png", "aa.png", "b.png")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.exit_code == 1, done.output
    assert [row.get("label") for row in rows] == ["Bag", None, "Coat"]
    assert "aa.png" in rows[1]["error"]


def test_how_it_asks(gateway, folder):
    """By batches of the size that was said, of the version or the label, with the key."""
    predict(gateway, "--version", "2", "--batch-size", "2", "--key", "secret", "a.png", "b.png")
    predict(gateway, "--label", "stable", "--batch-size", "1", "a.png", "b.png")
    assert [(asked.path, len(asked.pictures)) for asked in gateway.asked] == [
        ("/v1/models/photo/versions/2:predict", 2),
        ("/v1/models/photo/labels/stable:predict", 1),
        ("/v1/models/photo/labels/stable:predict", 1),
    ]
    assert gateway.asked[0].headers["x-api-key"] == "secret"


def test_preprocessed_here(gateway):
    """With `--local` pixels travel, and a picture that cannot be read never leaves."""
    done = predict(gateway, "--local", "--json", str(SAMPLES[0]), __file__)
    good, bad = (json.loads(line) for line in done.stdout.splitlines())
    assert (done.exit_code, good["version"]) == (1, 12)
    assert "no picture" in bad["error"]
    [asked] = gateway.asked
    assert (asked.headers["content-type"], len(asked.pictures)) == ("application/x-npy", 1)


def test_past_the_gateway():
    """`--model-server` asks over gRPC; where nobody answers, exit code 2 says who."""
    with FakeModelServer(classifying()) as server:
        words = ["predict", "--model-server", server.address, "--json", str(SAMPLES[0])]
        done = CliRunner().invoke(main, words)
    assert (done.exit_code, json.loads(done.stdout)["version"]) == (0, 3), done.output
    done = CliRunner().invoke(main, words)
    assert (done.exit_code, done.stdout) == (2, "")
    assert server.address in done.stderr


@pytest.mark.parametrize("form", ["--json", "--csv"])
def test_a_service_that_fails_midway(gateway, folder, form):
    """What was answered stays; then a message and exit code 1, and no traceback."""
    gateway.answer = lambda asked: (
        problem(500, "mlp is gone") if b"Coat" in asked.body else predicting(asked)
    )
    done = predict(gateway, form, "--batch-size=1", "--concurrency=1", "a.png", "b.png")
    assert done.exit_code == 1
    assert "Bag" in done.stdout
    assert "mlp is gone" in done.stderr
    assert isinstance(done.exception, SystemExit)


def test_nobody_there(folder):
    """Exit code 2, with nothing on standard output and what to do on the other."""
    url = f"http://127.0.0.1:{free_port()}"
    done = CliRunner().invoke(main, ["predict", "--url", url, "a.png"])
    assert (done.exit_code, done.stdout) == (2, "")
    assert url in done.stderr
    assert "make serve" in done.stderr


def test_files_that_are_left_out(gateway, tmp_path):
    """A note counts them, by kind; a picture of any format that is read is taken, hidden files and
    folders are nobody's concern."""
    folder = photos(tmp_path / "mixed", a="Bag")
    for name in ("b.avif", "c.TIF", "d.tiff", "e.txt", "f.TXT", "g.svg", "README", ".hidden"):
        (folder / name).write_text("Coat")
    (folder / "below").mkdir()
    done = predict(gateway, str(folder), "--json")
    assert [name.rpartition("/")[2] for name in pictures(done)] == [
        *("a.png", "b.avif", "c.TIF", "d.tiff"),
    ]
    assert done.stderr == (
        f"{folder}: 4 files (2 .txt, 1 without a suffix, 1 .svg) skipped: not named like pictures\n"
    )


def test_folders_without_a_picture(gateway, tmp_path):
    """Exit code 2, with what is there instead."""
    folder = tmp_path / "documents"
    folder.mkdir()
    done = predict(gateway, str(folder))
    assert (done.exit_code, done.stdout) == (2, "")
    assert f"{folder} has no picture in it (PNG, " in done.stderr
    assert "it has" not in done.stderr
    for number in range(7):
        (folder / f"a.{number}").touch()
    (folder / "b.0").touch()
    done = predict(gateway, str(folder))
    assert (done.exit_code, done.stdout) == (2, "")
    assert "it has 8 files (2 .0, 1 .1, 1 .2, 1 .3, 1 .4, …); for those below" in done.stderr


def test_a_model_that_is_not_there(gateway, folder):
    """Exit code 1, with those that there are; `vitrine models` has no need to be asked."""
    gateway.answer = answering_models
    done = predict(gateway, "a.png", "--model", "nope")
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == "Error: No model nope; there are linear, mlp\n"
    done = predict(gateway, "a.png", "--model", "mlp", "--label", "blue")
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: mlp has no version label blue; there are canary (version")


def answering_models(asked: Asked) -> Reply:
    """Lists models, and predicts with none."""
    if "/labels/" in asked.path:
        return problem(400, "Unrecognized servable version label: blue")
    if asked.path.endswith(":predict"):
        return problem(404, "Servable not found; `GET /v1/models` lists what is served")
    return answering(asked)
