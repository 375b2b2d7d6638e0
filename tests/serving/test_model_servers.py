"""What calls to model servers do, with real gRPC servers that answer as we like."""

import asyncio
import time

import grpc
import numpy as np
import pytest

from harness.fake_model_server import LABELS, FakeModelServer, Gate, classifying, failing
from tests.serving.asking import LONG_S, ask, nobody, to, until
from vitrine_client import errors
from vitrine_client.errors import DeadlineExceeded, ServerError, Unavailable
from vitrine_client.results.predictions import to_predictions
from vitrine_client.tfserving import wire_pb2 as wire
from vitrine_client.tfserving.tensors import from_tensor
from vitrine_serving.gateway.inference.batcher import BatchingSettings
from vitrine_serving.gateway.inference.dataplane import DataPlane
from vitrine_serving.gateway.inference.requests import Caller, InferenceRequest, SignatureCall
from vitrine_serving.gateway.models.reference import ModelRef
from vitrine_serving.gateway.shedding import SheddingSettings

UNAVAILABLE = failing(grpc.StatusCode.UNAVAILABLE, "the queue is full")


async def predict(servers, images, *, label=None):
    """Asks mlp through the data plane."""
    call = SignatureCall(ModelRef("mlp", label=label), outputs=("probabilities",))
    deadline = time.monotonic() + LONG_S
    asked = InferenceRequest(call, {"images": images}, Caller("id"), deadline)
    answer = await DataPlane(servers, BatchingSettings(), SheddingSettings()).infer(asked)
    probabilities = answer.outputs["probabilities"]
    return to_predictions(probabilities, answer.labels, "mlp", answer.version)


def test_messages_and_metadata_go_along():
    """Method, message and metadata arrive as they were given, and the answer comes back."""

    async def main(server):
        trace = [("x-request-id", "abc"), ("traceparent", "00-12-34-01")]
        async with to(server) as servers:
            answer = await servers.call(
                "ModelService/GetModelStatus", b"in", timeout_s=LONG_S, metadata=trace
            )
        assert answer == b"in"

    with FakeModelServer() as server:
        asyncio.run(main(server))
    (call,) = server.calls
    assert call.method == "/tensorflow.serving.ModelService/GetModelStatus"
    assert call.metadata["x-request-id"] == "abc"
    assert call.metadata["traceparent"] == "00-12-34-01"


def test_predictions_have_labels():
    """Rows become predictions by the labels of the very version that answered."""
    images = np.zeros((3, 28, 28), np.uint8)
    images[[0, 1, 2], [7, 2, 5]] = 255

    async def main(server):
        async with to(server) as servers:
            return await predict(servers, images, label="canary")

    with FakeModelServer(classifying(version=3)) as server:
        predictions = asyncio.run(main(server))
    assert [each.class_id for each in predictions] == [7, 2, 5]
    assert [each.label for each in predictions] == ["class 7", "class 2", "class 5"]
    assert {(each.model, each.version) for each in predictions} == {("mlp", 3)}
    sent = wire.PredictRequest.FromString(server.calls[0].request)
    assert (sent.model_spec.name, sent.model_spec.version_label) == ("mlp", "canary")
    np.testing.assert_array_equal(
        from_tensor(sent.inputs["images"]), images.astype(np.float32) / 255
    )


def test_each_server_is_asked_for_its_versions():
    """One that does not know the model has none; one that is silent, fails or is not there is None,
    and holds up nobody."""

    def has(version):
        status = wire.ModelVersionStatus(version=version, state="AVAILABLE")
        response = wire.GetModelStatusResponse(model_version_status=[status])
        return lambda call, context: response.SerializeToString()

    async def main(*servers):
        async with to(*servers, nobody()) as asked:
            first = await asked.all_statuses("mlp", timeout_s=0.5)
            return first, await asked.all_statuses("mlp", timeout_s=0.5)

    unknown = failing(grpc.StatusCode.NOT_FOUND, "Could not find any versions of model mlp")
    with (
        FakeModelServer(has(1)) as one,
        FakeModelServer(has(2)) as other,
        FakeModelServer(unknown) as without,
        FakeModelServer(Gate()) as silent,
        FakeModelServer(UNAVAILABLE) as failed,
    ):
        told = asyncio.run(main(one, other, without, silent, failed))
    found = [[each and [status.version for status in each] for each in again] for again in told]
    assert found == 2 * [[[1], [2], [], None, None, None]]


def test_statuses_are_read():
    """The states of versions come as the client has them."""
    response = wire.GetModelStatusResponse()
    response.model_version_status.add(version=4, state="AVAILABLE")

    async def main(server):
        async with to(server) as servers:
            return await servers.status("mlp", version=4, timeout_s=LONG_S)

    with FakeModelServer(lambda call, context: response.SerializeToString()) as server:
        (status,) = asyncio.run(main(server))
    assert (status.version, status.state, status.error_code) == (4, "AVAILABLE", "OK")
    sent = wire.GetModelStatusRequest.FromString(server.calls[0].request)
    assert sent.model_spec.version.value == 4


def test_a_version_is_described_once():
    """Those who ask at the same time share a call; one that gives up costs the others nothing."""

    async def main(server):
        async with to(server) as servers:
            first, *others = [
                asyncio.create_task(servers.describe("mlp", 3, timeout_s=LONG_S)) for _ in range(5)
            ]
            await until(lambda: server.calls, "the call")
            with pytest.raises(DeadlineExceeded):
                await servers.describe("mlp", 3, timeout_s=0.01)
            first.cancel()
            server.answer.open()
            described = await asyncio.gather(*others)
            described.append(await servers.describe("mlp", 3, timeout_s=LONG_S))
            assert {each.labels for each in described} == {LABELS}
            assert len(server.calls) == 1

    with FakeModelServer(Gate(classifying())) as server:
        asyncio.run(main(server))


def test_an_older_version_is_described_without_keys():
    """Versions until November 2026 refuse them."""

    async def main(server):
        async with to(server) as servers:
            assert (await servers.describe("mlp", 3, timeout_s=LONG_S)).labels == LABELS
            assert len(server.calls) == 2

    with FakeModelServer(classifying(older=True)) as server:
        asyncio.run(main(server))


def test_a_failed_description_is_asked_again():
    """An error goes to whoever asked, and is not kept."""

    async def main(server):
        async with to(server) as servers:
            with pytest.raises(ServerError, match="no disk"):
                await servers.describe("mlp", 3, timeout_s=LONG_S)
            server.answer = classifying()
            assert (await servers.describe("mlp", 3, timeout_s=LONG_S)).labels == LABELS

    with FakeModelServer(failing(grpc.StatusCode.INTERNAL, "no disk")) as server:
        asyncio.run(main(server))


def test_versions_are_described_by_who_has_them():
    """While servers are updated one by one, each is asked for labels of what it serves itself."""
    images = np.zeros((1, 28, 28), np.uint8)

    async def main(*both):
        async with to(*both) as servers:
            answers = [await predict(servers, images) for _ in range(4)]
        assert sorted(answer[0].version for answer in answers) == [1, 1, 2, 2]

    with FakeModelServer(classifying(1)) as old, FakeModelServer(classifying(2)) as new:
        asyncio.run(main(old, new))


CODES = {
    grpc.StatusCode.INVALID_ARGUMENT: errors.InvalidRequest,
    grpc.StatusCode.FAILED_PRECONDITION: errors.InvalidRequest,
    grpc.StatusCode.OUT_OF_RANGE: errors.InvalidRequest,
    grpc.StatusCode.NOT_FOUND: errors.NotFound,
    grpc.StatusCode.CANCELLED: errors.Unavailable,
    grpc.StatusCode.DEADLINE_EXCEEDED: errors.DeadlineExceeded,
    grpc.StatusCode.INTERNAL: errors.ServerError,
    grpc.StatusCode.UNKNOWN: errors.ServerError,
    grpc.StatusCode.UNIMPLEMENTED: errors.Unimplemented,
}


@pytest.mark.parametrize(("code", "kind"), CODES.items(), ids=lambda each: str(each))
def test_answers_that_are_errors_are_final(code, kind):
    """Each code is the error of the table, with the server's words, and is not tried again."""

    async def main(server):
        async with to(server, nobody(), breaker_failures=1) as servers:
            with pytest.raises(kind, match=r"^the server's words$") as caught:
                await ask(servers)
            assert type(caught.value) is kind
            assert servers.retries == 0

    with FakeModelServer(failing(code, "the server's words")) as server:
        asyncio.run(main(server))
    assert len(server.calls) == 1


def test_equals_take_turns():
    """Calls one after the other go round."""

    async def main(*three):
        async with to(*three) as servers:
            for _ in range(12):
                await ask(servers)
        assert [len(each.calls) for each in three] == [4, 4, 4]

    with FakeModelServer() as one, FakeModelServer() as two, FakeModelServer() as three:
        asyncio.run(main(one, two, three))


def test_the_least_busy_is_asked():
    """While one server is slow, the other gets the calls."""

    async def main(slow, fast):
        async with to(slow, fast) as servers:
            held = [asyncio.create_task(ask(servers)) for _ in range(6)]
            await until(lambda: len(slow.calls) == 3 and len(fast.calls) == 3, "their shares")
            await until(lambda: servers.snapshot()[1].in_flight == 0, "the fast ones")
            assert servers.snapshot()[0].in_flight == 3
            for _ in range(10):
                await ask(servers)
            assert (len(slow.calls), len(fast.calls)) == (3, 13)
            slow.answer.open()
            await asyncio.gather(*held)

    with FakeModelServer(Gate()) as slow, FakeModelServer() as fast:
        asyncio.run(main(slow, fast))


def test_the_deadline_travels():
    """A server sees the time that is left, which the first attempt has used up in part."""

    async def main(first, second):
        async with to(first, second) as servers:
            out = asyncio.create_task(ask(servers, timeout_s=60))
            await until(lambda: first.calls, "the first attempt")
            await asyncio.wait([out], timeout=0.6)
            first.answer.open()
            assert await out == b"hello"

    with FakeModelServer(Gate(UNAVAILABLE)) as first, FakeModelServer() as second:
        asyncio.run(main(first, second))
    assert 40 < first.calls[0].left_s < 60.5  # gRPC rounds it up on the wire
    assert second.calls[0].left_s < first.calls[0].left_s - 0.4


def test_late_is_late():
    """A call ends with its deadline, and is not tried again."""

    async def main(server):
        async with to(server) as servers:
            started = time.monotonic()
            with pytest.raises(DeadlineExceeded):
                await ask(servers, timeout_s=1.0)
            assert time.monotonic() - started < 10
            with pytest.raises(DeadlineExceeded):
                await ask(servers, timeout_s=-1)
            assert servers.retries == 0

    with FakeModelServer(Gate()) as server:
        asyncio.run(main(server))
    assert len(server.calls) == 1


def test_cancelling_reaches_the_server():
    """Whoever no longer waits has the call cancelled at the server, too."""

    async def main(server):
        async with to(server) as servers:
            out = asyncio.create_task(ask(servers))
            await until(lambda: server.calls, "the call")
            out.cancel()
            with pytest.raises(asyncio.CancelledError):
                await out
            await until(server.answer.gone.is_set, "the cancellation")
            assert servers.snapshot()[0].in_flight == 0

    with FakeModelServer(Gate()) as server:
        asyncio.run(main(server))


def test_closing_ends_calls():
    """Who still waits when connections are closed gets an error, as do those who come later."""

    async def main(server):
        async with to(server) as servers:
            out = asyncio.create_task(ask(servers))
            describing = asyncio.create_task(servers.describe("mlp", 1, timeout_s=LONG_S))
            await until(lambda: len(server.calls) == 2, "the calls")
        for each in (out, describing, ask(servers)):
            with pytest.raises(Unavailable, match="closed"):
                await each

    with FakeModelServer(Gate()) as server:
        asyncio.run(main(server))
