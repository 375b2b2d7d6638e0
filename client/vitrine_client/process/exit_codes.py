"""Exit codes of the commands, and a group of commands that keeps to them."""

import contextlib
import errno
import os
import sys
from typing import Any

import click

from vitrine_client.process import picture_warnings, signals

WELL, FAILED, NOT_BEGUN = 0, 1, 2
HUNG_UP, INTERRUPTED, TERMINATED = (128 + number for number in (1, 2, 15))

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

MEANINGS = {
    WELL: "All is well. Also: a gateway or a model server that SIGTERM has drained.",
    FAILED: "What was asked for failed or was refused, at least in part; or its verdict is "
    "negative: requests failed, an objective was missed, a model got worse.",
    NOT_BEGUN: "It could not begin: wrong usage, a setting that makes no sense, something that is "
    "not installed, a port that is taken, no model to serve, or no answer from a gateway or a "
    "model server.",
    HUNG_UP: "Its terminal was closed (SIGHUP).",
    INTERRUPTED: "Ctrl-C (SIGINT).",
    TERMINATED: "SIGTERM, as `kill`, `timeout` and `docker stop` send it.",
}
"""Each exit code, and when it is; in Markdown."""

SUMMARY = (
    "Exit codes: 0 all well; 1 it failed, or its verdict is negative; 2 wrong usage, or no answer; "
    "129 terminal closed; 130 Ctrl-C; 143 SIGTERM."
)


class NotBegun(click.ClickException):
    """Error of a command that could not begin; its message tells the way out."""

    exit_code = NOT_BEGUN


class CommandGroup(click.Group):
    """Group of commands that a signal ends with its exit code, where click would say 1; its help
    says the exit codes in short. Odd metadata of pictures are not written of."""

    def __init__(self, *args: Any, **attributes: Any) -> None:
        super().__init__(*args, **attributes)
        self.epilog = self.epilog or SUMMARY

    def main(self, *args: Any, **extra: Any) -> Any:
        """Runs the command, as click does."""
        picture_warnings.silence()
        try:
            with signals.raising():
                return super().main(*args, **extra)
        except SystemExit as end:
            if end.code == INTERRUPTED and os.isatty(2):
                click.echo(err=True)  # ends the line that has ^C in it
            raise
        except OSError as error:
            text = str(error)
            if error.errno in _FULL:
                text = f"{error.filename or 'Standard output'} cannot be written: {error.strerror}"
                _discard_output()
            click.echo(f"Error: {text}", err=True)
            raise SystemExit(FAILED) from error


def _discard_output() -> None:
    """Discards buffered output, which the interpreter would write at its end, and fail."""
    with contextlib.suppress(OSError, ValueError):  # it has no descriptor
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
