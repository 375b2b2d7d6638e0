"""HTTP bodies of requests: small ones are read at once, others where nobody has to wait for them.

JSON is orjson's, and RapidJSON's where it has the literals NaN and Infinity, which official clients
send. In a decoding process it becomes binary data, which is all that has to come back.
"""

import asyncio
import codecs
import sys
import time
from collections.abc import Mapping
from typing import Any

import orjson
import rapidjson

from vitrine_client.errors import DeadlineExceeded, InvalidRequest, PayloadTooLarge, Unavailable
from vitrine_client.open_inference.http_bodies import json_length, read_request, write_request
from vitrine_client.open_inference.messages import V2Request, checked_count
from vitrine_client.process.variables import PREFIX
from vitrine_serving.gateway.api.json_bodies import LARGE_JSON_BYTES
from vitrine_serving.gateway.api.open_inference.known_heads import KnownHeads
from vitrine_serving.gateway.inference.dataplane import LARGE_BYTES, Offload
from vitrine_serving.gateway.inference.decoding.jobs import Head, Task
from vitrine_serving.gateway.inference.decoding.load import work_of_json
from vitrine_serving.gateway.inference.decoding.queue import DecodingQueue
from vitrine_serving.gateway.inference.decoding.runners import ThreadRunner
from vitrine_serving.rest_json.parsing import MAX_VALUES, check_values

_TASK = "open inference"
_LITERALS = (b"NaN", b"Inf")


def _parsed(text: bytes | memoryview, max_values: int) -> Any:
    """Returns what JSON stands for; of equal keys the last counts. Raises `InvalidRequest`,
    `PayloadTooLarge` and `MemoryError`."""
    check_values(text, max_values)
    try:
        return orjson.loads(text)
    except SystemError as error:  # orjson's word for it where it cannot make the next object
        raise MemoryError from error
    except orjson.JSONDecodeError as error:
        whole = bytes(text).removeprefix(codecs.BOM_UTF8)
        is_plain = not any(literal in whole for literal in _LITERALS)
        if is_plain and len(whole) == len(text):
            raise InvalidRequest(f"The JSON cannot be read: {error}") from error
    try:
        return orjson.loads(whole) if is_plain else _loaded(whole)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest(f"The JSON cannot be read: {error}") from error


def _loaded(text: bytes) -> Any:
    return rapidjson.loads(text, number_mode=rapidjson.NM_NAN)


def _read(body: bytes, length: int, max_values: int) -> V2Request:
    rest = memoryview(body)
    content = _parsed(rest[:length], max_values)
    _check_strings(content, max_values)
    return read_request(content, rest[length:])


def _check_strings(content: Any, max_values: int) -> None:
    """Raises `PayloadTooLarge` for more strings than a body may have values."""
    if _strings(content) > max_values:
        raise PayloadTooLarge(
            f"The request has more than {max_values:,} strings; send fewer at once; a gateway's "
            "VITRINE_MAX_JSON_VALUES allows more"
        )


def _strings(content: Any) -> int:
    """Returns the number of strings that a request has by its shapes. Raises `InvalidRequest` for
    a shape that no tensor has; what else is wrong is told by those who read it."""
    inputs = content.get("inputs") if isinstance(content, dict) else None
    count = 0
    for each in inputs if isinstance(inputs, list) else ():
        if isinstance(each, dict) and each.get("datatype") == "BYTES":
            shape = each.get("shape")
            if isinstance(shape, list) and all(type(size) is int for size in shape):
                count += checked_count(shape, str(each.get("name")))
    return count


def _to_binary(head: Head, body: bytes) -> tuple[Head, bytes]:
    request = _read(body, head["json_bytes"], head["max_values"])
    content, parts = write_request(request, is_binary=True)
    if len(orjson.dumps(content)) > LARGE_JSON_BYTES:  # read once more, where others wait for it
        raise PayloadTooLarge(
            f"The JSON has more than {LARGE_JSON_BYTES} bytes besides the values of inputs; send "
            "fewer inputs, outputs and parameters"
        )
    return content, b"".join(parts)


TASKS: Mapping[str, Task] = {_TASK: _to_binary}
"""What a decoding process does with a body; see `jobs.Task`."""


class BodyReader:
    """Request body reader: what takes long is read by `offload`, which is called as
    `asyncio.to_thread` is, and in decoding jobs. JSON has `max_values` at most, and
    `max_json_bytes`, of which what follows it is none."""

    def __init__(
        self,
        *,
        offload: Offload = asyncio.to_thread,
        decoding: DecodingQueue | None = None,
        max_values: int = MAX_VALUES,
        max_json_bytes: int = sys.maxsize,
    ) -> None:
        self._offload = offload
        self._decoding = decoding or DecodingQueue(ThreadRunner(TASKS))
        self._max_values = max_values
        self._max_json_bytes = max_json_bytes
        self._heads = KnownHeads()

    async def read(self, body: bytes, header: str | None, deadline: float) -> V2Request:
        """Returns the request in a body; `header` is Inference-Header-Content-Length, None where
        there is none, and `deadline` in seconds of `time.monotonic`.

        Raises `InvalidRequest`, `PayloadTooLarge`, `Unavailable` where memory is short, `TooLate`
        and `DeadlineExceeded`.
        """
        length = json_length(header, len(body))
        if header is not None and not length:
            return V2Request([], raw=body)
        if length > self._max_json_bytes:
            raise PayloadTooLarge(
                f"The JSON has more than {self._max_json_bytes} bytes; send its values as binary "
                f"data; the gateway's {PREFIX}MAX_JSON_BYTES allows more"
            )
        given = body, length, self._max_values
        try:
            if length > LARGE_JSON_BYTES:
                return await self._read_elsewhere(body, length, deadline)
            text = body[:length]
            if known := self._heads.recall(text, memoryview(body)[length:]):
                return known
            # Numbers are a view of the body, however large that is.
            if len(body) <= LARGE_BYTES or (length <= LARGE_BYTES and b'"BYTES"' not in text):
                read = _read(*given)
            else:
                read = await self._offload(_read, *given)
            self._heads.note(text, read)
            return read
        except MemoryError as error:
            error.__traceback__ = None  # it holds all that the body became
            raise Unavailable(
                "There is no memory left to read the request; try again later, or send less at once"
            ) from error

    async def _read_elsewhere(self, body: bytes, length: int, deadline: float) -> V2Request:
        if time.monotonic() >= deadline:
            raise DeadlineExceeded("The JSON was not read in time; try again later")
        job = {"task": _TASK, "json_bytes": length, "max_values": self._max_values}
        with self._decoding.admitted([work_of_json(body)], deadline) as jobs:
            answered = await jobs.run(job, [body])
        return read_request(answered.head, answered.content)
