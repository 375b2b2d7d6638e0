"""A gateway of one process over sockets, with an embedded model server behind it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from harness.gateway import gateway as running_gateway
from harness.model_server import model_server
from harness.ports import free_port
from harness.waiting import wait_for
from tests.contract import models
from tests.fuzz import classifier

DEADLINE_S = 10
MAX_IMAGES = 64
MAX_PIXELS = 1_000_000

CONFIG = """
model_config_list {{
  config {{ name: "clothes" base_path: "{base}/clothes" model_platform: "tensorflow"
           version_labels {{ key: "stable" value: 1 }} }}
  config {{ name: "echo" base_path: "{base}/echo" model_platform: "tensorflow" }}
}}
"""


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
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """`clothes` (version label `stable`) predicts, classifies and regresses; `echo` has a signature
    for each dtype."""
    base = tmp_path_factory.mktemp("fuzz")
    models.export(base / "kinds")
    models.publish(base / "kinds", "echo", base / "echo", 1)
    classifier.export(base / "clothes" / "1")
    (base / "models.config").write_text(CONFIG.format(base=base))
    flags = [f"--model_config_file={base / 'models.config'}"]
    flags += ["--allow_version_labels_for_unavailable_models"]
    settings = {"max_images": MAX_IMAGES, "max_pixels": MAX_PIXELS, "request_timeout_s": DEADLINE_S}
    port, log = free_port(), base / "gateway.log"
    settings |= {"port": port, "models": "clothes,echo"}
    with (
        model_server(base / "model_server.log", *flags) as server,
        running_gateway(server.grpc_address, log, workers=1, **settings) as running,
    ):
        wait_for(lambda: _is_ready(port), 180, "the gateway")
        (worker,) = running.workers
        yield Gateway(port, worker, log)


def _is_ready(port: int) -> bool:
    try:
        return requests.get(f"http://127.0.0.1:{port}/readyz?models=1", timeout=5).ok
    except requests.RequestException:
        return False
