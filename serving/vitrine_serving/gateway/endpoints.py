"""Which request is answered by what: models here, in the event loop; all else by Flask."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from functools import partial
from typing import Any, TypeVar, TypeVarTuple
from urllib.parse import parse_qs

import orjson

from vitrine_client.errors import InvalidImage, InvalidRequest, MethodNotAllowed
from vitrine_client.predictions import Prediction
from vitrine_serving.gateway import bodies, wsgi
from vitrine_serving.gateway.http import Answer, Request
from vitrine_serving.gateway.json_api import JsonApi
from vitrine_serving.gateway.pages import make_pages
from vitrine_serving.gateway.predictor import Caller, ModelServers, Outcome, Predictor
from vitrine_serving.gateway.settings import Settings
from vitrine_serving.gateway.target import Target, parse

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_LARGE_BYTES = 65536  # takes milliseconds to read, which others should not have to wait for
# What curl and others send where they were not told what it is.
_UNTOLD = ("", "application/x-www-form-urlencoded", "text/plain")


class Endpoints:
    """Lives in the running event loop; `threads` is where what takes long is done."""

    def __init__(self, settings: Settings, servers: ModelServers, threads: Executor) -> None:
        loop = asyncio.get_running_loop()
        self._settings = settings
        self._threads = threads
        self._predictor = Predictor(servers, settings)
        self._json_api = JsonApi(servers, offload=self._in_thread)
        self._pages = make_pages(
            self._predictor,
            settings.models,
            lambda work: asyncio.run_coroutine_threadsafe(work, loop).result(),
        )

    async def answer(self, request: Request) -> Answer:
        """Returns the answer. Raises `VitrineError`."""
        found = parse(request.path)
        if not found:
            return await self._in_thread(wsgi.call, self._pages, request)
        target, asked = found
        if asked in ("status", "metadata"):
            _check_method(request, "GET", "HEAD")
            ask = getattr(self._json_api, asked)
            return Answer(200, await ask(target, timeout_s=request.left_s()))
        _check_method(request, "POST")
        return await self._post(request, target, asked)

    async def _in_thread(self, function: Callable[[*Ts], T], *arguments: *Ts) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, function, *arguments)

    async def _post(self, request: Request, target: Target, verb: str) -> Answer:
        kind = request.headers.get("content-type", "")
        name = kind.partition(";")[0].strip().lower()
        if verb != "predict" or _is_json(name, request.body):
            return await self._tensorflow_json(request, target, verb)
        top_k = _top_k(request.query)
        caller = Caller(request.id, request.traceparent)
        max_images = self._settings.max_images
        large = len(request.body) > _LARGE_BYTES
        if name == "application/x-npy":
            read = partial(bodies.read_npy, request.body, max_images=max_images)
            instances = await self._in_thread(read) if large else read()
            outcome = await self._predictor.predict_instances(
                instances, target, caller, request.deadline
            )
        else:
            pictures = bodies.read_pictures(kind, request.body, max_images=max_images)
            outcome = await self._predictor.predict(pictures, target, caller, request.deadline)
        return _predictions(outcome, top_k)

    async def _tensorflow_json(self, request: Request, target: Target, verb: str) -> Answer:
        ask = getattr(self._json_api, verb)
        metadata = [("x-request-id", request.id)]
        if request.traceparent:
            metadata.append(("traceparent", request.traceparent))
        body = await ask(target, request.body, timeout_s=request.left_s(), metadata=metadata)
        return Answer(200, body)


def _check_method(request: Request, *allowed: str) -> None:
    if request.method not in allowed:
        raise MethodNotAllowed(
            f"{request.path} does not take {request.method}; use {allowed[0]}",
            headers=(("Allow", ", ".join(allowed)),),
        )


def _is_json(kind: str, body: bytes) -> bool:
    return kind == "application/json" or (kind in _UNTOLD and body.lstrip()[:1] == b"{")


def _top_k(query: str) -> int | None:
    """Returns the query's `top_k`, or None. Raises `InvalidRequest` for what is no count."""
    values = parse_qs(query, keep_blank_values=True).get("top_k") if query else None
    if not values:
        return None
    if not values[-1].isascii() or not values[-1].isdecimal() or len(values[-1]) > 9:
        raise InvalidRequest(f"top_k={values[-1]!r} is no count; send a number from 1")
    count = int(values[-1])
    if count < 1:
        raise InvalidRequest("top_k=0 would leave nothing; send a number from 1")
    return count


def _predictions(outcome: Outcome, top_k: int | None) -> Answer:
    answered = _first(outcome.results)
    spec = {
        "name": answered.model,
        "version": str(answered.version),
        "signature_name": "serving_default",
    }
    entries = [_entry(index, result, top_k) for index, result in enumerate(outcome.results)]
    timing = (
        f"decode;dur={1e3 * outcome.decode_s:.3f}, queue;dur={1e3 * outcome.queue_s:.3f}, "
        f"rpc;dur={1e3 * outcome.rpc_s:.3f}"
    )
    body = orjson.dumps({"predictions": entries, "model_spec": spec})
    return Answer(200, body, headers=[("Server-Timing", timing)])


def _first(results: Sequence[Prediction | InvalidImage]) -> Prediction:
    return next(result for result in results if isinstance(result, Prediction))


def _entry(index: int, result: Prediction | InvalidImage, top_k: int | None) -> dict[str, Any]:
    if isinstance(result, InvalidImage):
        return {"error": f"image {index}: {result}"}
    return {
        "label": result.label,
        "class_id": result.class_id,
        "probability": result.probability,
        "probabilities": dict(result.top(top_k)) if top_k else result.probabilities,
    }
