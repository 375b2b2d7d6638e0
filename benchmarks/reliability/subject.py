"""Who is put to the test: a gateway, and what is right and usual of it."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.embedded import model_server
from benchmarks.gateway.processes import rss_mb
from benchmarks.http_load import Reply
from tests.conftest import predicts, wait_for
from tests.running_gateway import Gateway, gateway
from vitrine_client import Client

LABEL = b'"label":"Ankle boot"'
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


def flags(models_dir: Path) -> tuple[str, str]:
    """What a model server is told to serve the mlp."""
    return "--model_name=mlp", f"--model_base_path={(models_dir / 'mlp').absolute()}"


def workers_mb(running: Gateway) -> float:
    """Memory of a gateway's workers together."""
    return sum(rss_mb(running.process.pid)[1:])


def await_predictions(url: str, label: str = "Ankle boot") -> None:
    """Blocks until a gateway predicts."""

    def answers() -> bool:
        with Client(url) as client:
            return predicts(client, label)

    wait_for(answers, _START_S, "the gateway to predict")


def for_s(duration_s: float) -> Callable[[], bool]:
    """Returns what says whether `duration_s` are over, counted from now."""
    over = time.monotonic() + duration_s
    return lambda: time.monotonic() > over


def wrong(replies: Sequence[Reply]) -> int:
    """How many are answered with another label than the picture's."""
    return sum(reply.status == 200 and LABEL not in reply.body for reply in replies)
