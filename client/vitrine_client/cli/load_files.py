"""Files that a load test writes, and its command line as they have it."""

import json
import re
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import click

from vitrine_client.cli.load_request import LoadRequest
from vitrine_client.loadtest import report, spreadsheet
from vitrine_client.loadtest.outcome import Outcome

STDOUT = Path("-")
_LONGEST_COMMAND = 400


def write(asked: LoadRequest, outcome: Outcome) -> None:
    """Writes all files that were asked for. Raises the first `OSError` once the others, which that
    does not concern, are written."""
    failed: OSError | None = None
    for path, make in (
        (asked.json_file, _write_json),
        (asked.csv_file, _write_csv),
        (asked.html_file, _write_html),
    ):
        try:
            if path:
                make(path, outcome)
        except BrokenPipeError:
            raise
        except OSError as error:
            failed = failed or error
    if failed:
        raise failed


def _write_json(path: Path, outcome: Outcome) -> None:
    with _opened(path) as file:
        file.write(json.dumps(outcome.to_json()) + "\n")


def _write_csv(path: Path, outcome: Outcome) -> None:
    with _opened(path) as file:
        spreadsheet.write_csv(outcome.results, file)


def _write_html(path: Path, outcome: Outcome) -> None:
    if path == STDOUT:
        click.echo(report.render(outcome))
    else:
        report.write(path, outcome)


@contextmanager
def _opened(path: Path) -> Iterator[TextIO]:
    if path == STDOUT:
        yield sys.stdout
    else:
        with path.open("w", encoding="utf-8", newline="") as file:
            yield file


def command() -> str:
    """The command line, for who wants to repeat it: not too long, and without what may be secret,
    the API key and the values of headers."""
    words = shlex.join(["vitrine", *sys.argv[1:]])
    shown = re.sub(r"--key([ =])('[^']*'|\S+)", r"--key\1…", words)
    return shown if len(shown) <= _LONGEST_COMMAND else f"{shown[:_LONGEST_COMMAND]} …"
