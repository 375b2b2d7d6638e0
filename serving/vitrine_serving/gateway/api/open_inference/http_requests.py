"""HTTP requests of the Open Inference Protocol: their bodies, read where that holds up nobody.

Small ones are read at once, larger ones in a thread, and large JSON in a decoding job, as the
parser holds the interpreter.
"""

import time
from collections.abc import Mapping
from typing import Any

import orjson
import rapidjson

from vitrine_client.errors import DeadlineExceeded, InvalidRequest, PayloadTooLarge
from vitrine_client.open_inference import grpc_messages, http_bodies
from vitrine_client.open_inference.messages import V2Request
from vitrine_client.process.variables import PREFIX
from vitrine_serving.gateway.api.json_bodies import LARGE_JSON_BYTES
from vitrine_serving.gateway.http.messages import Request
from vitrine_serving.gateway.inference.dataplane import LARGE_BYTES, Offload
from vitrine_serving.gateway.inference.decoding.jobs import Head, Task
from vitrine_serving.gateway.inference.decoding.load import work_of_json
from vitrine_serving.gateway.inference.decoding.queue import DecodingQueue
from vitrine_serving.rest_json.parsing import MAX_VALUES, check_values

_READ = "v2 request"
_CONSTANTS = b"NaN", b"Infinity"
"""Which official clients send for numbers that JSON has no form for."""


def parsed(content: bytes, max_values: int = MAX_VALUES) -> Any:
    """Returns the value of JSON, in which NaN and Infinity are numbers, too.

    Raises `InvalidRequest`, `MemoryError`, and `PayloadTooLarge` before anything is parsed where
    that would be more than `max_values`.
    """
    check_values(content, max_values)
    try:
        return orjson.loads(content)
    except SystemError as error:  # orjson's word for it where it cannot make the next object
        raise MemoryError from error
    except orjson.JSONDecodeError as error:
        if any(word in content for word in _CONSTANTS):
            return _parsed_with_constants(content)
        raise _no_json(error) from error


def _parsed_with_constants(content: bytes) -> Any:
    try:
        return rapidjson.loads(content, number_mode=rapidjson.NM_NAN)
    except RecursionError as error:
        raise InvalidRequest("The request is nested too deeply") from error
    except ValueError as error:
        raise _no_json(error) from error


def _no_json(error: ValueError) -> InvalidRequest:
    return InvalidRequest(
        f"The request is no JSON ({error}); where binary data follows it, "
        "Inference-Header-Content-Length is the length of the JSON"
    )


def _read_job(head: Head, body: bytes) -> tuple[Head, bytes]:
    """Reads a body in a decoding process; its form in gRPC is what comes back."""
    length = head["json_bytes"]
    content = parsed(body[:length], head["max_values"])
    request = http_bodies.read_request(content, memoryview(body)[length:])
    return {}, grpc_messages.write_request(request)


def _read_message(content: bytes) -> V2Request:
    return grpc_messages.read_request(grpc_messages.parsed(content))


TASKS: Mapping[str, Task] = {_READ: _read_job}
"""What a decoding process does with a body; see `jobs.Task`."""


class RequestReader:
    """Reader of inference requests, in one event loop; `max_values` and `max_json_bytes` are for
    the JSON of a body alone."""

    def __init__(
        self, offload: Offload, decoding: DecodingQueue, *, max_values: int, max_json_bytes: int
    ) -> None:
        self._offload = offload
        self._decoding = decoding
        self._max_values = max_values
        self._max_json_bytes = max_json_bytes

    async def read(self, request: Request) -> V2Request:
        """Returns the request of inference in a body. Raises `InvalidRequest`, `PayloadTooLarge`,
        `MemoryError`, and for large JSON what `DecodingQueue` raises."""
        body, header = request.body, request.headers.get(http_bodies.HEADER)
        length = http_bodies.json_length(header, len(body))
        if header is not None and not length:
            return V2Request([], raw=body)
        if length > self._max_json_bytes:
            raise PayloadTooLarge(
                f"The JSON has more than {self._max_json_bytes} bytes; send values as binary data "
                f"after it; the gateway's {PREFIX}MAX_JSON_BYTES allows more"
            )
        if length > LARGE_JSON_BYTES:
            return await self._in_job(body, length, request.deadline)
        read: V2Request
        if length > LARGE_BYTES:
            read = await self._offload(self._parse_and_read, body, length)
            return read
        content = parsed(body[:length], self._max_values)
        binary = memoryview(body)[length:]
        if len(binary) > LARGE_BYTES and _has_strings(content):
            read = await self._offload(http_bodies.read_request, content, binary)
        else:
            read = http_bodies.read_request(content, binary)
        return read

    def _parse_and_read(self, body: bytes, length: int) -> V2Request:
        content = parsed(body[:length], self._max_values)
        return http_bodies.read_request(content, memoryview(body)[length:])

    async def _in_job(self, body: bytes, length: int, deadline: float) -> V2Request:
        if time.monotonic() >= deadline:
            raise DeadlineExceeded("The JSON was not read in time; try again later")
        job = {"task": _READ, "json_bytes": length, "max_values": self._max_values}
        with self._decoding.admitted([work_of_json(body)], deadline) as jobs:
            answered = await jobs.run(job, [body])
        read: V2Request = await self._offload(_read_message, answered.content)
        return read


def _has_strings(content: Any) -> bool:
    """Says whether reading the binary data takes a step for each element; no more is known of what
    was sent."""
    inputs = content.get("inputs") if isinstance(content, dict) else None
    return isinstance(inputs, list) and any(
        isinstance(each, dict) and each.get("datatype") == "BYTES" for each in inputs
    )
