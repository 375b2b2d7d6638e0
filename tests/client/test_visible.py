"""Text of others on a terminal: shown, not obeyed, whichever command prints it, and however."""

import io
import json
import os
import pty
import subprocess
import sys

import pytest
from rich.text import Text

from tests.client.cli_gateway import METADATA, PROFILE, photos
from tests.client.fake_gateway import STATUS_OK, Asked, FakeGateway, Reply, problem
from vitrine_client.process.console import VisibleConsole
from vitrine_client.process.visible import visible, visible_lines

HOSTILE = "a\x1b]0;owned\x07\x9b2J\u202eb\rc"
SHOWN = "a\\u001b]0;owned\\u0007\\u009b2J\\u202eb\\u000dc"

RUN = """
import sys
from vitrine_client.process import standard_streams
standard_streams.keep_open()
from vitrine_client.cli import main
for line in sys.stdin.read().splitlines():
    try:
        main(line.split("|"), prog_name="vitrine")
    except SystemExit:
        print(flush=True)
"""
WARN = """
import logging, warnings
from vitrine_client.process import standard_streams
standard_streams.keep_open()
name = "a\\x1b]0;owned\\x07\\x9b2J\\u202eb\\rc"
warnings.warn(name)
logging.warning(name)
print(name)
raise SystemExit(name)
"""


def hostile(asked: Asked) -> Reply:
    """Answers with escape sequences wherever there is text."""
    statuses = [
        {"version": "3", "state": HOSTILE, "status": STATUS_OK},
        {
            "version": "2",
            "state": "END",
            "status": {"error_code": HOSTILE, "error_message": HOSTILE},
        },
    ]
    if asked.path == "/v1/models":
        one = {"name": HOSTILE, "version_labels": {HOSTILE: "3"}, "model_version_status": statuses}
        one |= {"reason": HOSTILE, "assumptions": [HOSTILE]}
        statuses[0]["state"] = "AVAILABLE"
        return Reply(content={"models": [one]})
    if asked.path == "/v1/models/mlp":
        return Reply(content={"model_version_status": statuses})
    if asked.path.endswith("/metadata"):
        return Reply(content=json.loads(json.dumps(METADATA).replace("images", "a\\u001b[2J")))
    if asked.path.endswith("/profile"):
        told = json.loads(json.dumps(PROFILE).replace("keras_tensor", "a\\u001b[2J"))
        told["profile"]["labels"][0] = HOSTILE
        return Reply(content=told | {"assumptions": [HOSTILE]})
    if asked.path.endswith(":predict"):
        entry = {"label": HOSTILE, "class_id": 0, "probability": 1.0, "warnings": [HOSTILE]}
        spec = {"name": HOSTILE, "version": "3"}
        entry["probabilities"] = {HOSTILE: 1.0}
        return Reply(content={"predictions": [entry], "model_spec": spec})
    return problem(400, HOSTILE)


@pytest.fixture(scope="module")
def gateway():
    with FakeGateway(hostile) as running:
        yield running


def test_hidden_characters_are_escapes():
    """In one line all of them, in several but for their ends, tabs and bytes of names of files."""
    assert visible(f"{HOSTILE}\n\t\udcff") == f"{SHOWN}\\u000a\\u0009\\udcff"
    assert visible_lines(f"{HOSTILE}\n\t\udcff") == f"{SHOWN}\n\t\udcff"
    assert visible("Größe 1\u3000½ \N{SNOWMAN}") == "Größe 1\u3000½ \N{SNOWMAN}"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("at http://bob:s3cret@host:80/x, no", "at http://host:80/x, no"),
        ("'https://bob:@host'", "'https://host'"),
        ("a file http:/bob:s3%20cret@host", "a file http:/host"),
        ("HTTP://:s3cret@[::1]:80", "HTTP://[::1]:80"),
        ("http://host:80/a@b and bob:word@host", "http://host:80/a@b and bob:word@host"),
    ],
)
def test_passwords_of_addresses_are_left_out(text, shown):
    """Wherever an address is quoted; what only looks like one stays."""
    assert visible_lines(text) == shown


def test_a_terminal_obeys_our_colours_alone():
    """Styles are escape sequences; text has none, be it styled or as it is. rich itself leaves out
    some."""
    written = io.StringIO()
    console = VisibleConsole(file=written, force_terminal=True, color_system="standard", width=200)
    console.print(Text(HOSTILE, "red"))
    console.out(HOSTILE, highlight=False)
    shown = SHOWN.replace("\\u0007", "").replace("\\u000d", "")
    assert written.getvalue() == f"\x1b[31m{shown}\x1b[0m\n{shown}\n"


def test_no_command_passes_them_on(gateway, tmp_path):
    """Neither labels nor names of models and files, states, errors of loads, nor errors."""
    picture = photos(tmp_path, **{HOSTILE: "Bag"}) / f"{HOSTILE}.png"
    where = ["--url", gateway.url]
    calls = [
        *(["models"], ["status", "mlp"], ["metadata", "mlp"], ["drift", "mlp"]),
        *(["profile", "mlp"], ["profile", "mlp", "--json"], ["models", "--json"]),
        *(["predict", str(picture)], ["predict", str(picture), "--csv"]),
        *(["predict", str(picture), "--json"], ["explain", str(picture)]),
        ["predict", "x\x1bc.png"],
        ["loadtest", "compare", "http://bob:s3cret@host/a.json", "b.json"],
        ["predict", "x.png", "--model-server", "http://bob:s3cret@127.0.0.1:9"],
    ]
    lines = "\n".join("|".join([*call, *where]).replace("\r", "") for call in calls)
    picture.rename(str(picture).replace("\r", ""))
    done = subprocess.run(
        [sys.executable, "-c", RUN], input=lines.encode(), capture_output=True, timeout=60
    )
    told = [done.stdout.decode(), done.stderr.decode()]
    assert not any(set("\x1b\x07\x9b\u202e\r") & set(text) for text in told), told
    assert told[0].count("owned") >= 10
    assert told[1].count("a\\u001b]0;owned\\u0007") >= 2  # drift's and explain's errors
    assert "x\\u001bc.png is not there" in told[1]
    assert "http://127.0.0.1:9' is no address of a model server" in told[1]
    assert "s3cret" not in told[0] + told[1]
    assert "Traceback" not in told[1]


def test_nothing_else_passes_them_on():
    """Warnings, logs and what ends a process go through the same streams."""
    done = subprocess.run([sys.executable, "-c", WARN], capture_output=True, timeout=60)
    assert done.stdout.decode() == f"{SHOWN}\n"
    assert done.stderr.decode().count(SHOWN) == 3
    assert b"\x1b" not in done.stderr


def test_on_a_terminal(gateway, tmp_path):
    """The bar has its colour, and the label is shown."""
    photos(tmp_path, p="Bag")
    ours, theirs = pty.openpty()
    environment = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "CI")}
    environment |= {"TERM": "xterm", "COLUMNS": "250"}
    command = [sys.executable, "-m", "vitrine_client", "predict", str(tmp_path / "p.png")]
    with subprocess.Popen(
        [*command, "--url", gateway.url], stdout=theirs, stderr=theirs, env=environment
    ) as process:
        os.close(theirs)
        shown = bytearray()
        try:
            while chunk := os.read(ours, 65536):
                shown += chunk
        except OSError:  # how Linux says that nobody has the other end any more
            pass
        process.wait(20)
    os.close(ours)
    assert "\x1b[36m█" in shown.decode()
    assert SHOWN in shown.decode()
    assert b"\x1b]0" not in shown
