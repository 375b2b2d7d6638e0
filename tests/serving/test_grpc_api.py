"""The gRPC side carries, and so does the local socket: codes, bounds and counts; what is answered
is faked."""

import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from harness.ports import free_port
from harness.waiting import wait_for
from vitrine_client.tfserving import wire_pb2 as wire
from vitrine_serving.errors import ServingError
from vitrine_serving.grpc_services.words import carried
from vitrine_serving.model_server.api.calls import Calls
from vitrine_serving.model_server.api.health import Health
from vitrine_serving.model_server.api.local import answer_with
from vitrine_serving.model_server.api.tensorflow_grpc import make_server
from vitrine_serving.model_server.bounded_log import MOST, SPAN_S, BoundedLog
from vitrine_serving.model_server.metrics import ServingMetrics

CODE = grpc.StatusCode
ServingStatus = health_pb2.HealthCheckResponse


class FakeApi:
    """Answers Predict, or raises `error`; can be held back."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.metrics = ServingMetrics()
        self.running, self.go_on = threading.Event(), threading.Event()
        self.go_on.set()

    def predict(self, request):
        self.running.set()
        assert self.go_on.wait(30)
        if self.error:
            raise self.error
        return predict_pb2.PredictResponse(model_spec=request.model_spec)

    def observe_request(self, *told) -> None:
        self.metrics.observe_request(*told)

    classify = regress = multi_inference = metadata = status = reload_config = predict


def request(name: str = "m") -> predict_pb2.PredictRequest:
    made = predict_pb2.PredictRequest()
    made.model_spec.name = name
    return made


@pytest.fixture
def serve():
    """Starts a server of an api, and returns a channel to it."""
    ended = []

    def start(api: FakeApi, **options) -> grpc.Channel:
        address = f"127.0.0.1:{free_port()}"
        calls = Calls(api, options.pop("max_threads", 4))
        server = make_server(calls, [address], **options)
        server.start()
        channel = grpc.insecure_channel(address)
        ended.extend((channel.close, lambda: server.stop(0).wait()))
        return channel

    yield start
    for end in ended:
        end()


def predict(channel: grpc.Channel, name: str = "m"):
    stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
    return stub.Predict(request(name), timeout=30)


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (ServingError.not_found("Latest(m)"), CODE.NOT_FOUND, "Servable not found for request"),
        (ServingError(CODE.UNAVAILABLE, "full"), CODE.UNAVAILABLE, "full"),
        (MemoryError(), CODE.RESOURCE_EXHAUSTED, "memory"),
    ],
)
def test_errors_are_codes(serve, error, code, text):
    """A ServingError's code and words travel; so does the want of memory."""
    channel = serve(FakeApi(error))
    with pytest.raises(grpc.RpcError) as caught:
        predict(channel)
    assert caught.value.code() is code
    assert text in caught.value.details()


@pytest.mark.parametrize("character", ["x", "ä", "%", "\n", "\udcff"])
def test_words_of_any_length_travel(serve, character):
    """A code and the beginning of its words reach a client with gRPC's own bounds, each time: these
    refuse by chance from 8 KiB on."""
    channel = serve(FakeApi(ServingError.invalid("It is " + character * 3_000_000)))
    for _ in range(5):
        with pytest.raises(grpc.RpcError) as caught:
            predict(channel)
        assert caught.value.code() is CODE.INVALID_ARGUMENT
        words = caught.value.details()
        assert words.startswith("It is ")
        assert 750 < len(words) < 7500
        assert "(cut, of " in words


def test_words_as_long_as_they_may_be_are_whole():
    """Nothing is cut that need not be."""
    assert carried("x" * 7168) == "x" * 7168
    assert carried("x" * 7169) == "x" * 7168 + "… (cut, of 7,169 characters)"


def test_bad_calls_cost_a_line_each(serve, caplog):
    """Bytes that are no message, and what the server itself stumbles over: a code, and one line of
    the log each, without a traceback."""
    channel = serve(FakeApi(RuntimeError("x" * 10_000)))
    call = channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
    with pytest.raises(grpc.RpcError) as malformed:
        call(b"\xff\xff", timeout=30)
    with pytest.raises(grpc.RpcError) as failed:
        predict(channel)
    assert (malformed.value.code(), malformed.value.details()) == (CODE.INTERNAL, "")
    assert failed.value.code() is CODE.UNKNOWN
    lines = [record.getMessage() for record in caplog.records]
    assert lines[0] == "A request of 2 bytes is no message of its method"
    assert "Predict failed: RuntimeError('xxx" in lines[1]
    assert "(test_grpc_api.py:" in lines[1]
    assert len(lines) == 2
    assert all(len(line) < 700 and "\n" not in line for line in lines)
    assert not any(record.exc_info for record in caplog.records)


def test_a_flood_of_bad_calls_fills_no_log(serve, caplog):
    """A few lines a minute, and the next one after that says how many were left out."""
    channel = serve(FakeApi(RuntimeError("x")))
    call = channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
    for _ in range(20):
        with pytest.raises(grpc.RpcError):
            call(b"\xff\xff", timeout=30)
        with pytest.raises(grpc.RpcError):
            predict(channel)
    assert len(caplog.records) == MOST
    assert caplog.messages[-1].endswith("more within this minute are counted only")


def test_lines_that_were_left_out_are_counted(caplog):
    """By the first line of the next minute."""
    now = [0.0]
    bounded = BoundedLog(logging.getLogger("test"), lambda: now[0])
    for number in range(MOST + 7):
        bounded.line(logging.WARNING, "number %d", number)
    now[0] = SPAN_S
    bounded.line(logging.ERROR, "late")
    assert caplog.messages[0] == "number 0"
    assert caplog.messages[MOST:] == ["7 more like those before were left out", "late"]


def test_too_many_calls_at_a_time_fail_at_once(serve):
    """Past `max_threads` a call fails as TensorFlow Serving's do; those that run are answered."""
    api = FakeApi()
    api.go_on.clear()
    channel = serve(api, max_threads=1)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(predict, channel)
        assert api.running.wait(30)
        with pytest.raises(grpc.RpcError) as caught:
            predict(channel)
        api.go_on.set()
        assert first.result(30).model_spec.name == "m"
    assert caught.value.code() is CODE.RESOURCE_EXHAUSTED
    assert caught.value.details() == "Server Threadpool Exhausted"
    assert predict(channel).model_spec.name == "m"


def test_answers_are_counted(serve):
    """By model and status, by gRPC's name of the call."""
    api = FakeApi()
    channel = serve(api)
    predict(channel)
    api.error = ServingError.invalid("no")
    with pytest.raises(grpc.RpcError):
        predict(channel)
    text = api.metrics.text().decode()
    assert 'request_count{model_name="m",status="OK"} 1' in text
    assert 'request_count{model_name="m",status="INVALID_ARGUMENT"} 1' in text
    assert 'request_latency_count{model_name="m",API="Predict",entrypoint="GRPC"} 1' in text


def test_health_is_answered_if_asked_for(serve):
    """grpc.health.v1 says SERVING; without the flag nobody knows it."""
    check = health_pb2.HealthCheckRequest()
    stub = health_pb2_grpc.HealthStub(serve(FakeApi(), health=Health()))
    assert stub.Check(check, timeout=30).status == health_pb2.HealthCheckResponse.SERVING
    with pytest.raises(grpc.RpcError) as caught:
        health_pb2_grpc.HealthStub(serve(FakeApi())).Check(check, timeout=30)
    assert caught.value.code() is CODE.UNIMPLEMENTED


def test_watches_of_health_end_with_the_server(serve):
    """Each has one answer, holds no thread of the calls, and ends as OK when the server does, which
    would wait for them."""
    health = Health()
    channel = serve(FakeApi(), health=health, max_threads=1)
    stub = health_pb2_grpc.HealthStub(channel)
    watches = [
        stub.Watch(health_pb2.HealthCheckRequest(service=name), timeout=30)
        for name in ("", "ModelService", "unknown", "unknown too")
    ]
    known, unknown = ServingStatus.SERVING, ServingStatus.SERVICE_UNKNOWN
    assert [next(watch).status for watch in watches] == [known, known, unknown, unknown]
    predict(channel)
    health.end()
    assert [list(watch) for watch in watches] == [[]] * 4
    after = stub.Watch(health_pb2.HealthCheckRequest(), timeout=30)
    assert [answer.status for answer in after] == [known]


def test_nothing_is_kept_of_a_watch_that_is_over(serve):
    """Anybody can watch any number of names."""
    health = Health()
    stub = health_pb2_grpc.HealthStub(serve(FakeApi(), health=health))
    for number in range(20):
        watch = stub.Watch(health_pb2.HealthCheckRequest(service=f"name {number}"), timeout=30)
        next(watch)
        watch.cancel()
    wait_for(lambda: not health.watches, 30, "no watch")


@pytest.mark.parametrize("body", [b"\xff\xff", b"\x0a\xc9\x01" + b"n" * 201])
def test_health_of_what_is_no_name(serve, body, caplog):
    """Bytes that are no message, and a name of more than 200 bytes; in gRPC's own words (read in
    default_health_check_service.cc), and without a trace in the log."""
    channel = serve(FakeApi(), health=Health())
    for method, call, code in (
        ("Check", lambda path: channel.unary_unary(path)(body, timeout=30), CODE.INVALID_ARGUMENT),
        ("Watch", lambda path: next(channel.unary_stream(path)(body, timeout=30)), CODE.INTERNAL),
    ):
        with pytest.raises(grpc.RpcError) as caught:
            call(f"/grpc.health.v1.Health/{method}")
        assert (caught.value.code(), caught.value.details()) == (code, "could not parse request")
    assert not caplog.records


def test_a_port_that_is_taken(serve):
    """Another server's port is an OSError that names it."""
    address = f"127.0.0.1:{free_port()}"
    first = make_server(Calls(FakeApi(), 1), [address])
    with pytest.raises(OSError, match=address):
        make_server(Calls(FakeApi(), 1), [address])
    first.stop(0).wait()


def local(method: str = "Predict", payload: bytes | None = None, **more) -> wire.TtrpcRequest:
    """A request as it comes over the local socket."""
    payload = request().SerializeToString() if payload is None else payload
    service = "tensorflow.serving.PredictionService"
    return wire.TtrpcRequest(service=service, method=method, payload=payload, **more)


@pytest.mark.parametrize(
    ("asked", "error", "code", "words"),
    [
        (local(), None, CODE.OK, ""),
        (local(timeout_nano=10**12), None, CODE.OK, ""),
        (local(), ServingError.not_found("m"), CODE.NOT_FOUND, "Servable not found for request: m"),
        (local(), MemoryError(), CODE.RESOURCE_EXHAUSTED, "out of memory"),
        (local(), ValueError("x\udcff"), CODE.UNKNOWN, "The model server failed"),
        (local(payload=b"\xff"), None, CODE.INTERNAL, ""),
        (local("SessionRun"), None, CODE.UNIMPLEMENTED, ""),
        (local("GetModelStatus"), None, CODE.UNIMPLEMENTED, ""),
        (local(timeout_nano=10**9), None, CODE.DEADLINE_EXCEEDED, "Deadline Exceeded"),
        (local(timeout_nano=-1), None, CODE.DEADLINE_EXCEEDED, "Deadline Exceeded"),
    ],
)
def test_the_local_socket_answers_alike(asked, error, code, words):
    """What came too late is not run, and nothing but an answer has a message."""
    api = FakeApi(error)
    found, told, payload = answer_with(Calls(api, 1))(asked, time.monotonic() - 5)
    assert (found, bool(payload)) == (code, code is CODE.OK)
    assert told.startswith(words)
    assert bool(told) == bool(words)
    assert api.running.is_set() == (code is CODE.OK or error is not None)


def test_both_roads_share_the_bound():
    """One call at a time is one, whatever carries it."""
    api = FakeApi()
    calls = Calls(api, 1)
    api.go_on.clear()
    with ThreadPoolExecutor(1) as threads:
        held = threads.submit(answer_with(calls), local(), time.monotonic())
        assert api.running.wait(30)
        assert calls.answer("Predict", request())[0] is CODE.RESOURCE_EXHAUSTED
        api.go_on.set()
        assert held.result(30)[0] is CODE.OK
    assert b'request_count{model_name="m",status="OK"} 1' in api.metrics.text()
