"""The embedded model server's own API and gRPC, on models that cost nothing to load: for tests of
commands that change what it serves."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness.ports import free_port
from tests.serving.fake_models import FakeLoader, answers, publish, reach, states
from vitrine_serving.model_server.api.calls import Calls
from vitrine_serving.model_server.api.dataplane import ModelServerApi
from vitrine_serving.model_server.api.tensorflow_grpc import make_server
from vitrine_serving.model_server.metrics import ServingMetrics
from vitrine_serving.model_server.repository.config import read_config
from vitrine_serving.model_server.repository.repository import Repository

HEAD = "# What is served, and why.\n"


@dataclass
class Served:
    """A model server, the file that it was started with, and where `mlp` has its versions."""

    address: str
    config: Path
    repository: Repository
    base: Path

    def publish(self, version: int, *, broken: bool = False) -> None:
        """Publishes a version of mlp, and has the server look."""
        publish(self.base, version, broken=broken)
        self.repository.refresh()

    def reach(self, **expected: str) -> None:
        """Waits until the versions are in these states: `v1="AVAILABLE"`."""
        reach(self.repository, {int(name[1:]): state for name, state in expected.items()})

    def states(self) -> dict[int, str]:
        """The states of mlp's versions."""
        return states(self.repository)

    def labelled(self, label: str = "stable") -> int:
        """Which version answers by a label."""
        return answers(self.repository, label=label)


def write_config(folder: Path, more: str = "") -> Path:
    """Makes a file that has mlp served from `folder`, and version 1 of it."""
    publish(folder / "mlp", 1)
    config = folder / "models.config"
    config.write_text(
        f'{HEAD}model_config_list {{ config {{ name: "mlp" base_path: "{folder / "mlp"}"\n'
        f'  model_platform: "tensorflow" {more} }} }}\n'
    )
    return config


@contextmanager
def serving(config: Path, load: FakeLoader | None = None) -> Iterator[Served]:
    """Runs one on a file, as `--model_config_file` and
    `--allow_version_labels_for_unavailable_models` would."""
    repository = Repository(load or FakeLoader(), load_retries=0, allow_unavailable_labels=True)
    api = ModelServerApi(repository, ServingMetrics())
    address = f"127.0.0.1:{free_port()}"
    server = make_server(Calls(api, 4), [address])
    try:
        repository.configure(read_config(config.read_text()))
        server.start()
        yield Served(address, config, repository, config.parent / "mlp")
    finally:
        server.stop(0).wait()
        repository.stop()
