"""A gateway of one process over sockets, with an embedded model server behind it."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from tests import running_gateway
from tests.conftest import children_of, end, free_port, wait_for
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
    port, grpc_port = free_port(), free_port()
    model_server = [
        *(sys.executable, "-m", "vitrine_serving.model_server", f"--port={grpc_port}"),
        *("--rest_api_port=0", f"--model_config_file={base / 'models.config'}"),
        "--allow_version_labels_for_unavailable_models",
    ]
    settings = {"max_images": MAX_IMAGES, "max_pixels": MAX_PIXELS, "request_timeout_s": DEADLINE_S}
    log = base / "gateway.log"
    with (base / "model_server.log").open("w") as other:
        processes = [
            subprocess.Popen(model_server, stdout=other, stderr=subprocess.STDOUT, text=True),
            running_gateway.start(
                log,
                port=port,
                model_server=f"127.0.0.1:{grpc_port}",
                models="clothes,echo",
                workers=1,
                **settings,
            ),
        ]
    try:
        wait_for(lambda: _is_ready(port), 180, "the gateway")
        (worker,) = children_of(processes[1].pid)
        yield Gateway(port, worker, log)
    finally:
        for process in reversed(processes):
            end(process)


def _is_ready(port: int) -> bool:
    try:
        return requests.get(f"http://127.0.0.1:{port}/readyz?models=1", timeout=5).ok
    except requests.RequestException:
        return False
