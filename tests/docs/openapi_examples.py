"""Examples of the OpenAPI document, as the gateway answers them: to pictures and JSON by a model of
the compatibility set, and errors also before model servers that fail."""

import asyncio
import base64
import io
import logging
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import httpx
import numpy as np
from PIL import Image

from harness.direct import asking
from harness.fake_model_server import Call, FakeModelServer, classifying
from harness.ports import free_port
from tests.docs.pages import ROOT
from tests.serving.asked_gateway import PNG, form, npy, png
from tests.serving.fake_servers import FakeServers
from vitrine_client.results.profiles.description import Description
from vitrine_client.results.profiles.profile import FASHION_MNIST
from vitrine_client.tfserving import wire_pb2 as wire
from vitrine_client.tfserving.tensors import to_tensor
from vitrine_serving.gateway.access import keys
from vitrine_serving.gateway.application import create_app
from vitrine_serving.gateway.settings import Settings

MODELS = ROOT / "tests" / "compat" / "2026-11-29" / "models"
SAMPLES = ROOT / "samples"
MODEL, V2_MODEL = "/v1/models/mlp", "/v2/models/mlp"
REQUEST_ID = {"X-Request-ID": "2f1c6c1e0f9b4a6d"}
HEADERS = (
    *("X-Request-ID", "Server-Timing", "RateLimit", "RateLimit-Policy"),
    *("Retry-After", "WWW-Authenticate"),
)
LONG_S = 60

CONFIG = """
model_config_list {{
  config {{ name: "mlp" base_path: "{base}/mlp" model_platform: "tensorflow"
           version_labels {{ key: "stable" value: 1 }} }}
}}
"""


@dataclass
class Examples:
    """Examples: JSON that is sent, by operation; answers by operation and status, each as a media
    type of the document has it; problems by status; headers by name."""

    bodies: dict[str, Any] = field(default_factory=dict)
    answers: dict[tuple[str, int], dict[str, Any]] = field(default_factory=dict)
    problems: dict[int, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)

    def answer(self, operation: str, response: httpx.Response, status: int = 200) -> None:
        """Keeps an answer, and its headers."""
        assert response.status_code == status, response.text
        self.answers[operation, status] = {"example": response.json()}
        self._keep_headers(response)

    def problem(self, response: httpx.Response, status: int) -> None:
        """Keeps an error, and its headers."""
        assert response.status_code == status, response.text
        self.problems[status] = response.json()
        self._keep_headers(response)

    def _keep_headers(self, response: httpx.Response) -> None:
        for name in HEADERS:
            if name in response.headers:
                self.headers.setdefault(name, response.headers[name])


class Servers(FakeServers):
    """Model servers of a model `m`, which nothing has to be closed of."""

    async def close(self) -> None:
        pass


class ForeignServers(Servers):
    """Model servers of a model that is no image classifier."""

    async def describe(self, *_: Any, **__: Any) -> Description:
        reason = "it takes `x` float32 [n, 4], and not one input of pictures, [n, height, width]"
        return Description((), {}, None, f"{reason} with 1, 3 or 4 channels or without that axis")


class ClassifyingServers(Servers):
    """Model servers of a model that tells clothes apart."""

    async def describe(self, *_: Any, **__: Any) -> Description:
        return Description(("Coat", "Bag"), {}, FASHION_MNIST)


class BrokenServers(Servers):
    """Model servers of which the gateway learns what nobody has thought of."""

    async def exchange(self, *_: Any, **__: Any) -> Any:
        raise RuntimeError


def examples() -> Examples:
    """Asks for all examples, which takes some seconds."""
    return asyncio.run(_examples())


async def _examples() -> Examples:
    found = Examples()
    async with _model_server() as address:
        settings = Settings(model_server=(address,), models=("mlp",))
        async with _gateway(settings) as client:
            await _ready(client)
            await _of_the_gateway(client, found)
            await _pictures(client, found)
            await _json(client, found)
            await _open_inference(client, found)
            await _drift(client, found)
            await _refused(client, found)
    await _failures(found)
    await _feedback(found)
    return found


@asynccontextmanager
async def _model_server() -> AsyncIterator[str]:
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "models.config")
        config.write_text(CONFIG.format(base=MODELS))
        command = (
            *("-m", "vitrine_serving.model_server", f"--port={port}", "--rest_api_port=0"),
            *(f"--model_config_file={config}", "--allow_version_labels_for_unavailable_models"),
        )
        with Path(folder, "log").open("w") as log:
            process = await asyncio.create_subprocess_exec(
                sys.executable, *command, stdout=log, stderr=log
            )
            try:
                yield f"127.0.0.1:{port}"
            finally:
                process.terminate()
                await process.wait()


@asynccontextmanager
async def _gateway(
    settings: Settings, servers: Servers | None = None
) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody who asks a gateway, which is started and ended as gunicorn does."""
    app = create_app(settings, servers)  # type: ignore[arg-type]
    app.start()
    async with asking(app, REQUEST_ID) as client:
        yield client
    await app.stop()


async def _ready(client: httpx.AsyncClient) -> None:
    async with asyncio.timeout(LONG_S):
        while (await client.get("/readyz?models=1")).status_code != 200:
            await asyncio.sleep(0.1)  # the model server starts


async def _of_the_gateway(client: httpx.AsyncClient, found: Examples) -> None:
    found.answer("live", await client.get("/healthz"))
    found.answer("ready", await client.get("/readyz?models=1"))
    found.answer("models", await client.get("/v1/models"))
    found.answer("status", await client.get(MODEL))
    found.answer("metadata", await client.get(f"{MODEL}/metadata"))
    found.answer("profile", await client.get(f"{MODEL}/profile"))


async def _open_inference(client: httpx.AsyncClient, found: Examples) -> None:
    """By the Open Inference Protocol."""
    found.answer("v2Live", await client.get("/v2/health/live"))
    found.answer("v2Ready", await client.get("/v2/health/ready"))
    found.answer("v2Server", await client.get("/v2"))
    found.answer("v2Metadata", await client.get(V2_MODEL))
    found.answer("v2ModelReady", await client.get(f"{V2_MODEL}/ready"))
    found.answer("v2Config", await client.get(f"{V2_MODEL}/config"))
    found.answer("v2Index", await client.post("/v2/repository/index"))
    pixels = (_pixels((SAMPLES / "sandal.png").read_bytes()).ravel() / 255).round(3).tolist()
    tensor = {"name": "images", "shape": [1, 28, 28], "datatype": "FP32", "data": pixels}
    body = {"inputs": [tensor], "outputs": [{"name": "probabilities"}]}
    found.answer("v2Infer", await client.post(f"{V2_MODEL}/infer", json=body))
    found.bodies["v2Infer"] = body


async def _pictures(client: httpx.AsyncClient, found: Examples) -> None:
    """Of a bag and of a picture that shows nothing."""
    bag = (SAMPLES / "bag.png").read_bytes()
    both = form(bag, png(np.zeros((28, 28), np.uint8)))
    found.answer("predict", await client.post(f"{MODEL}:predict", files=both))
    found.answer("explain", await client.post(f"{MODEL}:explain", content=bag, headers=PNG))
    found.answer("instances", await client.post("/v1/instances", content=bag, headers=PNG))
    found.answer("shown", await client.post(f"{MODEL}:instances", content=bag, headers=PNG))


async def _json(client: httpx.AsyncClient, found: Examples) -> None:
    file = (SAMPLES / "sandal.png").read_bytes()
    rows = [{"b64": base64.b64encode(file).decode()}]
    body = {"signature_name": "serve_bytes", "instances": rows}
    response = await client.post(f"{MODEL}:predict", json=body)
    assert response.status_code == 200, response.text
    pictures = found.answers["predict", 200]["example"]
    answers = {"pictures": pictures, "JSON": response.json()}
    found.answers["predict", 200] = {
        "examples": {name: {"value": answer} for name, answer in answers.items()}
    }
    pixels = (_pixels(file).ravel() / 255).round(3).tolist()
    examples = {"signature_name": "classify", "examples": [{"images": pixels}]}
    found.answer("classify", await client.post(f"{MODEL}:classify", json=examples))
    found.bodies |= {"predict": body, "classify": examples}


async def _drift(client: httpx.AsyncClient, found: Examples) -> None:
    """Of each sample, and more shirts, 30 times."""
    samples = [_pixels(path.read_bytes()) for path in sorted(SAMPLES.glob("*.png"))]
    shirts = [_pixels((SAMPLES / "shirt.png").read_bytes())] * 5
    images = np.tile(np.stack([*samples, *shirts]), (30, 1, 1))
    for part in np.array_split(images, 2):
        response = await client.post(
            f"{MODEL}:predict", content=npy(part), headers={"Content-Type": "application/x-npy"}
        )
        assert response.status_code == 200, response.text
    found.answer("drift", await client.get(f"{MODEL}/drift"))


async def _refused(client: httpx.AsyncClient, found: Examples) -> None:
    """Errors of who asks."""
    bag = (SAMPLES / "bag.png").read_bytes()
    ask = f"{MODEL}:predict"
    found.problem(await client.post(ask, content=b"a bag", headers=PNG), 400)
    found.problem(await client.post("/v1/models/mpl:predict", content=bag, headers=PNG), 404)
    found.problem(await client.post(ask, files=form(*[bag] * 257)), 413)
    packed = PNG | {"Content-Encoding": "br"}
    found.problem(await client.post(ask, content=bag, headers=packed), 415)


async def _feedback(found: Examples) -> None:
    """Of a gateway that takes it, until its file is a directory."""
    with tempfile.TemporaryDirectory() as folder:
        log, file = Path(folder, "feedback.jsonl"), Path(folder, "keys")
        header = {"X-API-Key": keys.add(file, "app")}
        settings = Settings(feedback_log=log, keys_file=file)
        ask = "/v1/models/m/feedback"
        body = {"request_id": REQUEST_ID["X-Request-ID"], "index": 0, "label": "Bag"}
        found.bodies["feedback"] = body
        async with _gateway(settings, ClassifyingServers()) as client:
            found.answer("feedback", await client.post(ask, json=body, headers=header), 201)
            found.answer("feedback", await client.post(ask, json=body, headers=header), 200)
            other = body | {"label": "Coat"}
            found.problem(await client.post(ask, json=other, headers=header), 409)
            log.unlink()
            log.mkdir()
            logging.disable()  # the log would say why
            try:
                found.problem(await client.post(ask, json=body, headers=header), 507)
            finally:
                logging.disable(logging.NOTSET)


async def _failures(found: Examples) -> None:
    """Errors that take another gateway, or other model servers."""
    picture = {"content": (SAMPLES / "bag.png").read_bytes(), "headers": PNG}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "keys")
        keys.add(file, "app")
        async with _gateway(Settings(keys_file=file), Servers()) as client:
            found.problem(await client.get("/v1/models/m"), 401)
    async with _gateway(Settings(body_timeout_s=1), Servers()) as client:
        stalled = await client.post("/v1/models/m:predict", content=_stalled(), headers=PNG)
        found.problem(stalled, 408)
    async with _gateway(Settings(rate_limit=0.1, rate_burst=1), Servers()) as client:
        await client.get("/v1/models/m")
        found.problem(await client.get("/v1/models/m"), 429)
    async with _gateway(Settings(), BrokenServers()) as client:
        logging.disable()  # the log would say why
        try:
            found.problem(await client.post("/v1/models/m:predict", **picture), 500)
        finally:
            logging.disable(logging.NOTSET)
    complex_numbers = Servers({1: {"x": wire.DT_COMPLEX64}})
    async with _gateway(Settings(), complex_numbers) as client:
        found.problem(await client.post("/v1/models/m:predict", json={"inputs": 1}), 501)
        values = {"signature_name": "regress", "examples": [{"x": 1.5}, {"x": -0.5}]}
        found.answer("regress", await client.post("/v1/models/m:regress", json=values))
        found.bodies["regress"] = values
    async with _gateway(Settings(), ForeignServers()) as client:
        found.problem(await client.post("/v1/models/m:predict", **picture), 422)
    with FakeModelServer(_diverged) as server:
        settings = Settings(model_server=(server.address,), models=("mlp",))
        async with _gateway(settings) as client:
            found.problem(await client.post(f"{MODEL}:predict", **picture), 502)
    nobody = Settings(model_server=(f"127.0.0.1:{free_port()}",), models=("mlp",))
    async with _gateway(nobody) as client:
        found.problem(await client.post(f"{MODEL}:predict", **picture), 503)
        found.answer("ready", await client.get("/readyz?models=1"), 503)
    await _too_late(found, picture)


def _diverged(call: Call, context: grpc.ServicerContext) -> bytes:
    """Answers as a model does whose training diverged."""
    response = wire.PredictResponse.FromString(classifying()(call, context))
    if "probabilities" in response.outputs:
        response.outputs["probabilities"].CopyFrom(to_tensor(np.full((1, 10), np.nan, np.float32)))
    return response.SerializeToString()


async def _too_late(found: Examples, picture: dict[str, Any]) -> None:
    """Asks by way of a port where somebody takes connections, and never says anything."""
    silent = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    late = Settings(model_server=(f"127.0.0.1:{port}",), models=("mlp",), request_timeout_s=0.5)
    async with silent, _gateway(late) as client:
        found.problem(await client.post(f"{MODEL}:predict", **picture), 504)


async def _stalled() -> AsyncIterator[bytes]:
    """A body whose end does not come."""
    yield b"\x89PNG"
    await asyncio.Event().wait()


def _pixels(file: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(file)).convert("L"))
