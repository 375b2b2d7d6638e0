"""Model servers that a gateway asks in tests, somebody who asks it without a socket, and bodies."""

import asyncio
import io

import httpx
import numpy as np
from PIL import Image

from harness.direct import asking
from vitrine_client.errors import InvalidRequest, NotFound
from vitrine_client.results.predictions import VersionStatus
from vitrine_client.results.profiles.description import Description
from vitrine_client.results.profiles.profile import FASHION_MNIST
from vitrine_client.tfserving import messages
from vitrine_client.tfserving import wire_pb2 as wire
from vitrine_client.tfserving.tensors import from_tensor, to_tensor
from vitrine_serving.gateway.application import Gateway
from vitrine_serving.gateway.models.signatures import METADATA

LABELS = tuple(f"class {n}" for n in range(10))
PREDICT = "/v1/models/mlp:predict"


class FakeServers:
    """Answers that an image belongs to the class of its brightest row, by version 3.

    Each pixel speaks for class n by n times its brightness. Version labels are `labels`, the
    signatures that versions have are `signatures`, and models that are no classifiers of ours are
    `described`. `asked`, `called` and `resolved` are the
    predictions, the calls of signatures, and the questions which version it would be.
    """

    def __init__(self) -> None:
        self.labels = {"stable": 3, "canary": 2}
        self.signatures = {"describe", "explain"}
        self.described = {"linear": Description((), {}, None, "it answers numbers")}
        self.called: list[wire.ModelSpec] = []
        self.resolved: list[wire.ModelSpec] = []
        self.asked: list[tuple[str, int, int | None, str | None]] = []
        self.metadata: list[tuple[str, str]] = []
        self.timeout_s = 0.0
        self.error: Exception | None = None

    async def status(self, model, *, version=None, label=None, timeout_s):
        if self.error:
            raise self.error
        if model == "gone":
            raise NotFound("Could not find any versions of model gone")
        return [VersionStatus(3, "AVAILABLE"), VersionStatus(2, "END")]

    async def describe(self, model, version, *, timeout_s, first=None):
        if self.error or "describe" not in self.signatures:
            raise self.error or InvalidRequest("no such signature")
        return self.described.get(model) or Description(LABELS, {}, FASHION_MNIST)

    def usable(self):
        return 1

    async def exchange(self, method, request, *, timeout_s, metadata=(), **_):
        return await self.call(method, request, timeout_s=timeout_s, metadata=metadata), None

    async def call(self, method, request, *, timeout_s, metadata=()):
        if self.error:
            raise self.error
        self.metadata, self.timeout_s = list(metadata), timeout_s
        if method == messages.PREDICT:
            return self._predict(wire.PredictRequest.FromString(request)).SerializeToString()
        if method == METADATA:
            return self._metadata(wire.GetModelMetadataRequest.FromString(request).model_spec)
        assert method == messages.STATUS
        model = wire.GetModelStatusRequest.FromString(request).model_spec.name
        if model != "mlp":
            raise NotFound(f"Could not find any versions of model {model}")
        return wire.GetModelStatusResponse(
            model_version_status=[
                wire.ModelVersionStatus(version=3, state="AVAILABLE", status=wire.Status()),
                wire.ModelVersionStatus(version=2, state="END", status=wire.Status()),
            ]
        ).SerializeToString()

    def _predict(self, request):
        spec = request.model_spec
        if spec.signature_name == "serving_default":
            return self._probabilities(request)
        self.called.append(spec)
        if spec.signature_name not in self.signatures:
            raise InvalidRequest(f'Serving signature key "{spec.signature_name}" not found.')
        version = self._version(spec)
        inputs = {name: from_tensor(tensor) for name, tensor in request.inputs.items()}
        outputs = _explained(**inputs) if inputs else {}
        response = wire.PredictResponse(
            outputs={name: to_tensor(array) for name, array in outputs.items()}
        )
        response.model_spec.version.value = version
        return response

    def _probabilities(self, request):
        spec = request.model_spec
        images = np.rint(from_tensor(request.inputs["images"]) * 255)
        version = spec.version.value if spec.HasField("version") else None
        self.asked.append((spec.name, len(images), version, spec.version_label or None))
        response = wire.PredictResponse(outputs={"probabilities": to_tensor(_shares(images))})
        response.model_spec.version.value = version or 3
        return response

    def _metadata(self, spec):
        self.resolved.append(spec)
        if spec.name not in ("mlp", "linear") or spec.version.value not in (0, 2, 3):
            raise NotFound(f"Servable not found for request: Latest({spec.name})")
        response = wire.GetModelMetadataResponse()
        response.model_spec.version.value = self._version(spec)
        return response.SerializeToString()

    def _version(self, spec):
        if spec.version_label and spec.version_label not in self.labels:
            raise InvalidRequest(f"Unrecognized servable version label: {spec.version_label}")
        return self.labels.get(spec.version_label) or spec.version.value or 3


def _shares(images: np.ndarray) -> np.ndarray:
    rows = images.sum(axis=2)[:, :10].astype(np.float32) + 1
    return rows / rows.sum(axis=1, keepdims=True)


def _explained(images: np.ndarray, class_ids: np.ndarray) -> dict[str, np.ndarray]:
    if class_ids.max() > 9:
        raise InvalidRequest("assertion failed: [class_ids are one for each image]")
    shares = _shares(images)
    chosen = np.where(class_ids < 0, shares.argmax(axis=1), class_ids)
    attributions = images * chosen[:, np.newaxis, np.newaxis].astype(np.float32)
    return {"attributions": attributions, "class_ids": chosen, "probabilities": shares}


class Http:
    """Asks an application without a socket, each request in its turn."""

    def __init__(self, app: Gateway, runner: asyncio.Runner) -> None:
        self._client = asking(app)
        self._runner = runner

    def request(self, method: str, path: str, **body) -> httpx.Response:
        return self._runner.run(self._client.request(method, path, **body))

    def get(self, path: str, **options) -> httpx.Response:
        return self.request("GET", path, **options)

    def post(self, path: str, **body) -> httpx.Response:
        return self.request("POST", path, **body)


def picture(row: int) -> bytes:
    """A 28x28 PNG with one bright row."""
    pixels = np.zeros((28, 28), np.uint8)
    pixels[row, 8:20] = 255
    return png(pixels)


def png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def form(*pictures: bytes, name: str = "image") -> list:
    return [(name, (f"{n}.png", body)) for n, body in enumerate(pictures)]


PNG = {"Content-Type": "image/png"}


def npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()
