"""A gateway of one process over sockets, with an embedded model server behind it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.gateway import Gateway as RunningGateway
from tests.fuzz.service import service

DEADLINE_S = 10
MAX_IMAGES = 64
MAX_PIXELS = 1_000_000


@dataclass(frozen=True)
class Gateway:
    """A running gateway: `worker` is the process that answers, `log` what it writes."""

    port: int
    worker: int
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def memory(self) -> tuple[int, int]:
        """Returns the bytes that the worker has in memory, and the most it ever had."""
        status = Path(f"/proc/{self.worker}/status").read_text()
        lines = dict(line.split(":", 1) for line in status.splitlines())
        now, most = (int(lines[name].split()[0]) * 1024 for name in ("VmRSS", "VmHWM"))
        return now, most

    def forget_most(self) -> None:
        """Sets the most memory that it ever had to what it has now (proc(5), clear_refs)."""
        Path(f"/proc/{self.worker}/clear_refs").write_text("5")


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    """A gateway of one process, with small limits."""
    settings = {"max_images": MAX_IMAGES, "max_pixels": MAX_PIXELS, "request_timeout_s": DEADLINE_S}
    with service(tmp_path_factory.mktemp("fuzz"), 1, **settings) as gateway:
        yield gateway


@pytest.fixture(scope="session")
def gateway(running: RunningGateway) -> Gateway:
    """The same, by its process."""
    (worker,) = running.workers
    return Gateway(int(running.address.rpartition(":")[2]), worker, running.log)
