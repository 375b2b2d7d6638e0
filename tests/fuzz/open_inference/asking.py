"""Asking a gateway what is nearly right, and what is wrong with its answer, if anything is."""

import random
import re
import socket
import threading
from collections.abc import Sequence
from http.client import HTTPException, HTTPResponse

import orjson

from harness.gateway import Gateway
from tests.contract.open_inference import seen
from tests.contract.open_inference.asking import Target
from tests.contract.open_inference.calls import Http, Rpc
from tests.contract.open_inference.seen import Seen
from tests.fuzz.open_inference.good_requests import http_requests, rpcs
from tests.fuzz.open_inference.grpc_requests import STREAM, GrpcRequest, grpc_request
from tests.fuzz.open_inference.http_requests import HttpRequest, http_request, parts_of
from tests.fuzz.runner import ALLOWED, DEADLINE_S, Asked

OF_THE_SERVER = {"INTERNAL", "UNKNOWN", "DATA_LOSS", "CANCELLED"}
"""Codes that blame the gateway; UNAVAILABLE and DEADLINE_EXCEEDED say too much, and too late."""

LONGEST_WORDS = 7500
"""Characters of an error's words, which every client of gRPC takes."""

_INSIDE = re.compile(r"\b0x[0-9a-f]{8}|\.py\b|Traceback|<class|object at")
_SHOWN = 3000


def request_of(seed: int, number: int) -> HttpRequest | GrpcRequest:
    """Returns the request of that number, always the same for a seed."""
    chance = random.Random(f"{seed}/{number}")
    return http_request(chance) if chance.random() < 0.6 else grpc_request(chance)


class Asking(threading.local):
    """Asking of a gateway whose gRPC has an address; a channel for each thread."""

    def __init__(self, grpc_address: str) -> None:
        self._target = Target("", grpc_address)

    def __call__(self, gateway: Gateway, seed: int, number: int) -> Asked:
        """Sends the request of that number."""
        request = request_of(seed, number)
        if isinstance(request, GrpcRequest):
            return self.rpc(request)
        return ask_http(gateway.address, request)

    def rpc(self, request: GrpcRequest) -> Asked:
        """Makes a call of gRPC."""
        answer = self._target.rpc(request.rpc)
        told = fault_of_rpc(answer, request.rpc)
        shown = f"{told}; answered {str(answer)[:500]}; sent {request.rpc!r}"
        return Asked(f"gRPC {request.kind}", [answer.code], shown[:_SHOWN] if told else "")

    def good(self, gateway: Gateway) -> list[str]:
        """Returns what is wrong with the answers to good requests, which is nothing."""
        asked: list[tuple[Http | Rpc, Asked]]
        asked = [(each, ask_http(gateway.address, parts_of(each))) for each in http_requests()]
        asked += [(each, self.rpc(GrpcRequest("good", each))) for each in rpcs()]
        return [
            found.fault or f"{found.statuses} to {each}"[:_SHOWN]
            for each, found in asked
            if found.fault or found.statuses not in ([200], ["OK"])
        ]

    def close(self) -> None:
        """Closes the channel of this thread."""
        self._target.close()


def ask_http(address: str, request: HttpRequest) -> Asked:
    """Sends a request over HTTP, on a connection of its own."""
    statuses, told = _asked(address, request)
    fault = f"{told}; sent {request.raw!r}"[:_SHOWN] if told else ""
    return Asked(f"HTTP {request.kind}", statuses, fault)


def _asked(address: str, request: HttpRequest) -> tuple[Sequence[int], str]:
    host, _, port = address.rpartition(":")
    with (
        socket.create_connection((host, int(port)), DEADLINE_S) as connection,
        HTTPResponse(connection, method=request.method) as response,
    ):
        try:
            connection.sendall(request.raw)
            if not request.whole:
                connection.shutdown(socket.SHUT_WR)
            response.begin()
            content = response.read()
        except (OSError, HTTPException) as error:
            return [], f"no answer, but {error!r}" if request.whole else ""
        headers = {name.lower(): value for name, value in response.getheaders()}
    return [response.status], _fault_of_http(response.status, headers, content)


def _fault_of_http(status: int, headers: dict[str, str], content: bytes) -> str:
    if status >= 500 and status not in ALLOWED:
        return f"answered {status} {content[:500]!r}"
    try:
        answer = seen.of_http(status, headers, content)
    except Exception as error:  # whatever it is, no client reads the answer
        return f"answered {status} {content[:500]!r}, which is not read: {error!r}"
    if status != 200:
        is_told = isinstance(answer.json, dict) and isinstance(answer.json.get("error"), str)
        if not is_told or not answer.words:
            return f"answered {status} {content[:500]!r}, which has no `error`"
        is_fit = len(answer.words) < LONGEST_WORDS and not _INSIDE.search(answer.words)
        return "" if is_fit else f"answered {answer.words[:500]!r}"
    if headers.get("content-type") == "application/json" and "content-encoding" not in headers:
        try:
            orjson.loads(content)
        except orjson.JSONDecodeError as error:
            return f"answered {content[:500]!r}, which is no JSON: {error}"
    return ""


def fault_of_rpc(answer: Seen, rpc: Rpc) -> str:
    """Returns what is wrong with the answer to a call of gRPC, "" where nothing is."""
    if answer.code in OF_THE_SERVER:
        return "the gateway is blamed"
    words = [answer.words]
    if answer.code != "OK":
        if not answer.words:
            return "there are no words"
    elif rpc.method == STREAM:
        if len(answer.json) != len(rpc.requests):
            return f"{len(answer.json)} answers to {len(rpc.requests)} requests"
        words += [str(each.get("error_message", "")) for each in answer.json]
    return "the inside shows" if any(_INSIDE.search(each) for each in words) else ""
