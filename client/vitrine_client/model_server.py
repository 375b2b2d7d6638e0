"""A gRPC client for any TensorFlow Serving, which needs no TensorFlow.

Install it with `vitrine-client[grpc]`. A `ModelServerClient` is safe to share between threads; make
it after a fork, never before.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import grpc
import numpy as np

from vitrine_client import calls, errors
from vitrine_client.calls import Answer
from vitrine_client.images import Picture, to_instance
from vitrine_client.predictions import Description, Prediction, VersionStatus, to_predictions
from vitrine_client.tensors import Array

__all__ = ["Answer", "ModelServerClient"]

_Method = Callable[..., bytes]


class ModelServerClient:
    """Calls one model server at `address` (`host:port`); every call has a deadline.

    `credentials` of `grpc.ssl_channel_credentials` turn TLS on; `server_name` is the name in the
    server's certificate, if it is not the address. All calls raise `NotFound`, `InvalidRequest`,
    `ResourceExhausted`, `Unavailable`, `DeadlineExceeded` or `ServerError`.
    """

    def __init__(
        self,
        address: str = "127.0.0.1:8500",
        *,
        timeout_s: float = 10.0,
        credentials: grpc.ChannelCredentials | None = None,
        server_name: str = "",
    ) -> None:
        self.address = address
        self._timeout_s = timeout_s
        options = calls.channel_options(server_name)
        self._channel = (
            grpc.secure_channel(address, credentials, options=options)
            if credentials
            else grpc.insecure_channel(address, options=options)
        )
        self._predict = self._channel.unary_unary(calls.path_of(calls.PREDICT))
        self._status = self._channel.unary_unary(calls.path_of(calls.STATUS))
        self._descriptions: dict[tuple[str, int], Description] = {}

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
        request = calls.predict_request(
            model,
            inputs,
            version=version,
            label=label,
            signature_name=signature_name,
            output_filter=output_filter,
        )
        return calls.read_answer(self._call(self._predict, request, timeout_s))

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
        request = calls.instances_request(model, instances, version=version, label=label)
        answer = calls.read_answer(self._call(self._predict, request, timeout_s))
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
            request = calls.describe_request(model, version)
            response = self._call(self._predict, request, timeout_s)
            self._descriptions[key] = calls.read_description(response)
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
        request = calls.status_request(model, version=version, label=label)
        return calls.read_statuses(self._call(self._status, request, timeout_s))

    def _call(self, method: _Method, request: bytes, timeout_s: float | None) -> bytes:
        timeout_s = timeout_s or self._timeout_s
        try:
            return method(request, timeout=timeout_s)
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.UNAVAILABLE:
                raise self._translated(error) from error
            unavailable = error
        try:
            return method(request, timeout=min(calls.RECONNECT_S, timeout_s), wait_for_ready=True)
        except grpc.RpcError as error:
            late = error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
            raise self._translated(unavailable if late else error) from error

    def _translated(self, error: Any) -> errors.VitrineError:
        return calls.error_for(error.code(), error.details(), self.address)
