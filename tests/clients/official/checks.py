"""Checks of a client: functions that are called one after the other, each with a line of JSON."""

import asyncio
import json
import os
import traceback
import urllib.request
from collections.abc import Awaitable, Callable
from inspect import iscoroutine
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

MODEL = "softmax"
INPUT, OUTPUT = "images", "probabilities"
LABELS = 10
PICTURE = Path(__file__).parents[3] / "samples" / "ankle-boot.png"


class Service(NamedTuple):
    """Addresses of the service, host and port; `rows` float32 [3, 28, 28] in 0..1, and what
    TensorFlow Serving's JSON answers to them, float32 [3, 10]."""

    http: str
    grpc: str
    rows: np.ndarray
    expected: np.ndarray

    def is_right(self, probabilities: np.ndarray, rows: slice = slice(None)) -> None:
        """Raises `AssertionError` where these are not the answers to rows."""
        assert probabilities.dtype == np.float32, probabilities.dtype
        np.testing.assert_allclose(probabilities, self.expected[rows], atol=1e-6)


Check = Callable[[Service], Any]


def service_of_environment() -> Service:
    """Returns the service that the environment names; kserve reads the command line when it is
    imported, and ends the process over options that it does not know."""
    http, grpc = os.environ["CHECKED_HTTP"], os.environ["CHECKED_GRPC"]
    rows = np.random.default_rng(7).random((3, 28, 28), np.float32)
    body = json.dumps({"instances": rows.tolist()}).encode()
    url = f"http://{http}/v1/models/{MODEL}:predict"
    with urllib.request.urlopen(urllib.request.Request(url, body)) as response:
        predictions = json.load(response)["predictions"]
    expected = np.array([each[OUTPUT] for each in predictions], np.float32)
    return Service(http, grpc, rows, expected)


def run(checks: list[Check]) -> None:
    """Calls each check, in one event loop where it is a coroutine, and prints a line for each."""
    service = service_of_environment()

    async def all_of_them() -> None:
        for check in checks:
            fault = ""
            try:
                made = check(service)
                if iscoroutine(made):
                    await made
            except BaseException:
                fault = traceback.format_exc()
            print(json.dumps({"check": check.__name__, "fault": fault}), flush=True)

    asyncio.run(all_of_them())


def refused(call: Callable[[], Any], kind: type[Exception], *words: str) -> None:
    """Raises `AssertionError` unless a call raises an error with these words in it."""
    try:
        call()
    except kind as error:
        told = str(error)
        assert all(each in told for each in words), told
        return
    raise AssertionError("it was taken")


async def refused_later(call: Awaitable[Any], kind: type[Exception], *words: str) -> None:
    """Raises `AssertionError` unless what is awaited raises an error with these words in it."""
    outcome = (await asyncio.gather(call, return_exceptions=True))[0]

    def again() -> None:
        if isinstance(outcome, BaseException):
            raise outcome

    refused(again, kind, *words)
