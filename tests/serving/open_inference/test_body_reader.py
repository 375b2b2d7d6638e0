"""Bodies of requests: within the bounds of JSON, and where nobody waits for them."""

import asyncio
import json
import time

import numpy as np
import pytest

from vitrine_client.errors import (
    DeadlineExceeded,
    InvalidRequest,
    PayloadTooLarge,
    Unavailable,
    VitrineError,
)
from vitrine_client.open_inference.messages import V2Request
from vitrine_serving.gateway.api.json_bodies import LARGE_JSON_BYTES
from vitrine_serving.gateway.api.open_inference import bodies
from vitrine_serving.gateway.api.open_inference.bodies import BodyReader
from vitrine_serving.gateway.inference.dataplane import LARGE_BYTES
from vitrine_serving.gateway.inference.decoding.queue import DecodingQueue
from vitrine_serving.gateway.inference.decoding.runners import ThreadRunner


class Reads:
    """Reader that notes what was read in a thread, and in a decoding job."""

    def __init__(self, runner: asyncio.Runner, tasks=bodies.TASKS, **options) -> None:
        self._runner = runner
        self.threads = 0
        self.jobs = 0

        async def offload(function, *arguments):
            self.threads += 1
            return function(*arguments)

        def counted(task):
            def run(head, content):
                self.jobs += 1
                return task(head, content)

            return run

        decoding = DecodingQueue(
            ThreadRunner({name: counted(task) for name, task in tasks.items()})
        )
        self._reader = BodyReader(offload=offload, decoding=decoding, **options)

    def __call__(self, body: bytes, header: str | None = None, left_s: float = 9.0) -> V2Request:
        return self._runner.run(self._reader.read(body, header, time.monotonic() + left_s))

    def refusal(self, *given, **options) -> VitrineError:
        with pytest.raises(VitrineError) as caught:
            self(*given, **options)
        return caught.value


@pytest.fixture
def reads(runner: asyncio.Runner) -> Reads:
    return Reads(runner)


def plain(data, datatype="FP32", shape=None, **members) -> bytes:
    shape = [len(data)] if shape is None else shape
    one = {"name": "x", "datatype": datatype, "shape": shape, "data": data}
    return json.dumps({"inputs": [one], **members}).encode()


def binary(content: bytes, datatype="FP32", shape=(2,), **members) -> tuple[bytes, str]:
    """Returns a body, and its header."""
    about = {"name": "x", "datatype": datatype, "shape": list(shape)}
    about["parameters"] = {"binary_data_size": len(content)}
    head = json.dumps({"inputs": [about], **members}).encode()
    return head + content, str(len(head))


def values(request: V2Request) -> list:
    return request.inputs[0].array.tolist()


def test_json(reads):
    request = reads(plain([1, 2.5], id="7", parameters={"a": 1}))
    assert values(request) == [1, 2.5]
    assert (request.id, dict(request.parameters), request.raw) == ("7", {"a": 1}, None)
    assert not reads.threads + reads.jobs


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_literals(reads, mark):
    """Those that Python writes, which official clients send; after a byte order mark, too."""
    found = values(reads(mark + plain([1.0, float("inf"), -float("inf"), float("nan")])))
    assert found[:3] == [1.0, float("inf"), -float("inf")]
    assert np.isnan(found[3])
    assert values(reads(mark + plain([1]))) == [1]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[",
        b'{"inputs": [NaN}',
        b'{"inputs": [], }',
        b'{"id": "\xff"}',
        b'{"id": "\xff", "a": NaN}',
        b'{"id": "\\ud800", "a": NaN}',
        b"[" * 100_000,
        b"[" * 100_000 + b"NaN",
        b'{"a":' * 50_000 + b"Infinity",
        "{}".encode("utf-16"),
    ],
    ids=repr,
)
def test_json_that_cannot_be_read(reads, body):
    """However deep it is nested."""
    error = reads.refusal(body)
    assert type(error) is InvalidRequest
    assert "The JSON cannot be read" in str(error)


@pytest.mark.parametrize("body", [b"NaN", b"[1]", b'"a"', b"{}"])
def test_json_that_is_no_request(reads, body):
    assert type(reads.refusal(body)) is InvalidRequest


def test_where_bodies_are_read(reads):
    """Large JSON in threads and decoding jobs, binary numbers at once, and strings in threads."""
    assert len(values(reads(plain([0.5] * 20_000)))) == 20_000
    assert (reads.threads, reads.jobs) == (1, 0)
    request = reads(plain([0.5] * 70_000, id="7", parameters={"a": True}, outputs=[{"name": "y"}]))
    assert len(values(request)) == 70_000
    assert (request.id, request.parameters["a"], request.outputs[0].name) == ("7", True, "y")
    assert (reads.threads, reads.jobs) == (1, 1)
    reads(*binary(bytes(8 * LARGE_BYTES), shape=[2 * LARGE_BYTES]))
    assert (reads.threads, reads.jobs) == (1, 1)
    strings = (b"\x00\x00\x00\x00") * LARGE_BYTES
    assert len(values(reads(*binary(strings, "BYTES", [LARGE_BYTES])))) == LARGE_BYTES
    assert (reads.threads, reads.jobs) == (2, 1)


@pytest.mark.parametrize(
    ("datatype", "data"),
    [
        ("BYTES", ["é", "", "a" * 300]),
        ("INT64", [2**63 - 1, -(2**63)]),
        ("UINT64", [2**64 - 1]),
        ("BOOL", [True, False]),
        ("FP64", [0.1, 1e308]),
    ],
)
def test_decoding_jobs_keep_values(reads, datatype, data):
    """What comes back of a job is what is read at once."""
    padding = " " * LARGE_JSON_BYTES
    body = plain(data, datatype)
    at_once, elsewhere = reads(body), reads(body + padding.encode())
    assert reads.jobs == 1
    assert values(at_once) == values(elsewhere)
    assert at_once.inputs[0].array.dtype == elsewhere.inputs[0].array.dtype


def test_faults_in_decoding_jobs(reads):
    body = plain([1.5] * 70_000, "INT64")
    error = reads.refusal(body)
    assert type(error) is InvalidRequest
    assert "has 1.5 at place 0, where INT64 takes a whole number" in str(error)
    assert reads.jobs == 1
    assert isinstance(reads.refusal(body, left_s=-1), DeadlineExceeded)


def test_too_many_values(runner):
    reads = Reads(runner, max_values=100)
    assert isinstance(reads.refusal(plain([1] * 200)), PayloadTooLarge)
    assert isinstance(reads.refusal(*binary(bytes(4 * 101), "BYTES", [101])), PayloadTooLarge)
    assert len(values(reads(*binary(bytes(4 * 100), "BYTES", [100])))) == 100
    assert len(values(reads(*binary(bytes(4 * 200), shape=[200])))) == 200


def test_many_dimensions_are_not_multiplied(reads):
    body = plain([], "BYTES", shape=[2**63 - 1] * 10_000)
    assert "10000 dimensions" in str(reads.refusal(body))


@pytest.mark.parametrize("count", [3_500, 50_000])
def test_many_inputs(reads, count):
    inputs = [{"name": str(n), "datatype": "FP32", "shape": [0], "data": []} for n in range(count)]
    body = json.dumps({"inputs": inputs}).encode()
    if len(body) > LARGE_JSON_BYTES:
        assert isinstance(reads.refusal(body), PayloadTooLarge)
    else:
        assert len(reads(body).inputs) == count


@pytest.mark.parametrize("member", ["parameters", "outputs", "id"])
def test_large_json_besides_values(reads, member):
    many = {
        "parameters": {str(n): n for n in range(30_000)},
        "outputs": [{"name": str(n)} for n in range(20_000)],
        "id": "a" * LARGE_JSON_BYTES,
    }
    error = reads.refusal(plain([1], **{member: many[member]}))
    assert isinstance(error, PayloadTooLarge)
    assert "besides the values of inputs" in str(error)
    assert reads(plain([1] * LARGE_JSON_BYTES)).inputs


@pytest.mark.parametrize("shape", [[-1, 2], ["a"], [True], None, [2**70], [0, 2**70], [9] * 65])
def test_odd_shapes_of_strings(reads, shape):
    """They are refused one way or the other, and no shape makes more than was sent."""
    content = b"\x00\x00\x00\x00"
    head = {"name": "x", "datatype": "BYTES", "shape": shape}
    head["parameters"] = {"binary_data_size": len(content)}
    text = json.dumps({"inputs": [head]}).encode()
    error = reads.refusal(text + content, str(len(text)))
    assert type(error) in (InvalidRequest, PayloadTooLarge)


def test_no_memory(runner):
    def full(*_):
        raise MemoryError

    reads = Reads(runner, dict.fromkeys(bodies.TASKS, full))
    assert isinstance(reads.refusal(plain([0.5] * 70_000)), Unavailable)


def test_raw_bodies(reads):
    request = reads(b"abc", "0")
    assert (request.raw, list(request.inputs)) == (b"abc", [])


@pytest.mark.parametrize(
    "header", ["4", "-1", "x", "", "1.0", "9" * 30, "0" * 30 + "4", "0" * 5000 + "4", "9" * 5000]
)
def test_headers_that_are_no_length(reads, header):
    assert "from 0 to the body's 3" in str(reads.refusal(b"abc", header))


def test_known_heads(reads):
    """The same JSON with other numbers after it, and with too few or too many."""
    members = {"outputs": [{"name": "y"}], "parameters": {"binary_data_output": True}}
    for given in ([1, 2], [3, 4]):
        body, header = binary(np.float32(given).tobytes(), **members)
        request = reads(body, header)
        assert values(request) == given
        assert [each.name for each in request.outputs] == ["y"]
        assert request.parameters == {"binary_data_output": True}
        assert request.inputs[0].parameters == {"binary_data_size": 8}
    assert request.form == reads(body, header).form
    other = reads(*binary(np.float32([1, 2]).tobytes()))
    assert request.form != reads(*binary(np.float32([1, 2]).tobytes())).form
    assert other.form is None
    assert "1 bytes of binary data follow" in str(reads.refusal(body + b"x", header))
    assert "7 are there" in str(reads.refusal(body[:-1], header))


def test_heads_of_several_inputs(reads):
    about = [
        {"name": name, "datatype": datatype, "shape": [2], "parameters": {"binary_data_size": size}}
        for name, datatype, size in (("a", "INT64", 16), ("b", "UINT8", 2))
    ]
    head = json.dumps({"inputs": about}).encode()
    for numbers in ([1, 2], [3, 4]):
        content = np.int64(numbers).tobytes() + np.uint8(numbers).tobytes()
        request = reads(head + content, str(len(head)))
        assert [each.array.tolist() for each in request.inputs] == [numbers, numbers]


def test_heads_that_are_not_remembered(reads):
    """Booleans are no view of a body, ids differ, and JSON has its numbers in itself."""
    for content, found in ((b"\x02\x00", [True, False]), (b"\x00\x01", [False, True])):
        assert values(reads(*binary(content, "BOOL"))) == found
    for id_ in ("1", "2", "1"):
        assert reads(*binary(bytes(8), id=id_)).id == id_
    for given in ([1, 2], [1, 2]):
        assert values(reads(plain(given), str(len(plain(given))))) == given


def test_many_heads(reads):
    """Those that came long ago are forgotten, and read again."""
    for count in [*range(300), 0]:
        request = reads(*binary(bytes(4 * count), shape=[count]))
        assert request.inputs[0].array.shape == (count,)


@pytest.mark.parametrize(
    "shape", [[1] * 65, [0, 2**62, 2**62], [2**62, 2**62, 0], [2**60, 0]], ids=repr
)
@pytest.mark.parametrize("datatype", ["FP32", "INT64", "BYTES"])
def test_shapes_that_no_array_has(reads, datatype, shape):
    """Be it that they have no element."""
    error = reads.refusal(plain([1] if shape[0] == 1 else [], datatype, shape))
    assert type(error) in (InvalidRequest, PayloadTooLarge)
    head = {"name": "x", "datatype": datatype, "shape": shape}
    head["parameters"] = {"binary_data_size": 0}
    text = json.dumps({"inputs": [head]}).encode()
    assert type(reads.refusal(text, str(len(text)))) in (InvalidRequest, PayloadTooLarge)
