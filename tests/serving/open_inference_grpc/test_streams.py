"""Streams of the Open Inference Protocol: an answer a request, faults that end nothing, and an
end."""

import queue
from collections.abc import Iterator

import grpc
import pytest

from harness.waiting import wait_for
from tests.serving.open_inference_grpc.served import CODE, ONE, Served, refused, request
from vitrine_client.open_inference import wire_pb2 as wire


class Sent:
    """Requests of a stream that stays open until it is told to close."""

    def __init__(self) -> None:
        self._bodies = queue.Queue[bytes | None]()

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._bodies.get, None)

    def send(self, body: bytes) -> None:
        self._bodies.put(body)

    def close(self) -> None:
        self._bodies.put(None)


@pytest.fixture
def sent():
    made = Sent()
    yield made
    made.close()


def test_each_request_has_one_answer_which_is_its_last(served):
    found = list(served.stream(iter([request(ONE), request(ONE, version="1")])))
    answers = [each.infer_response for each in found]
    assert [each.model_version for each in answers] == ["2", "1"]
    assert all(each.parameters["triton_final_response"].bool_param for each in answers)
    assert [each.id for each in answers] == ["an id"] * 2
    assert not any(each.error_message for each in found)


def test_a_fault_is_a_message_and_the_stream_goes_on(served, caplog):
    bad = [request(ONE, model="nope"), request(), b"\xff\xff", b""]
    found = list(served.stream(iter([*bad, request(ONE)])))
    assert [each.infer_response.id for each in found] == ["an id", "an id", "", "", "an id"]
    told = [each.error_message for each in found]
    assert "Servable not found for request: Latest(nope)" in told[0]
    assert "takes 1 inputs, and 0 came" in told[1]
    assert told[2] == "This is no request of ModelInfer"
    assert "ModelSpec" in told[3] or "not found" in told[3]
    assert found[4].infer_response.outputs
    assert not told[4]
    assert caplog.messages == ["A request of 2 bytes is no message of its method"]


def test_a_stream_without_requests_ends(served):
    call = served.stream(iter([]))
    assert list(call) == []
    assert call.code() is CODE.OK


def test_idle_streams_hold_no_thread_of_the_calls(serve):
    served = serve(max_threads=1)
    open_ones = [Sent() for _ in range(5)]
    calls = [served.stream(iter(each)) for each in open_ones]
    for each, call in zip(open_ones, calls, strict=True):
        each.send(request(ONE))
        assert next(call).infer_response.outputs
    assert served.infer(ONE)
    for each in open_ones:
        each.close()
    assert [list(call) for call in calls] == [[]] * 5
    wait_for(lambda: not served.service.streams, 30, "no stream")


def test_one_stream_too_many_is_refused(serve, sent):
    served = serve(max_streams=1)
    first = served.stream(iter(sent))
    sent.send(request(ONE))
    assert next(first).infer_response.outputs
    code, words = refused(list, served.stream(iter([request(ONE)])))
    assert (code, words) == (CODE.RESOURCE_EXHAUSTED, "There are 1 streams, and that is the most")
    sent.send(request(ONE))
    assert next(first).infer_response.outputs
    sent.close()
    assert list(first) == []
    wait_for(lambda: not served.service.streams, 30, "no stream")
    assert len(list(served.stream(iter([request(ONE)])))) == 1


def test_nothing_is_kept_of_a_stream_whose_client_is_gone(served: Served, sent, caplog):
    call = served.stream(iter(sent))
    sent.send(request(ONE))
    next(call)
    assert served.service.streams == 1
    call.cancel()
    wait_for(lambda: not served.service.streams, 30, "no stream")
    assert not caplog.records


def test_streams_end_with_the_server(served, sent):
    """An idle one at once, and as if all were said; a new one at once."""
    call = served.stream(iter(sent))
    sent.send(request(ONE))
    next(call)
    served.service.end()
    assert list(call) == []
    assert call.code() is CODE.OK
    wait_for(lambda: not served.service.streams, 30, "no stream")
    assert list(served.stream(iter([request(ONE)]))) == []


def test_a_request_in_hand_is_answered_before_the_end(served, sent):
    answer = served.calls.methods["ModelInfer"]

    def end_meanwhile(message: wire.ModelInferRequest):
        served.service.end()
        return answer(message)

    served.calls.methods["ModelInfer"] = end_meanwhile
    call = served.stream(iter(sent))
    sent.send(request(ONE))
    assert next(call).infer_response.outputs
    assert list(call) == []
    assert call.code() is grpc.StatusCode.OK
