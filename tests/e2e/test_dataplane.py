"""The data plane with real models: telemetry sees every adapter's traffic, and rows of callers are
merged only where that is right."""

import asyncio
import json
import logging
import time
from collections.abc import Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import numpy as np
import pytest
import tensorflow as tf

from harness.collector import Collector
from harness.direct import asking as asking_directly
from harness.model_server import model_server
from harness.paths import SAMPLES
from tests.monitoring.scraped import Scraped
from tests.serving.asked_gateway import form, npy
from vitrine_client.images import to_instance
from vitrine_serving.gateway.application import create_app
from vitrine_serving.gateway.settings import Settings
from vitrine_serving.gateway.telemetry import prediction_log, tracer
from vitrine_serving.gateway.upstream.model_servers import ModelServers

RPC = "tensorflow.serving.PredictionService/Predict"
MLP = "/v1/models/mlp"
ROWS = np.stack([to_instance(sample) for sample in SAMPLES[:3]])
JSON = {"Content-Type": "application/json"}
ADAPTERS = {
    "pictures": (f"{MLP}:predict", {"files": form(*[each.read_bytes() for each in SAMPLES[:3]])}),
    "array": (
        f"{MLP}:predict",
        {"content": npy(ROWS), "headers": {"Content-Type": "application/x-npy"}},
    ),
    "explanations": (
        f"{MLP}:explain",
        {"content": npy(ROWS), "headers": {"Content-Type": "application/x-npy"}},
    ),
    "TensorFlow Serving's JSON, by row": (
        f"{MLP}:predict",
        {
            "content": json.dumps({"instances": (ROWS.astype(np.float32) / 255).tolist()}),
            "headers": JSON,
        },
    ),
    "TensorFlow Serving's JSON, by column": (
        f"{MLP}:predict",
        {
            "content": json.dumps({"inputs": (ROWS.astype(np.float32) / 255).tolist()}),
            "headers": JSON,
        },
    ),
}


@asynccontextmanager
async def asking(address: str, settings: Settings):
    """A client of a gateway in this process, and the gateway."""
    servers = ModelServers([address])
    app = create_app(settings, servers)
    async with asking_directly(app) as client:
        yield client, app
    await servers.close()
    app.close()


async def images_watched(client: httpx.AsyncClient) -> int:
    answer = await client.get(f"{MLP}/drift")
    (version,) = answer.json()["versions"]
    return version["images"]


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_telemetry_sees_every_adapter(service, tmp_path, monkeypatch, caplog, adapter):
    """One request of three images is a call of three rows of the version that answered in metrics,
    three images of drift, a line in each log and a span of its call."""
    for module in (prediction_log, tracer):
        monkeypatch.setattr(module, "CLOSE_S", 30.0)
    path, body = ADAPTERS[adapter]
    notes = tmp_path / "predictions.jsonl"

    async def scenario(url: str) -> Scraped:
        settings = Settings(models=("mlp",), prediction_log=notes, traces_url=url, access_log=True)
        async with asking(service.grpc_address, settings) as (client, app):
            answer = await client.post(path, **body)
            assert answer.status_code == 200, answer.text
            deadline = time.monotonic() + 20
            while await images_watched(client) < 3:  # JSON is watched once its labels are known
                assert time.monotonic() < deadline, "drift has not seen the images"
            assert await images_watched(client) == 3
            return Scraped(app.metrics.render()[0].decode())

    with Collector() as collector, caplog.at_level(logging.INFO, "vitrine_serving.gateway"):
        found = asyncio.run(scenario(collector.url))
    of_version = {"model": "mlp", "version": "1"}
    assert found.total("vitrine_stage_seconds_count", stage="rpc", **of_version) == 1
    assert found.total("vitrine_batch_images_count", **of_version) == 1
    assert found.total("vitrine_batch_images_sum", **of_version) == 3
    (noted,) = [json.loads(line) for line in notes.read_text().splitlines()]
    assert (noted["model"], noted["version"], noted["status"]) == ("mlp", 1, 200)
    assert noted["rpc_ms"] > 0
    assert (noted["decode_ms"] > 0) == ("array" not in adapter and adapter != "explanations")
    assert noted.get("endpoint", "predict") == path.rpartition(":")[2]
    (logged,) = [
        each.about
        for each in caplog.records
        if hasattr(each, "about") and each.about["path"] == path
    ]
    assert (logged["version"], logged["rpc_ms"]) == (1, noted["rpc_ms"])
    (span,) = collector.named(RPC)
    assert (span.attributes["vitrine.model"], span.attributes["vitrine.images"]) == ("mlp", 3)
    (server,) = [each for each in collector.spans if each.id == span.parent]
    assert server.name == f"POST /v1/models/{{model}}:{path.rpartition(':')[2]}"
    assert server.attributes["vitrine.version"] == 1


class _Centered(tf.Module):
    """Takes the mean over all rows of a call from each of them."""

    @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.float32, "x")])
    def serve(self, x):
        """Returns the rows, centred."""
        return {"y": x - tf.reduce_mean(x, axis=0, keepdims=True)}


@pytest.fixture
def centered(tmp_path: Path) -> Iterator[str]:
    """The address of an embedded model server of `_Centered`."""
    module = _Centered()
    tf.saved_model.save(module, str(tmp_path / "centered/1"), module.serve)
    flags = ("--model_name=centered", f"--model_base_path={tmp_path / 'centered'}")
    with model_server(tmp_path / "log", *flags) as server:
        yield server.grpc_address


def test_foreign_rows_are_not_merged(centered):
    """Eight at a time ask a model whose answer to a row depends on the others of its call: each is
    answered as if alone."""
    rows = np.arange(32, dtype=np.float32).reshape(8, 2, 2) ** 2

    async def available(client: httpx.AsyncClient) -> None:
        deadline = time.monotonic() + 120
        while (await client.get("/v1/models/centered/metadata")).status_code != 200:
            assert time.monotonic() < deadline, "the model server does not start"
            await asyncio.sleep(0.05)

    async def scenario() -> tuple[list[httpx.Response], Scraped]:
        async with asking(centered, Settings(models=("centered",))) as (client, app):
            await available(client)
            answers = await asyncio.gather(
                *(
                    client.post(
                        "/v1/models/centered:predict",
                        content=json.dumps({"instances": each.tolist()}),
                        headers=JSON,
                    )
                    for each in rows
                )
            )
            return answers, Scraped(app.metrics.render()[0].decode())

    answers, found = asyncio.run(scenario())
    for each, answer in zip(rows, answers, strict=True):
        assert answer.status_code == 200, answer.text
        alone = each - each.mean(axis=0)
        np.testing.assert_allclose(answer.json()["predictions"], alone)
    of_version = {"model": "centered", "version": "1"}
    assert found.total("vitrine_stage_seconds_count", stage="rpc", **of_version) == 8
    assert found.total("vitrine_batch_images_sum", **of_version) == 16
