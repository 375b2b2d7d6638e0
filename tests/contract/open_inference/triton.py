"""Real Triton as a process, where an environment has nvidia-pytriton's wheel."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.ports import free_port
from harness.processes import LONG_S, running, wait_until_up
from harness.waiting import wait_for
from tests.contract.open_inference.asking import Target
from tests.contract.open_inference.calls import Http

UNLOADED = "/v2/models/unloaded"
APP = Path(__file__).with_name("triton_app.py")


def why_not(python: Path) -> str:
    """Says why an environment's Python cannot run it, or nothing."""
    if not python.exists():
        return f"no {python}"
    found = subprocess.run([python, "-c", "import pytriton"], capture_output=True, timeout=60)
    return f"{python} has no nvidia-pytriton" if found.returncode else ""


@contextmanager
def triton(python: Path, folder: Path) -> Iterator[Target]:
    """Runs it with the table's models; `unloaded` has been loaded before, as it was when it was
    seen, which changes what is said of it."""
    folder.mkdir()
    ports = free_port(), free_port()
    target = Target(*(f"127.0.0.1:{port}" for port in ports))
    log = folder / "log"
    command = [python, APP, folder, *map(str, ports)]
    with running(command, log, {"PYTHONPATH": ""}) as process:

        def is_ready() -> bool:
            try:
                return target.http(Http("GET", "/v2/health/ready")).status == 200
            except OSError:
                return False

        def is_unloaded() -> bool:
            return "no available versions" in target.http(Http("GET", UNLOADED)).words

        wait_until_up(process, log, is_ready, "Triton")
        for verb in ("load", "unload"):
            target.http(Http("POST", f"/v2/repository/models/unloaded/{verb}"))
        wait_for(lambda: is_unloaded() and is_ready(), LONG_S, "Triton, to unload a model")
        yield target
        target.close()
