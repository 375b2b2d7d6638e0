"""Model servers that a gateway asks in tests, somebody who asks it without a socket, and bodies."""

import asyncio
import io

import httpx
import numpy as np
from PIL import Image

from vitrine_client import wire_pb2 as wire
from vitrine_client.errors import NotFound
from vitrine_client.predictions import VersionStatus, to_predictions
from vitrine_serving.gateway.asgi import Gateway

LABELS = tuple(f"class {n}" for n in range(10))
PREDICT = "/v1/models/mlp:predict"


class FakeServers:
    """Answers that an image belongs to the class of its brightest row, by version 3."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int, int | None, str | None]] = []
        self.metadata: list[tuple[str, str]] = []
        self.timeout_s = 0.0
        self.error: Exception | None = None

    async def predict_instances(
        self, model, instances, *, version=None, label=None, timeout_s, metadata=()
    ):
        self.asked.append((model, len(instances), version, label))
        self.metadata, self.timeout_s = list(metadata), timeout_s
        if self.error:
            raise self.error
        rows = instances.sum(axis=2)[:, :10].astype(np.float32) + 1
        return to_predictions(rows / rows.sum(axis=1, keepdims=True), LABELS, model, version or 3)

    async def status(self, model, *, version=None, label=None, timeout_s):
        if self.error:
            raise self.error
        if model == "gone":
            raise NotFound("Could not find any versions of model gone")
        return [VersionStatus(3, "AVAILABLE"), VersionStatus(2, "END")]

    async def call(self, method, request, *, timeout_s, metadata=()):
        if self.error:
            raise self.error
        assert method == "ModelService/GetModelStatus"
        model = wire.GetModelStatusRequest.FromString(request).model_spec.name
        if model != "mlp":
            raise NotFound(f"Could not find any versions of model {model}")
        return wire.GetModelStatusResponse(
            model_version_status=[
                wire.ModelVersionStatus(version=3, state="AVAILABLE", status=wire.Status()),
                wire.ModelVersionStatus(version=2, state="END", status=wire.Status()),
            ]
        ).SerializeToString()


class Http:
    """Asks an application without a socket, each request in its turn."""

    def __init__(self, app: Gateway, runner: asyncio.Runner) -> None:
        self._client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://gateway"
        )
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
