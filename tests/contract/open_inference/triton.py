"""Real Triton as a process, where an environment has nvidia-pytriton's wheel."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.ports import free_port
from harness.processes import running, wait_until_up
from tests.contract.open_inference.asking import Target
from tests.contract.open_inference.calls import Http

APP = Path(__file__).with_name("triton_app.py")


def why_not(python: Path) -> str:
    """Says why an environment's Python cannot run it, or nothing."""
    if not python.exists():
        return f"no {python}"
    found = subprocess.run([python, "-c", "import pytriton"], capture_output=True, timeout=60)
    return f"{python} has no nvidia-pytriton" if found.returncode else ""


@contextmanager
def triton(python: Path, folder: Path) -> Iterator[Target]:
    """Runs it with the table's models."""
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

        wait_until_up(process, log, is_ready, "Triton")
        yield target
        target.close()
