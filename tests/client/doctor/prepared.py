"""Prepared process: has the modules of `vitrine`, and runs commands in forks of itself.

A fork begins in a tenth of the time of a Python that imports them. What is about a process itself,
its limits, its user, its Python, has one of its own.
"""

import atexit
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

from harness.paths import ROOT

LONGEST_S = 120


def run(
    words: Sequence[str], environment: Mapping[str, str], folder: Path
) -> "subprocess.CompletedProcess[str]":
    """Runs `vitrine` with nothing but these variables, in a folder."""
    with tempfile.TemporaryDirectory() as outputs:
        files = [str(Path(outputs) / name) for name in ("out", "err")]
        asked = {"words": words, "environment": environment, "folder": str(folder), "files": files}
        process = _process()
        assert process.stdin
        assert process.stdout
        process.stdin.write(json.dumps(asked) + "\n")
        process.stdin.flush()
        code = int(process.stdout.readline())
        out, err = (Path(file).read_text(errors="surrogateescape") for file in files)
    return subprocess.CompletedProcess(words, code, out, err)


@lru_cache(1)
def _process() -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "tests.client.doctor.prepared"]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    atexit.register(process.kill)
    return process


def _serve(requests: IO[str]) -> None:
    from vitrine_client import (
        __main__,
        cli,  # noqa: F401 - it takes a second to import
        model_server,  # noqa: F401
    )

    for line in requests:
        asked = json.loads(line)
        child = os.fork()
        if child == 0:
            _become(asked)
            os._exit(_ended(__main__.run))
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _become(asked: dict[str, Any]) -> None:
    signal.alarm(LONGEST_S)
    os.environ.clear()
    os.environ.update(asked["environment"])
    os.chdir(asked["folder"])
    for descriptor, file in enumerate(("/dev/null", *asked["files"])):
        opened = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
        os.dup2(opened, descriptor)
        os.close(opened)
    sys.argv = ["vitrine", *asked["words"]]


def _ended(command: Any) -> int:
    code = 1
    try:
        command()
    except SystemExit as end:
        code = int(end.code or 0)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    sys.stdout.flush()
    sys.stderr.flush()
    return code


if __name__ == "__main__":
    _serve(sys.stdin)
