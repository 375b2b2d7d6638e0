"""What the gateway does, without HTTP: bytes, model and version in; predictions out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from vitrine_client.errors import InvalidImage, PayloadTooLarge, VitrineError
from vitrine_client.images import to_instance
from vitrine_client.predictions import Prediction, VersionStatus
from vitrine_serving.gateway.batcher import Batcher
from vitrine_serving.gateway.offload import offloaded
from vitrine_serving.gateway.settings import Settings

_SMALL_BYTES = 4096


class Backend(Protocol):
    """What the gateway asks of a model server; `ModelServerClient` is one."""

    def predict_instances(
        self,
        model: str,
        instances: npt.NDArray[np.uint8],
        *,
        version: int | None = None,
        label: str | None = None,
        timeout_s: float | None = None,
    ) -> list[Prediction]:
        """Returns a prediction for each row of uint8 [n, 28, 28]."""

    def status(
        self, model: str, *, version: int | None = None, label: str | None = None
    ) -> list[VersionStatus]:
        """Returns the states of a model's versions."""


@dataclass(frozen=True)
class Target:
    """Which model, and which of its versions: by number, by version label, or the newest."""

    model: str
    version: int | None = None
    label: str | None = None


class Predictor:
    """Safe to share between threads, as its backend is."""

    def __init__(self, backend: Backend, settings: Settings) -> None:
        self._backend = backend
        self._settings = settings
        self._batcher = Batcher(
            self._send,
            max_batch_size=settings.max_batch_size,
            max_queued_rows=settings.max_queued_images,
        )

    def predict(self, pictures: Sequence[bytes], target: Target) -> list[Prediction | InvalidImage]:
        """Returns, for each picture in order, its prediction or what is wrong with it.

        Raises `InvalidImage` where no picture is any good, `PayloadTooLarge` where there are too
        many, and what the model server answers.
        """
        if len(pictures) > self._settings.max_images:
            raise PayloadTooLarge(
                f"{len(pictures)} images are too many for one request; "
                f"send at most {self._settings.max_images}"
            )
        decoded = [self._decode(picture) for picture in pictures]
        instances = [row for row in decoded if not isinstance(row, InvalidImage)]
        if not instances:
            raise next(row for row in decoded if isinstance(row, InvalidImage))
        predictions = iter(
            self._batcher.predict(target, np.stack(instances), self._settings.request_timeout_s)
        )
        return [row if isinstance(row, InvalidImage) else next(predictions) for row in decoded]

    def _send(
        self, target: Target, rows: npt.NDArray[np.uint8], timeout_s: float
    ) -> list[Prediction]:
        predict = offloaded(self._backend.predict_instances)
        return predict(
            target.model, rows, version=target.version, label=target.label, timeout_s=timeout_s
        )

    def _decode(self, picture: bytes) -> npt.NDArray[np.uint8] | InvalidImage:
        # A photo takes long enough to let the others go on meanwhile.
        decode = to_instance if len(picture) < _SMALL_BYTES else offloaded(to_instance)
        try:
            return decode(picture, max_pixels=self._settings.max_pixels)
        except InvalidImage as error:
            return error

    def status(self, target: Target) -> list[VersionStatus]:
        """Returns the states of a model's versions, or of the one asked for."""
        status = offloaded(self._backend.status)
        return status(target.model, version=target.version, label=target.label)

    def models(self) -> dict[str, list[VersionStatus]]:
        """Returns the states of the versions of every model; one that is unknown has none."""
        return {name: self._known_versions(name) for name in self._settings.models}

    def _known_versions(self, model: str) -> list[VersionStatus]:
        try:
            return self.status(Target(model))
        except VitrineError as error:
            if error.status != 404:
                raise
            return []

    def ready(self) -> dict[str, bool]:
        """Says of every model whether a version of it is AVAILABLE."""
        return {
            name: any(status.state == "AVAILABLE" for status in statuses)
            for name, statuses in self.models().items()
        }
