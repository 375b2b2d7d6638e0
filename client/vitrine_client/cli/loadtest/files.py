"""Files that a load test writes, and its command line as they have it."""

import json
import re
import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TextIO

import click

from vitrine_client.cli.loadtest.request import LoadRequest
from vitrine_client.loadtest.report import page as report
from vitrine_client.loadtest.results import request_rows, spreadsheet
from vitrine_client.loadtest.results.outcome import Outcome
from vitrine_client.loadtest.results.request_rows import RequestRows
from vitrine_client.loadtest.results.result import Result
from vitrine_client.process.addresses import without_password

STDOUT = Path("-")
_LONGEST_COMMAND = 400

_SECRET = re.compile(r"(--key=|--header=[^:]*:|-\w*H[^:]*:).*", re.DOTALL)
_SECRET_NEXT = re.compile(r"--key|--header|-\w*H")


def write(asked: LoadRequest, outcome: Outcome, rows: dict[int, RequestRows]) -> None:
    """Writes all files that were asked for; `rows` are the requests of each load. Raises the first
    `OSError` once the others, which that does not concern, are written."""
    failed: OSError | None = None
    for path, make in (
        (asked.json_file, _write_json),
        (asked.csv_file, _write_csv),
        (asked.requests_file, partial(_write_requests, rows)),
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


def _write_requests(rows: dict[int, RequestRows], path: Path, _: Outcome) -> None:
    with _opened(path) as file:
        request_rows.write_all(rows, file)


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


def command(given: Sequence[str]) -> str:
    """The command line, for who wants to repeat it: not too long, and without what may be secret,
    the API key, passwords and the values of headers."""
    words, before = ["vitrine"], ""
    for word in given:
        shown = without_password(word) if "://" in word else word
        if before == "--key":
            shown = "…"
        elif _SECRET_NEXT.fullmatch(before):
            shown = f"{word.partition(':')[0]}: …"
        else:
            shown = _SECRET.sub(r"\1…", shown)
        words.append(shown)
        before = word
    shown = shlex.join(words)
    return shown if len(shown) <= _LONGEST_COMMAND else f"{shown[:_LONGEST_COMMAND]} …"


def earlier(option: str, path: Path | None) -> Result | None:
    """Reads a result; none where there is no path. Raises `click.BadParameter`."""
    if not path:
        return None
    with explained(option):
        return Result.read(path)


@contextmanager
def explained(option: str) -> Iterator[None]:
    """Has a `ValueError` in its block say which option it is about."""
    try:
        yield
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint=option) from error
