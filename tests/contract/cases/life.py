"""What happens to a server before a case: models are published, and it is configured anew."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from google.protobuf import text_format
from tensorflow_serving.apis import get_model_status_pb2, model_management_pb2, status_pb2

from harness.waiting import wait_for
from tests.contract import models
from tests.contract.case import Grpc
from tests.contract.messages import predict, predicted, spec, states
from tests.contract.server import Server

TENSORFLOW = 'model_platform: "tensorflow"'
ALL = "model_version_policy { all {} }"
CHANGE_S = 30

Before = Callable[[Server], None]


def reload(base: Path, *configs: tuple[str, str]) -> Any:
    """A request to serve nothing but these: name, and the rest of its ModelConfig as text."""
    request = model_management_pb2.ReloadConfigRequest()
    request.config.model_config_list.SetInParent()
    for name, text in configs:
        path = "" if "base_path" in text else f'base_path: "{base / name}"'
        added = request.config.model_config_list.config.add(name=name)
        text_format.Merge(f"{path} {text}", added)
    return request


def serve(server: Server, *configs: tuple[str, str]) -> None:
    """Has the server serve nothing but these."""
    server.call("HandleReloadConfigRequest", reload(server.models, *configs))


def await_states(server: Server, name: str, wanted: Mapping[int, str]) -> None:
    """Waits until these versions of a model, among others, are in these states."""
    request = get_model_status_pb2.GetModelStatusRequest(model_spec=spec(name))

    def reached() -> bool:
        return wanted.items() <= states(server.call("GetModelStatus", request)).items()

    wait_for(reached, CHANGE_S, f"{name} {wanted}")


def publish(server: Server, name: str, version: int, kind: str = "half_plus_two") -> None:
    """Puts a version where the server will look for it."""
    models.publish(server.kinds, kind, server.models / name, version)


def one(name: str, kind: str = "half_plus_two", text: str = TENSORFLOW) -> Before:
    """Version 1 of a model, and no other model."""

    def before(server: Server) -> None:
        publish(server, name, 1, kind)
        serve(server, (name, text))
        await_states(server, name, {1: "AVAILABLE"})

    return before


def status(name: str, version: int | None = None) -> Grpc:
    """A call for the status of a model, or of one version."""
    request = get_model_status_pb2.GetModelStatusRequest(model_spec=spec(name, version=version))
    return Grpc("GetModelStatus", request)


def half(name: str, **choice: Any) -> Grpc:
    """A call to predict x = 2: 3 by half plus two, 4 by half plus three."""
    return Grpc("Predict", predict(spec(name, **choice), x=[2.0]))


def answered(name: str, version: int, y: float) -> Any:
    """The answer to `half`."""
    return predicted(spec(name, "serving_default", version=version), y=[y])


def fine(response: Any) -> None:
    """Checks a status of one version that is without an error."""
    [version] = response.model_version_status
    assert version.status == status_pb2.StatusProto()
