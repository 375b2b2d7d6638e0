"""Environments of the peers' own, made once: what they need is not what we need."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from platformdirs import user_cache_path
from rich.console import Console

CACHE = user_cache_path("vitrine") / "benchmarks"

_HAS = (
    "import sys; from importlib.metadata import version as v; "
    "sys.exit(any(v(n.split('[')[0]) != w for n, w in (r.split('==') for r in sys.argv[1:])))"
)


def prepare(folder: Path, requirements: Sequence[str], console: Console) -> str:
    """Makes an environment with `requirements`, all pinned by `==`, unless it is there.

    pip takes them from the index that it is set up for, and shows how far it is. Returns why that
    failed, or nothing.
    """
    python = folder / "bin" / "python"
    if (
        python.exists()
        and not subprocess.run([python, "-c", _HAS, *requirements], capture_output=True).returncode
    ):
        return ""
    console.print(f"[bold]{folder.name}[/]: into {folder}, with TensorFlow a minute or two")
    for command in (
        [sys.executable, "-m", "venv", str(folder)],
        [str(python), "-m", "pip", "install", "--disable-pip-version-check", *requirements],
    ):
        if subprocess.run(command).returncode:
            return f"`{' '.join(command)}` failed"
    return ""
