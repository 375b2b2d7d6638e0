"""FastAPI as one tunes it by hand: the model in the process, and one call for all that arrived."""

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
from classifier import Classifier
from fastapi import FastAPI, Request, Response
from pictures import MAX_BATCH_SIZE, decode, decode_all

classifier: Classifier


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    """Loads the model in the worker, after the fork."""
    global classifier
    classifier = Classifier()
    yield


app = FastAPI(lifespan=lifespan)
pending: list[tuple[Any, asyncio.Future[Any]]] = []


def flush() -> None:
    """Runs all that wait."""
    batch, pending[:] = pending[:], []
    for start in range(0, len(batch), MAX_BATCH_SIZE):
        part = batch[start : start + MAX_BATCH_SIZE]
        try:
            rows = classifier.probabilities(np.concatenate([instances for instances, _ in part]))
        except Exception as error:
            for _, future in part:
                future.set_exception(error)
            continue
        done = 0
        for instances, future in part:
            if not future.done():
                future.set_result(rows[done : done + len(instances)])
            done += len(instances)


@app.post("/predict")
async def predict(request: Request) -> Response:
    """Takes a PNG, a form of PNGs named `image`, or an `.npy` file."""
    kind = request.headers["content-type"]
    if kind.startswith("multipart/"):
        async with request.form() as form:
            instances = decode_all([await part.read() for part in form.getlist("image")])
    elif kind == "application/x-npy":
        instances = np.load(io.BytesIO(await request.body()))
    else:
        instances = decode(await request.body())[np.newaxis]
    loop = asyncio.get_running_loop()
    future = loop.create_future()
    pending.append((instances, future))
    if len(pending) == 1:
        loop.call_soon(flush)
    return Response(classifier.answer(await future), media_type="application/json")
