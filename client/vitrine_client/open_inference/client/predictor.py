"""Picture predictor: predictions for pictures by a model of any Open Inference server."""

import threading
from collections.abc import Callable, Generator, Sequence
from typing import Any, Protocol, Self

import numpy as np

from vitrine_client import errors
from vitrine_client.errors import EmptyPicture, InvalidImage, VitrineError
from vitrine_client.http import streaming
from vitrine_client.http.default_model import FALLBACK, PREFERRED
from vitrine_client.http.streaming import Stop
from vitrine_client.images import NOTHING, Item, Picture
from vitrine_client.images.pictures import (
    Batch,
    Pictures,
    answered,
    attempted,
    batches,
    encoded,
    with_item,
)
from vitrine_client.images.preprocessing import fit_picture, most_numbers
from vitrine_client.open_inference.client.metadata import BINARY, CLASSIFICATION, ModelMetadata
from vitrine_client.open_inference.client.picture_model import PictureModel, picture_model
from vitrine_client.open_inference.datatypes import Array
from vitrine_client.open_inference.messages import V2Request, V2Response, V2Tensor
from vitrine_client.results.predictions import Prediction, distinct, to_predictions
from vitrine_client.results.profiles.completion import ProfileLayer
from vitrine_client.results.profiles.profile import LABELS_MEMBER
from vitrine_client.results.profiles.report import ProfileReport
from vitrine_client.results.profiles.shares import shares_of
from vitrine_client.results.profiles.trial import kind_of

PredictionOutcome = Prediction | InvalidImage

_MOST_BYTES = 16 * 2**20
"""Of the tensors in a request: half of what a gateway takes by default."""

_REFUSALS = (errors.InvalidRequest, errors.UnsupportedMediaType, errors.TakesNoPictures)
"""Of binary data by servers that know none; others fail at it."""


class V2Server(Protocol):
    """Server of the protocol, over HTTP or gRPC."""

    def extensions(self) -> Sequence[str]:
        """Returns the extensions that it says it has."""

    def model_metadata(self, model: str, version: int | None = None) -> ModelMetadata:
        """Returns the inputs and outputs of a model."""

    def profile_report(self, model: str, version: int | None = None) -> ProfileReport | None:
        """Returns what it says of a model's pictures, None where it says nothing."""

    def infer(
        self,
        request: V2Request,
        model: str,
        version: int | None = None,
        *,
        is_binary: bool = True,
        stop: Stop | None = None,
    ) -> V2Response:
        """Asks for an inference."""

    def close(self) -> None:
        """Ends the connections."""


def default_model(server: V2Server, told: Callable[[str], None]) -> str:
    """Returns the preferred model, or the next one where that is not served, which is `told`."""
    try:
        server.model_metadata(PREFERRED)
        return PREFERRED
    except errors.NotFound as first:
        try:
            server.model_metadata(FALLBACK)
        except errors.NotFound:
            raise errors.NotFound(
                f"There is no model {PREFERRED}, nor {FALLBACK}: --model names one ({first})"
            ) from first
    told(f"The model {PREFERRED} is not served here, so {FALLBACK} is asked")
    return FALLBACK


def found_model(
    server: V2Server,
    model: str,
    version: int | None = None,
    layers: Sequence[ProfileLayer] = (),
    *,
    local: bool = False,
) -> PictureModel:
    """Asks a server how pictures are made for a model; what the layers say is first. Raises
    `NotFound`, and `TakesNoPictures` for a model of something else."""
    metadata = server.model_metadata(model, version)
    report = server.profile_report(model, version)
    if report and report.profile:
        members = {name: each for name, each in vars(report.profile).items() if name != "sources"}
        members[LABELS_MEMBER] = report.labels
        layers = [*layers, ProfileLayer("gateway", members)]
    elif report and not layers:
        raise errors.TakesNoPictures(f"No picture can be sent to {model}: {report.reason}")
    return picture_model(metadata._replace(name=model), layers, local=local)


class V2Predictor:
    """Picture predictor: asks a server, and closes it in the end; `layers` say what is known of the
    model's pictures and answers, and `told` is told what a user should know."""

    def __init__(
        self,
        server: V2Server,
        layers: Sequence[ProfileLayer] = (),
        told: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._server, self._layers, self._told = server, layers, told

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.close()

    def predict(
        self,
        picture: Picture,
        model: str | None = None,
        *,
        version: int | None = None,
        label: str | None = None,
        local: bool = False,
        box: Sequence[float] | None = None,
    ) -> Prediction:
        """Returns the prediction for one picture, or for its `box`, as `Client.predict` does."""
        asked = self._asked(model, version, label, local=local or box is not None)
        (found,) = asked.outcomes([picture], Stop(), box)
        if isinstance(found, InvalidImage):
            raise found
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
        local: bool = False,
    ) -> Generator[PredictionOutcome, None, None]:
        """Yields, for each picture in order, its prediction or its error, as `Client.predict_many`
        does."""
        streaming.check(batch_size, concurrency)
        asked = self._asked(model, version, label, local=local)
        size = min(batch_size, asked.most_pictures)
        return streaming.in_order(batches(pictures, size), asked.outcomes, concurrency)

    def _asked(
        self, model: str | None, version: int | None, label: str | None, *, local: bool
    ) -> "_AskedModel":
        if label is not None:
            raise errors.InvalidRequest(
                "The Open Inference Protocol has no version labels; name a version by its number"
            )
        name = model or default_model(self._server, self._told)
        found = found_model(self._server, name, version, self._layers, local=local)
        if found.assumed:
            self._told(f"{name}: {found.assumed} assumed; --profile FILE tells otherwise")
        return _AskedModel(self._server, found, version, self._told)


class _AskedModel:
    """Asked model: takes batches, in several threads. What only its answers tell is known
    once one picture was answered."""

    def __init__(
        self,
        server: V2Server,
        model: PictureModel,
        version: int | None,
        told: Callable[[str], None],
    ) -> None:
        self._server, self._model, self._version, self._told = server, model, version, told
        self._lock = threading.Lock()
        self._is_settled = False
        self._is_binary = True
        self._kind = model.profile.kind
        self._labels = model.labels

    @property
    def most_pictures(self) -> int:
        """The most pictures in a request."""
        most = self._model.most_rows
        if self._model.is_file:
            return most or _MOST_BYTES
        bytes_each = 8 * most_numbers(self._model.profile)
        return min(most or _MOST_BYTES, max(1, _MOST_BYTES // bytes_each))

    def outcomes(
        self, batch: Batch, stop: Stop, box: Sequence[float] | None = None
    ) -> list[PredictionOutcome]:
        """Returns the prediction for each picture, or its error."""
        made = [attempted(lambda each: self._made(each, box), picture) for picture in batch]
        return answered(made, lambda items: self._answered(items, stop))

    def _made(self, picture: Picture, box: Sequence[float] | None) -> Item:
        """Returns what is sent of a picture: its levels, or its file."""
        if self._model.is_file:
            return Item(np.array([encoded(picture)], object), (0, 0, 0, 0))
        item = fit_picture(picture, self._model.profile, box=box)
        if item.empty:
            raise EmptyPicture(NOTHING, warnings=item.warnings)
        return item

    def _answered(self, items: Sequence[Item], stop: Stop) -> list[PredictionOutcome]:
        """Asks for all at once; of files that are refused, for each."""
        try:
            return self._predictions(items, stop)
        except errors.InvalidRequest as error:
            if not self._model.is_file:
                raise
            if len(items) == 1:
                return [InvalidImage(str(error))]
        return [each for item in items for each in self._answered([item], stop)]

    def _predictions(self, items: Sequence[Item], stop: Stop) -> list[PredictionOutcome]:
        sent = [item.instance[0] if self._model.is_file else item.instance for item in items]
        with self._lock:
            if not self._is_settled:
                self._settle(sent[:1], stop)
        response = self._infer(self._model.tensor(sent), stop)
        numbers = self._model.numbers(response, len(items))
        shares = shares_of(numbers, self._kind_of(numbers))
        labels = self._labels_for(shares)
        version = response.model_version
        number = int(version) if version.isascii() and version.isdigit() else 0
        found = to_predictions(shares, labels, self._model.name, number)
        if self._model.is_file:  # the server alone knows what it saw
            return list(found)
        return list(map(with_item, found, items))

    def _infer(self, tensor: V2Tensor, stop: Stop, classes: int = 0) -> V2Response:
        request = self._model.request(tensor, is_binary=self._is_binary, classes=classes)
        return self._server.infer(
            request, self._model.name, self._version, is_binary=self._is_binary, stop=stop
        )

    def _settle(self, picture: Sequence[Any], stop: Stop) -> None:
        """Finds out with one picture what the server says nowhere: whether it takes binary data,
        and how it names the classes."""
        tensor, extensions = self._model.tensor(picture), self._server.extensions()
        response = None if BINARY in extensions else self._tried(tensor, stop)
        if self._labels is None:
            numbers = self._model.numbers(response or self._infer(tensor, stop), 1)
            classes = 2 if self._kind == "binary" else numbers.shape[1]
            if CLASSIFICATION in extensions:
                self._labels = self._told_labels(tensor, classes, stop)
            if self._labels is None:
                self._labels = tuple(map(str, range(classes)))
                self._told(
                    f"{self._model.name}: nothing names its classes; --labels FILE does, each in a "
                    "line"
                )
        self._is_settled = True

    def _tried(self, tensor: V2Tensor, stop: Stop) -> V2Response:
        """Asks with binary data, or else with JSON, in which nothing that is said differs."""
        try:
            return self._infer(tensor, stop)
        except (*_REFUSALS, errors.ServerError) as error:
            refusal = error
        if tensor.datatype in ("FP16", "BF16"):  # JSON has no form for them
            raise refusal
        self._is_binary = False
        try:
            response = self._infer(tensor, stop)
        except VitrineError:
            self._is_binary = True
            raise
        self._told("The server takes no binary data, and is sent JSON, which takes longer")
        return response

    def _told_labels(self, tensor: V2Tensor, classes: int, stop: Stop) -> tuple[str, ...] | None:
        """Returns the labels in a classification of all classes, None where it has none."""
        try:
            response = self._infer(tensor, stop, classes)
        except VitrineError:
            return None
        found = dict[int, str]()
        for output in response.outputs:
            if output.datatype != "BYTES":
                return None
            for text in output.array.ravel().tolist()[:classes]:
                _, _, named = text.decode(errors="replace").partition(":")
                number, _, label = named.partition(":")
                if number.isdecimal() and label:
                    found[int(number)] = label
        if sorted(found) != list(range(classes)):
            return None
        return distinct([found[number] for number in range(classes)])

    def _labels_for(self, shares: Array) -> tuple[str, ...]:
        labels, classes = self._labels or (), shares.shape[1]
        if len(labels) != classes or classes < 2:
            raise errors.ModelFault(
                f"{self._model.name} answers {classes} classes, and {len(labels)} are named; "
                "--labels FILE has one in each line"
            )
        return distinct(labels)

    def _kind_of(self, numbers: Array) -> str:
        """Returns the kind of an answer: what is said of it, unless that is no more than the name
        of an output, and its numbers tell otherwise."""
        if self._kind != "logits" and kind_of(numbers) == "logits":
            if self._model.tells_kind:
                raise errors.ModelFault(
                    f"{self._model.name} answers numbers that are not in 0..1, and its kind is "
                    f"{self._kind}; --profile FILE tells another, such as logits"
                )
            self._kind = "logits"
        return self._kind
