"""A gRPC client for any TensorFlow Serving, which needs no TensorFlow.

Install it with `vitrine-client[grpc]`. A `ModelServerClient` is safe to share between threads; make
it after a fork, never before.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import grpc
import numpy as np

from vitrine_client import errors
from vitrine_client import wire_pb2 as wire
from vitrine_client.images import Picture, to_instance
from vitrine_client.predictions import Description, Prediction, VersionStatus, to_predictions
from vitrine_client.tensors import Array, from_tensor, to_tensor

_ERRORS: dict[grpc.StatusCode, type[errors.VitrineError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: errors.InvalidRequest,
    grpc.StatusCode.FAILED_PRECONDITION: errors.InvalidRequest,
    grpc.StatusCode.OUT_OF_RANGE: errors.InvalidRequest,
    grpc.StatusCode.NOT_FOUND: errors.NotFound,
    grpc.StatusCode.RESOURCE_EXHAUSTED: errors.ResourceExhausted,
    grpc.StatusCode.UNAVAILABLE: errors.Unavailable,
    grpc.StatusCode.CANCELLED: errors.Unavailable,
    grpc.StatusCode.DEADLINE_EXCEEDED: errors.DeadlineExceeded,
}
"""The one place where gRPC's codes become ours; what is not here is a `ServerError`."""

_CODE_NAMES: dict[int, str] = {code.value[0]: code.name for code in grpc.StatusCode}

_CHANNEL_OPTIONS = [
    ("grpc.max_send_message_length", -1),  # the gateway bounds what it takes, in bytes and images
    ("grpc.max_receive_message_length", -1),
    # A model server that comes back is found at once; gRPC's own default is 20 s and more.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 250),
]

_RECONNECT_S = 0.5
"""How long a call waits for a lost connection to come back: longer than the backoff above, so that
a server that is up again is never called unavailable."""


@dataclass(frozen=True)
class Answer:
    """Outputs by name, and the version of the model that gave them."""

    outputs: dict[str, Array]
    version: int


class ModelServerClient:
    """Calls one model server at `address` (`host:port`); every call has a deadline.

    All calls raise `NotFound`, `InvalidRequest`, `ResourceExhausted`, `Unavailable`,
    `DeadlineExceeded` or `ServerError`.
    """

    def __init__(self, address: str = "127.0.0.1:8500", *, timeout_s: float = 10.0) -> None:
        self.address = address
        self._timeout_s = timeout_s
        self._channel = grpc.insecure_channel(address, options=_CHANNEL_OPTIONS)
        self._predict = self._method("PredictionService/Predict", wire.PredictResponse)
        self._status = self._method("ModelService/GetModelStatus", wire.GetModelStatusResponse)
        self._descriptions: dict[tuple[str, int], Description] = {}

    def _method(self, path: str, response: Any) -> Any:
        return self._channel.unary_unary(
            f"/tensorflow.serving.{path}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=response.FromString,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the connection."""
        self._channel.close()

    def wait_until_ready(self, timeout_s: float) -> None:
        """Blocks until the server takes calls. Raises `Unavailable` after `timeout_s`."""
        try:
            grpc.channel_ready_future(self._channel).result(timeout=timeout_s)
        except grpc.FutureTimeoutError:
            raise errors.Unavailable(
                f"No model server answered at {self.address} within {timeout_s:g} s"
            ) from None

    def run(
        self,
        model: str,
        inputs: Mapping[str, Array],
        *,
        version: int | None = None,
        label: str | None = None,
        signature_name: str = "serving_default",
        output_filter: Sequence[str] = (),
        timeout_s: float | None = None,
    ) -> Answer:
        """Runs a signature of a model on named arrays (TensorFlow Serving's `Predict`).

        Without `version` or version `label` the newest version answers. `output_filter` names the
        outputs to return, all if empty.
        """
        request = wire.PredictRequest(
            model_spec=_spec(model, version, label, signature_name),
            inputs={name: to_tensor(array) for name, array in inputs.items()},
            output_filter=output_filter,
        )
        response = self._call(self._predict, request, timeout_s)
        outputs = {name: from_tensor(tensor) for name, tensor in response.outputs.items()}
        return Answer(outputs, response.model_spec.version.value)

    def predict_instances(
        self,
        model: str,
        instances: Array,
        *,
        version: int | None = None,
        label: str | None = None,
        timeout_s: float | None = None,
    ) -> list[Prediction]:
        """Returns a prediction for each row of `instances`, uint8 [n, 28, 28], white on black."""
        answer = self.run(
            model,
            {"images": instances.astype(np.float32) / 255},
            version=version,
            label=label,
            output_filter=["probabilities"],
            timeout_s=timeout_s,
        )
        labels = self.describe(model, answer.version, timeout_s=timeout_s).labels
        return to_predictions(answer.outputs["probabilities"], labels, model, answer.version)

    def predict(
        self, picture: Picture, model: str = "mlp", *, version: int | None = None
    ) -> Prediction:
        """Preprocesses one picture here and returns its prediction. Also raises `InvalidImage`."""
        return self.predict_instances(model, to_instance(picture)[np.newaxis], version=version)[0]

    def describe(self, model: str, version: int, *, timeout_s: float | None = None) -> Description:
        """Returns the labels and the card of a version; each version is asked once."""
        key = (model, version)
        if key not in self._descriptions:
            answer = self.run(
                model, {}, version=version, signature_name="describe", timeout_s=timeout_s
            )
            self._descriptions[key] = Description.from_outputs(answer.outputs)
        return self._descriptions[key]

    def status(
        self,
        model: str,
        *,
        version: int | None = None,
        label: str | None = None,
        timeout_s: float | None = None,
    ) -> list[VersionStatus]:
        """Returns the states of all versions of a model, or of the one asked for."""
        request = wire.GetModelStatusRequest(model_spec=_spec(model, version, label))
        response = self._call(self._status, request, timeout_s)
        return [
            VersionStatus(
                version=status.version,
                state=wire.ModelVersionStatus.State.Name(status.state),
                error_code=_CODE_NAMES[status.status.error_code],
                error_message=status.status.error_message,
            )
            for status in response.model_version_status
        ]

    def _call(self, method: Any, request: Any, timeout_s: float | None) -> Any:
        timeout_s = timeout_s or self._timeout_s
        try:
            return method(request, timeout=timeout_s)
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.UNAVAILABLE:
                raise self._translated(error) from error
            unavailable = error
        try:
            return method(request, timeout=min(_RECONNECT_S, timeout_s), wait_for_ready=True)
        except grpc.RpcError as error:
            late = error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
            raise self._translated(unavailable if late else error) from error

    def _translated(self, error: Any) -> errors.VitrineError:
        code, details = error.code(), error.details() or ""
        if code is grpc.StatusCode.UNAVAILABLE:
            details = f"The model server at {self.address} is not answering ({details})"
        return _ERRORS.get(code, errors.ServerError)(details or code.name)


def _spec(
    model: str, version: int | None, label: str | None, signature_name: str = ""
) -> wire.ModelSpec:
    spec = wire.ModelSpec(name=model, signature_name=signature_name)
    if version is not None:
        spec.version.value = version
    elif label is not None:
        spec.version_label = label
    return spec
