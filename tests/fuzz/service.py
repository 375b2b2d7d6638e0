"""Service under fuzz: a gateway over sockets, with an embedded model server behind it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

from harness.gateway import Gateway
from harness.gateway import gateway as running_gateway
from harness.model_server import model_server
from harness.waiting import wait_for
from tests.contract import models
from tests.fuzz import classifier

CONFIG = """
model_config_list {{
  config {{ name: "clothes" base_path: "{base}/clothes" model_platform: "tensorflow"
           version_labels {{ key: "stable" value: 1 }} }}
  config {{ name: "echo" base_path: "{base}/echo" model_platform: "tensorflow" }}
}}
"""


@contextmanager
def service(base: Path, workers: int, **settings: object) -> Iterator[Gateway]:
    """Runs one in the folder `base`. `clothes` (version label `stable`) predicts, classifies and
    regresses; `echo` has a signature for each dtype."""
    models.export(base / "kinds")
    models.publish(base / "kinds", "echo", base / "echo", 1)
    classifier.export(base / "clothes" / "1")
    (base / "models.config").write_text(CONFIG.format(base=base))
    flags = [f"--model_config_file={base / 'models.config'}"]
    flags += ["--allow_version_labels_for_unavailable_models"]
    log, names = base / "gateway.log", {"models": "clothes,echo"}
    with (
        model_server(base / "model_server.log", *flags) as server,
        running_gateway(server.grpc_address, log, workers=workers, **names, **settings) as gateway,
    ):
        wait_for(lambda: _is_ready(gateway.url), 180, "the gateway")
        yield gateway


def _is_ready(url: str) -> bool:
    try:
        return requests.get(f"{url}/readyz?models=1", timeout=5).ok
    except requests.RequestException:
        return False
