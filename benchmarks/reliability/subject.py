"""Subject of the tests: a gateway in front of an embedded model server."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.gateway import Gateway, gateway, predicts
from harness.model_server import flags, model_server
from harness.processes import rss_mb
from harness.waiting import wait_for
from vitrine_client import Client

_START_S = 60


@contextmanager
def served(models_dir: Path, folder: Path) -> Iterator[Gateway]:
    """Runs a gateway by its defaults in front of an embedded model server with the mlp."""
    with (
        model_server(folder / "log", *flags(models_dir)) as server,
        gateway(server.grpc_address) as started,
    ):
        await_predictions(started.url)
        yield started


def workers_mb(running: Gateway) -> float:
    """Memory of a gateway's workers together."""
    return sum(rss_mb(running.process.pid)[1:])


def await_predictions(url: str, label: str = "Ankle boot") -> None:
    """Blocks until a gateway predicts."""

    def answers() -> bool:
        with Client(url) as client:
            return predicts(client, label)

    wait_for(answers, _START_S, "the gateway to predict")
