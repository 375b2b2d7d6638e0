"""gRPC client for any TensorFlow Serving, which needs no TensorFlow.

Install it with `vitrine-client[grpc]`.
"""

from collections.abc import Generator, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Self

import grpc
import numpy as np

from vitrine_client import errors
from vitrine_client.errors import InvalidImage
from vitrine_client.http import protocol, streaming
from vitrine_client.http.default_model import DefaultModel
from vitrine_client.images import Item, Picture
from vitrine_client.images.pictures import (
    Batch,
    Pictures,
    answered,
    batches,
    item_in,
    items,
    with_item,
)
from vitrine_client.process import addresses
from vitrine_client.process.trust import Certificate
from vitrine_client.results import json_values, signatures
from vitrine_client.results.predictions import Prediction, VersionStatus, to_predictions
from vitrine_client.results.profiles import row_takers
from vitrine_client.results.profiles.description import Description
from vitrine_client.tfserving import management, messages
from vitrine_client.tfserving.channel import Channel, Verify, new_channel, trust_of
from vitrine_client.tfserving.examples import (
    CLASSIFY,
    REGRESS,
    Features,
    example_request,
    read_classes,
    read_values,
)
from vitrine_client.tfserving.messages import SignatureOutputs
from vitrine_client.tfserving.tensors import Array

__all__ = ["ModelServerClient", "SignatureOutputs"]

_METHODS = (
    *(messages.PREDICT, messages.STATUS, management.METADATA, management.RELOAD),
    *(CLASSIFY, REGRESS),
)


class ModelServerClient:
    """Client of the model server at `address` (`host:port`); every call has a deadline. Without
    `address` it is the one that the environment names (`VITRINE_MODEL_SERVER`, of several the
    first, or `VITRINE_GRPC_PORT` or `VITRINE_PORT` on this machine), else 127.0.0.1:8500.

    `verify` turns TLS on: a PEM file of the CAs to trust, or True for the usual ones, and `cert` is
    a PEM file to show with certificate and key, or one of each; without them it is
    `VITRINE_MODEL_SERVER_CA`, `_CERT` and `_KEY`. `credentials` of `grpc.ssl_channel_credentials`
    do as well. `server_name` (`VITRINE_MODEL_SERVER_NAME`) is the name in the server's certificate,
    if it is not the address.

    Threads may share it, and forked processes, where no other thread had a call under way at the
    fork. All calls raise `NotFound`, `InvalidRequest`, `ResourceExhausted`, `Unavailable`,
    `DeadlineExceeded` or `ServerError`.
    """

    def __init__(
        self,
        address: str | None = None,
        *,
        timeout_s: float = 10.0,
        verify: Verify = None,
        cert: Certificate = None,
        credentials: grpc.ChannelCredentials | None = None,
        server_name: str = "",
    ) -> None:
        self.address = (
            addresses.model_servers()[0]
            if address is None
            else addresses.checked_model_server(address)
        )
        tls: dict[str, Any] = {"verify": verify, "cert": cert, "credentials": credentials}
        tls |= {"server_name": server_name}
        self._remade = partial(type(self), self.address, timeout_s=timeout_s, **tls)
        self._timeout_s = protocol.checked_timeout_s(timeout_s)
        self._closed = False
        trust = None if credentials else trust_of(verify, cert)
        self._channel = Channel(
            self.address,
            _METHODS,
            partial(new_channel, self.address, trust, server_name, credentials),
        )
        self._default = DefaultModel()
        self._descriptions: dict[tuple[str, int], Description] = {}
        self._refusals: dict[tuple[str, int], str] = {}  # "" of versions that take rows

    def __enter__(self) -> Self:
        errors.check_open(self._closed)
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        """Copies are clients of their own, also in another process (`pickle`)."""
        return self._remade, ()

    def close(self) -> None:
        """Ends the connection; calls raise `ClientClosed` from then on."""
        self._closed = True
        self._channel.close()

    def wait_until_ready(self, timeout_s: float) -> None:
        """Blocks until the server takes messages. Raises `Unavailable` after `timeout_s`."""
        errors.check_open(self._closed)
        self._channel.wait_until_ready(protocol.checked_timeout_s(timeout_s))

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
    ) -> SignatureOutputs:
        """Runs a signature of a model on named arrays (TensorFlow Serving's `Predict`).

        Without `version` or version `label` the newest version answers. `output_filter` names the
        outputs to return, all if empty.
        """
        request = messages.predict_request(
            model,
            inputs,
            version=version,
            label=label,
            signature_name=signature_name,
            output_filter=output_filter,
        )
        return messages.read_answer(self._call(messages.PREDICT, request, timeout_s))

    def predict_instances(
        self,
        model: str,
        instances: Array,
        *,
        version: int | None = None,
        label: str | None = None,
        timeout_s: float | None = None,
    ) -> list[Prediction]:
        """Returns a prediction for each row of `instances`, uint8 [n, 28, 28], white on black. Also
        raises `TakesNoPictures` for models of other pictures, which a gateway makes for them, and
        those that do not describe themselves."""
        request = messages.instances_request(model, instances, version=version, label=label)
        try:
            answer = messages.read_answer(self._call(messages.PREDICT, request, timeout_s))
        except errors.InvalidRequest as error:
            if not messages.wants_other_tensors(error):
                raise
            raise errors.TakesNoPictures(_other_pictures(model, str(error))) from error
        with _sensible():
            version = json_values.version(answer.version)
            rows = _probabilities(answer.outputs["probabilities"], len(instances))
        labels = self._labels(model, version, timeout_s)
        with _sensible():
            return to_predictions(rows, labels, model, version)

    def _labels(self, model: str, version: int, timeout_s: float | None) -> tuple[str, ...]:
        """Returns the labels of a version that takes rows of Fashion-MNIST as they are. Raises
        `TakesNoPictures` for others; each version is asked once."""
        key = (model, version)
        refusal = self._refusals.get(key)
        if refusal is None:
            refusal = self._refusals[key] = self._refusal(model, version, timeout_s)
        if refusal:
            raise errors.TakesNoPictures(refusal)
        return self._descriptions[key].labels

    def _refusal(self, model: str, version: int, timeout_s: float | None) -> str:
        try:
            described = self.describe(model, version, timeout_s=timeout_s)
        except errors.InvalidRequest as error:
            return (
                f"{model} does not describe itself, so neither its pictures nor its labels are "
                f"known here; ask a gateway, or `run` its signature ({error})"
            )
        known = None
        if row_takers.is_open(described):
            answer = self.metadata(model, version=version, timeout_s=timeout_s)
            with _sensible():
                known = signatures.of(signatures.checked(answer))
        reason = row_takers.why_not(described, known)
        return _other_pictures(model, reason) if reason else ""

    def predict(
        self,
        picture: Picture,
        model: str | None = None,
        *,
        version: int | None = None,
        label: str | None = None,
        box: Sequence[float] | None = None,
    ) -> Prediction:
        """Finds the item of one picture here and returns its prediction, as
        `vitrine_client.Client.predict` does. Also raises `InvalidImage`, of which `EmptyPicture` is
        one, and `OSError` where a file can't be opened."""
        item = item_in(picture, box)
        (found,) = self._predict_items([item], model, version, label)
        return found

    def predict_many(
        self,
        pictures: Pictures,
        model: str | None = None,
        *,
        version: int | None = None,
        label: str | None = None,
        batch_size: int = 128,
        concurrency: int = 4,
    ) -> Generator[Prediction | InvalidImage, None, None]:
        """Yields, for each picture in order, its prediction or its error, as
        `vitrine_client.Client.predict_many` does; pictures are preprocessed here."""
        streaming.check(batch_size, concurrency)

        def ask(batch: Batch, _: streaming.Stop) -> list[Prediction | InvalidImage]:
            return answered(
                items(batch), lambda found: self._predict_items(found, model, version, label)
            )

        return streaming.in_order(batches(pictures, batch_size), ask, concurrency)

    def _predict_items(
        self, found: Sequence[Item], model: str | None, version: int | None, label: str | None
    ) -> list[Prediction]:
        rows = np.stack([item.instance for item in found])

        def ask(name: str) -> list[Prediction]:
            answers = self.predict_instances(name, rows, version=version, label=label)
            return list(map(with_item, answers, found))

        if model is not None:
            return ask(model)
        conversation = self._default.asked(
            lambda name: partial(ask, name), self._states, version, label
        )
        return protocol.held(conversation, lambda call: call())

    def _states(self, model: str) -> Generator[partial[Any], Any, list[VersionStatus]]:
        statuses: list[VersionStatus] = yield partial(self.status, model)
        return statuses

    def classify(
        self,
        model: str,
        examples: Iterable[Features],
        *,
        version: int | None = None,
        label: str | None = None,
        signature_name: str = "serving_default",
        timeout_s: float | None = None,
    ) -> list[list[tuple[str, float]]]:
        """Returns the classes and scores of each example, a mapping of features by name, in the
        model's order (TensorFlow Serving's `Classify`)."""
        spec = messages.model_spec(model, version, label, signature_name)
        request = example_request(CLASSIFY, spec, examples)
        return read_classes(self._call(CLASSIFY, request, timeout_s))

    def regress(
        self,
        model: str,
        examples: Iterable[Features],
        *,
        version: int | None = None,
        label: str | None = None,
        signature_name: str = "serving_default",
        timeout_s: float | None = None,
    ) -> list[float]:
        """Returns the value of each example, a mapping of features by name (TensorFlow Serving's
        `Regress`)."""
        spec = messages.model_spec(model, version, label, signature_name)
        request = example_request(REGRESS, spec, examples)
        return read_values(self._call(REGRESS, request, timeout_s))

    def describe(self, model: str, version: int, *, timeout_s: float | None = None) -> Description:
        """Returns the labels and the card of a version; each version is asked once. A version whose
        `describe` is for something else is `InvalidRequest`, as one without any is."""
        key = (model, version)
        if key not in self._descriptions:
            by_keys, without = messages.describe_requests(model, version)
            try:
                response = self._call(messages.PREDICT, by_keys, timeout_s)
            except errors.InvalidRequest as error:
                if not messages.wants_no_keys(error):
                    raise
                response = self._call(messages.PREDICT, without, timeout_s)
            self._descriptions[key] = _description(model, response)
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
        request = messages.status_request(model, version=version, label=label)
        response = self._call(messages.STATUS, request, timeout_s)
        with _sensible():
            return messages.read_statuses(response)

    def metadata(
        self,
        model: str,
        *,
        version: int | None = None,
        label: str | None = None,
        timeout_s: float | None = None,
    ) -> dict[str, Any]:
        """Returns the signatures of a version, in the JSON of TensorFlow Serving's REST API."""
        request = management.metadata_request(model, version=version, label=label)
        response = self._call(management.METADATA, request, timeout_s)
        with _sensible():
            return management.read_metadata(response)

    def reload(self, config: str | bytes, *, timeout_s: float | None = None) -> None:
        """Has the server serve the models of `config`, the text of a `models.config`, and no
        others; returns when models that are new are loaded. Raises `InvalidRequest` where it makes
        no sense."""
        request = management.reload_request(config)
        management.check_reloaded(self._call(management.RELOAD, request, timeout_s))

    def _call(self, name: str, request: bytes, timeout_s: float | None) -> bytes:
        errors.check_open(self._closed)
        within_s = self._timeout_s if timeout_s is None else protocol.checked_timeout_s(timeout_s)
        return self._channel.call(name, request, within_s)


def _other_pictures(model: str, told: str) -> str:
    return (
        f"{model} takes other pictures than rows of Fashion-MNIST; ask a gateway, which makes them "
        f"for it, or `run` its signature ({told})"
    )


_sensible = partial(protocol.sensible, "is that a model server, and does the model name classes?")


def _description(model: str, response: bytes) -> Description:
    with _sensible():
        try:
            return messages.read_description(response)
        except ValueError as error:
            if messages.is_description(response) or not messages.read_answer(response).outputs:
                raise
            told = f"{model} has a signature `describe` for something else: it answers {error}"
            raise errors.InvalidRequest(told) from error


def _probabilities(rows: Array, count: int) -> Array:
    """Returns rows of probabilities. Raises `ValueError` where they are none, or not one for each
    instance."""
    if rows.ndim != 2 or len(rows) != count or not rows.size:
        raise ValueError(f"`probabilities` of the shape {list(rows.shape)} for {count} images")
    if rows.dtype.kind != "f" or not np.isfinite(rows).all():
        raise ValueError("`probabilities` that are no numbers")
    return rows
