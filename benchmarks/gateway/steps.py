"""Steps of one request and their time: the gateway's pieces in a loop, in turn, in this process."""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import numpy as np
from rich.table import Table

from benchmarks.gateway import hop, routing
from benchmarks.gateway.bodies import BATCH, PICTURES, Body, batch, form, npy, png
from benchmarks.gateway.peers.builds import Build
from harness.paths import SAMPLES
from vitrine_client.images import MAX_PIXELS, find_item, to_instance
from vitrine_client.images.finding.item import item_of
from vitrine_client.images.raster import decoded
from vitrine_client.process import local_sockets
from vitrine_client.results.predictions import VersionStatus, to_predictions
from vitrine_client.results.profiles.description import Description
from vitrine_client.tfserving import messages
from vitrine_client.tfserving import wire_pb2 as wire
from vitrine_client.tfserving.tensors import from_tensor, to_tensor
from vitrine_serving.gateway.api.bodies import read_pictures
from vitrine_serving.gateway.api.forms import parsed_pictures, plain_pictures
from vitrine_serving.gateway.api.open_inference.factory import make_open_inference
from vitrine_serving.gateway.application import TASKS, Gateway, create_app, make_handlers
from vitrine_serving.gateway.http import reading
from vitrine_serving.gateway.http.heads import HeadLimits, read_head
from vitrine_serving.gateway.http.messages import Answer, Request
from vitrine_serving.gateway.http.routes import Handler, RoutedRequest
from vitrine_serving.gateway.inference.batcher import Batcher
from vitrine_serving.gateway.inference.dataplane import DataPlane
from vitrine_serving.gateway.inference.decoding.queue import DecodingQueue
from vitrine_serving.gateway.inference.decoding.runners import ThreadRunner
from vitrine_serving.gateway.inference.outcomes import Classified
from vitrine_serving.gateway.inference.threads import in_thread
from vitrine_serving.gateway.settings import Settings
from vitrine_serving.gateway.telemetry.feedback import FeedbackLog
from vitrine_serving.gateway.telemetry.metrics import Metrics
from vitrine_serving.gateway.upstream.model_servers import ModelServers

ROUNDS = 20
CALLS = 25
TIMEOUT_S = 10
PATH = "/v1/models/mlp:predict"

_ROW_BYTES = 4 * 28 * 28
_CROWD, _FEW, _EACH = 64, 16, 20
"""Requests in flight, of one picture and of many, and how many each of their clients sends."""

Step = Callable[[], Awaitable[object]]


class Instant:
    """A model server that has answered already; `response` is that to one row."""

    def __init__(self, response: bytes, description: Description) -> None:
        self._response = response
        self._description = description
        self._responses: dict[int, bytes] = {1: response}

    def usable(self) -> int:
        """Is one server."""
        return 1

    async def exchange(self, _: str, message: bytes, **__: object) -> tuple[bytes, None]:
        """Returns the response to as many rows as the message has, and no connection."""
        rows = len(message) // _ROW_BYTES
        if rows not in self._responses:
            response = wire.PredictResponse.FromString(self._response)
            probabilities = from_tensor(response.outputs["probabilities"])
            response.outputs["probabilities"].CopyFrom(to_tensor(probabilities.repeat(rows, 0)))
            self._responses[rows] = response.SerializeToString()
        await asyncio.sleep(0)  # others have their turn, as while a call is in flight
        return self._responses[rows], None

    async def describe(self, *_: object, **__: object) -> Description:
        """Returns the description."""
        return self._description

    async def status(self, *_: object, **__: object) -> list[VersionStatus]:
        """Knows of no version."""
        return []

    async def close(self) -> None:
        """Does nothing."""


def measure(version: Path) -> dict[str, float]:
    """Returns microseconds of each step of a request, by name, in the order they happen."""
    with TemporaryDirectory() as name, asyncio.Runner() as runner:
        folder = Path(name)
        socket = folder / "socket"
        peer = Build("", "", variables={"VITRINE_LOCAL_SOCKET": str(socket)})
        with (
            peer.start(folder, version, folder) as running,
            hop.through(running.url) as ask,
            hop.direct(running.grpc_address) as call_directly,
        ):
            local = f"{local_sockets.SCHEME}{socket}"
            steps, close = runner.run(_steps(local, running.grpc_address))
            took: dict[str, list[float]] = {name: [] for name in steps}
            took |= {"http": [], "direct": []}
            for _ in range(ROUNDS):
                for name, step in steps.items():
                    took[name] += runner.run(_timed(step))
                took["http"] += _timed_blocking(ask)
                took["direct"] += _timed_blocking(call_directly)
            runner.run(close())
    steps_us = split({name: 1e6 * statistics.median(each) for name, each in took.items()})
    return steps_us | routing.measure() | inference()


def inference(rounds: int = ROUNDS // 2) -> dict[str, float]:
    """Returns microseconds of processor time a request from its body to its answer, the model
    server's left out, and of the pieces that have a quick way, both ways."""
    png_file, batched = PICTURES[0], form(batch())
    boundary = batched.content_type.partition("boundary=")[2].encode()
    rows = np.full((_CROWD, len(SAMPLES)), 1 / len(SAMPLES), np.float32)
    labels = tuple(path.stem for path in SAMPLES)
    ways: dict[str, Callable[[], object]] = {
        "a row, by Pillow's reader of files": lambda: item_of(decoded(png_file, MAX_PIXELS), None),
        "a row, read at once": lambda: find_item(png_file),
        f"form of {BATCH}, parsed": lambda: parsed_pictures(boundary, batched.content, BATCH),
        f"form of {BATCH}, split": lambda: plain_pictures(boundary, batched.content, BATCH),
        f"answers to {_CROWD} rows, dataclasses": lambda: to_predictions(rows, labels, "mlp", 1),
        f"answers to {_CROWD} rows, tuples": lambda: Classified.rows(rows, labels),
    }
    response = wire.PredictResponse(outputs={"probabilities": to_tensor(rows[:1])})
    response.model_spec.version.value = 1
    instant = Instant(response.SerializeToString(), Description(labels, {}))
    crowds = {
        f"PNG, {_CROWD} in flight": (_CROWD, png(png_file)),
        f"form of {BATCH}, {_FEW} in flight": (_FEW, batched),
        f"npy of {BATCH}, {_FEW} in flight": (_FEW, npy(batch())),
    }
    with asyncio.Runner() as runner:
        handlers = runner.run(_made(Settings(models=("mlp",)), instant))
        for name, (clients, body) in crowds.items():
            ways[name] = partial(_asked, runner, handlers, clients, body)
        took: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(rounds):
            for name, way in ways.items():
                calls = 1 if name in crowds else CALLS
                started = time.process_time()
                for _ in range(calls):
                    way()
                took[name].append((time.process_time() - started) / calls)
    requests = {name: clients * _EACH for name, (clients, _) in crowds.items()}
    return {
        name: 1e6 * statistics.median(each) / requests.get(name, 1) for name, each in took.items()
    }


async def _made(settings: Settings, instant: Instant) -> Mapping[str, Handler]:
    return _handlers(settings, instant)


def _asked(
    runner: asyncio.Runner, handlers: Mapping[str, Handler], clients: int, body: Body
) -> None:
    runner.run(_crowd(handlers, clients, body))


async def _crowd(handlers: Mapping[str, Handler], clients: int, body: Body) -> None:
    """Has some clients ask at the same time, each again once it is answered."""

    async def client() -> None:
        for _ in range(_EACH):
            routed = RoutedRequest(_request(body))
            await routed.answer(handlers)

    await asyncio.gather(*(client() for _ in range(clients)))


def _request(body: Body) -> Request:
    deadline = time.monotonic() + TIMEOUT_S
    headers = {"content-type": body.content_type}
    return Request("POST", PATH, "", headers, "", "0", body=body.content, deadline=deadline)


def split(us: Mapping[str, float]) -> dict[str, float]:
    """Makes steps that follow each other of pieces that hold each other."""
    pieces = us["read"] + us["decode"] + us["batch"] + us["message"] + us["answer"]
    return {
        "sockets and HTTP": us["http"] - us["app"],
        "headers, limits, request id": us["app, instant"] - us["endpoint, instant"],
        "find the picture in the body": us["read"],
        "decode and check the PNG": us["decode"],
        "queue, and wake up": us["batch"],
        "make the message": us["message"],
        "the call by the local socket, and the model": us["call"],
        "read the answer": us["answer"],
        "JSON and the rest": us["endpoint, instant"] - pieces,
        "not accounted for": us["app"] - us["app, instant"] - us["call"],
        "all": us["http"],
        "the same call by gRPC": us["call by gRPC"],
        "a direct Predict by gRPC, from threads": us["direct"],
    }


async def _steps(
    address: str, grpc_address: str
) -> tuple[dict[str, Step], Callable[[], Coroutine[Any, Any, None]]]:
    """Also returns what ends the connections."""
    settings = Settings(models=("mlp",), model_server=(address,))
    servers, by_grpc = ModelServers([address]), ModelServers([grpc_address])
    body = png(PICTURES[0])
    instance = to_instance(PICTURES[0])[np.newaxis]
    message = messages.instances_request("mlp", instance)
    response = await servers.call(messages.PREDICT, message, timeout_s=TIMEOUT_S)
    version = messages.read_answer(response).version
    description = await servers.describe("mlp", version, timeout_s=TIMEOUT_S)
    labels = description.labels
    instant = Instant(response, description)

    async def send(*_: object) -> list[int]:
        return [0]

    batcher = Batcher(send, max_batch_size=64, max_queued_rows=1024)

    def read_answer() -> None:
        answer = messages.read_answer(response)
        Classified.rows(answer.outputs["probabilities"], labels)

    def call(to: ModelServers) -> Awaitable[bytes]:
        told = [("x-request-id", 32 * "0")]
        return to.call(messages.PREDICT, message, timeout_s=TIMEOUT_S, metadata=told)

    steps: dict[str, Step] = {
        "app": _through(create_app(settings, servers), body.content),
        "app, instant": _through(create_app(settings, cast(ModelServers, instant)), body.content),
        "endpoint, instant": _routed(_handlers(settings, instant), body),
        "read": _sync(lambda: read_pictures(body.content_type, body.content, max_images=256)),
        "decode": _sync(lambda: to_instance(PICTURES[0])),
        "batch": lambda: batcher.ask("mlp", instance, time.monotonic() + TIMEOUT_S),
        "message": _sync(lambda: messages.instances_request("mlp", instance)),
        "call": lambda: call(servers),
        "call by gRPC": lambda: call(by_grpc),
        "answer": _sync(read_answer),
    }

    async def close() -> None:
        await servers.close()
        await by_grpc.close()

    return steps, close


def _handlers(settings: Settings, servers: Any) -> Mapping[str, Handler]:
    """Returns the gateway's handlers, with `servers` in the model servers' place."""
    plane = DataPlane(servers, settings.batching, settings.shedding)
    decoding = DecodingQueue(ThreadRunner(TASKS))
    offload = partial(in_thread, ThreadPoolExecutor(1))
    metrics = Metrics(settings.listed.models)
    return make_handlers(
        *(settings, servers, plane, decoding, offload),
        is_draining=lambda: False,
        metrics=metrics,
        watch=None,
        feedback_log=FeedbackLog(settings.feedback),
        open_inference=make_open_inference(
            *(settings, servers, plane, decoding, offload, metrics), is_draining=lambda: False
        ),
    )


def _routed(handlers: Mapping[str, Handler], body: Body) -> Step:
    """A POST from its route to its answer."""

    async def step() -> Answer:
        routed = RoutedRequest(_request(body))
        routed.check()
        return await routed.answer(handlers)

    return step


def _through(app: Gateway, content: bytes) -> Step:
    """A POST of a PNG, with the headers that wrk sends: its head is read, and that of its answer
    made."""
    lines = f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n"
    text = f"{lines}Content-Length: {len(content)}\r\n"

    async def step() -> None:
        head = read_head(text, "127.0.0.1", HeadLimits())
        body = reading.Body(head.request.headers, app.budget, content)
        answer = await app.answer(head.request, body)
        app.heads.head(answer, head.request.id, close=False)
        body.release()
        assert answer.status == 200, answer

    return step


def _sync(function: Callable[[], object]) -> Step:
    async def step() -> None:
        function()

    return step


async def _timed(step: Step) -> Sequence[float]:
    took = []
    for _ in range(CALLS):
        started = time.perf_counter()
        await step()
        took.append(time.perf_counter() - started)
    return took


def _timed_blocking(step: Callable[[], None]) -> Sequence[float]:
    took = []
    for _ in range(CALLS):
        started = time.perf_counter()
        step()
        took.append(time.perf_counter() - started)
    return took


def table(us: Mapping[str, float]) -> Table:
    """A line for each step."""
    shown = Table("one request, alone", box=None, header_style="bold")
    shown.add_column("us", justify="right")
    for name, value in us.items():
        shown.add_row(name, f"{value:,.0f}")
    return shown


if __name__ == "__main__":
    for what, us in inference().items():
        print(f"{us:7.1f} us  {what}")
