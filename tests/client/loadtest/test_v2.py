"""Load on servers of the Open Inference Protocol: what is sent, and which answers are right."""

import dataclasses
import json

import grpc
import numpy as np
import pytest

from harness.paths import SAMPLES
from tests.client.loadtest.loop_runs import run_loop, steady
from tests.client.loadtest.test_targets import Read
from tests.client.open_inference.fake_v2_grpc_server import v2_grpc_server
from tests.client.open_inference.fake_v2_server import Reply, json_reply, spec, v2_server
from vitrine_client import errors
from vitrine_client.images import to_instance
from vitrine_client.loadtest.generator.answers import ResponseValidation, classes_of
from vitrine_client.loadtest.plan import V2_KINDS, Closed, Plan, Workload
from vitrine_client.loadtest.run import Ready, make_ready, run
from vitrine_client.open_inference import grpc_messages, http_bodies
from vitrine_client.open_inference.messages import V2Request, V2Response, V2Tensor
from vitrine_client.results.profiles.completion import ProfileLayer

IMAGES = tuple(path.read_bytes() for path in SAMPLES[:3])
PIXELS = np.stack([to_instance(image) for image in IMAGES]) / np.float32(255)
CLASSES = [int(row.sum(axis=1)[:10].argmax()) for row in PIXELS]
HTTP_KINDS = ("v2", "v2-binary")


def ready(kind: str, address: str, **options) -> tuple[Workload, Ready]:
    target = Workload(kind, address, "mlp", IMAGES, **options)
    return target, make_ready(target, Closed(1, 1), 5)


@pytest.fixture
def triton():
    with v2_server("triton") as running:
        yield running


def read(kind: str, request: bytes) -> V2Request:
    """Reads a request as a server does."""
    if kind == "v2-grpc":
        return grpc_messages.read_request(grpc_messages.parsed(request))
    sent = Read(request)
    assert sent.method == "POST"
    length = http_bodies.json_length(sent.headers.get(http_bodies.HEADER), len(sent.body))
    assert (length < len(sent.body)) == (kind == "v2-binary")
    binary = "application/octet-stream" if kind == "v2-binary" else "application/json"
    assert sent.headers["content-type"] == binary
    return http_bodies.read_request(json.loads(sent.body[:length]), sent.body[length:])


@pytest.mark.parametrize("kind", V2_KINDS)
def test_requests(kind: str, triton):
    """The pictures in turn, as the model takes them; one output is asked for, in the same form.
    All have an id, as servers make one for each that has none."""
    with v2_grpc_server() as other:
        address = f"grpc://{other.address}" if kind == "v2-grpc" else triton.url
        _, found = ready(kind, address, batch_size=2)
    requests = [read(kind, each) for each in found.requests]
    arrays = [each.inputs[0].array for each in requests]
    for array, places in zip(arrays, [(0, 1), (2, 0), (1, 2)], strict=True):
        np.testing.assert_array_equal(array, PIXELS[list(places)])
    for each in requests:
        assert (each.id, [output.name for output in each.outputs]) == ("vitrine", ["probabilities"])
        in_binary = each.outputs[0].parameters.get("binary_data") is True
        assert in_binary == (kind != "v2")
    assert found.rehearsed.classes == tuple(
        tuple(CLASSES[place] for place in places) for places in [(0, 1), (2, 0), (1, 2)]
    )
    assert found.assumed.startswith("fit item, scaling 0..1")


@pytest.mark.parametrize(
    ("version", "path"),
    [
        (None, "/base/v2/models/my%20model/infer"),
        (2, "/base/v2/models/my%20model/versions/2/infer"),
    ],
)
def test_addresses(version, path, triton):
    """Below that of the server, with the key and the headers that were asked for."""
    reply = triton.reply

    def below(asked):
        return reply(dataclasses.replace(asked, path=asked.path.removeprefix("/base")))

    triton.reply, triton.models = below, {"my%20model"}
    options = {"version": version, "api_key": "secret", "headers": (("X-Team", "vision"),)}
    target = Workload("v2", f"{triton.url}/base", "my model", IMAGES, **options)
    found = make_ready(target, Closed(1, 1), 5)
    sent = Read(found.requests[0])
    assert sent.path == path
    assert (sent.headers["x-api-key"], sent.headers["x-team"]) == ("secret", "vision")
    assert {each.headers.get("x-team") for each in triton.asked} == {"vision"}


@pytest.mark.parametrize("kind", ["triton", "kserve", "mlserver", "vitrine"])
@pytest.mark.parametrize("way", HTTP_KINDS)
@pytest.mark.alone
def test_a_load_over_http(kind: str, way: str):
    """All answers are right; a server without binary data is told of."""
    with v2_server(kind) as server:
        if (kind, way) == ("mlserver", "v2-binary"):
            with pytest.raises(errors.VitrineError, match=r"JSON decode error; .* takes --as v2"):
                ready(way, server.url)
            return
        target, found = ready(way, server.url)
        done = run_loop(
            server.url,
            steady(200, 0.2),
            seats=4,
            kind=target.kind,
            requests=found.requests,
            classes=found.rehearsed.classes,
        )
    assert done.outcomes == {"": 40}


def test_a_whole_load_over_grpc():
    """In a process of its own, with the key as metadata."""
    with v2_grpc_server() as server:
        target, found = ready("v2-grpc", f"grpc://{server.address}", api_key="secret")
        plan = Plan(target, Closed(2, 30), warm_up_s=0, count=20)
        result = run(plan, ready=found)
        assert {each.get("x-api-key") for each in server.metadata} == {"secret"}
    assert (result.answered, dict(result.errors)) == (20, {})
    assert result.about["plan"]["target"]["kind"] == "v2-grpc"
    assert "layers" not in result.about["plan"]["target"]


def response(array: np.ndarray, datatype: str = "FP32", **options) -> V2Response:
    return V2Response("mlp", "2", [V2Tensor("y", datatype, array)], **options)


def in_http(answer: V2Response, *, is_binary: bool) -> bytes:
    asked = V2Request([], parameters={"binary_data_output": is_binary})
    content, parts = http_bodies.write_response(answer, asked)
    head = json.dumps(content, default=lambda array: array.tolist(), ensure_ascii=False)
    return b"".join([head.encode(), *parts])


SHARES = np.array([[0.1, 0.9], [0.8, 0.2], [0.3, 0.7]], np.float32)


def bodies(answer: V2Response) -> dict[str, bytes]:
    return {
        "v2": in_http(answer, is_binary=False),
        "v2-binary": in_http(answer, is_binary=True),
        "v2-grpc": grpc_messages.write_response(answer).SerializeToString(),
    }


@pytest.mark.parametrize("kind", V2_KINDS)
def test_classes(kind: str):
    """The highest number of each row; of one number, whether it is above a half."""
    assert classes_of(kind, bodies(response(SHARES))[kind]) == (1, 0, 1)
    assert classes_of(kind, bodies(response(SHARES[:, :1]))[kind]) == (0, 1, 0)
    assert classes_of(kind, bodies(response(SHARES[0]))[kind]) == (1,)
    assert classes_of(kind, bodies(response(SHARES, id="größer ☃"))[kind]) == (1, 0, 1)


def test_json_in_answers_to_binary_requests():
    """Also with blanks around it, and NaN as some servers write it in another output."""
    body = in_http(response(SHARES), is_binary=False)
    assert classes_of("v2-binary", body + b"\r\n") == (1, 0, 1)
    assert classes_of("v2", in_http(response(SHARES), is_binary=True)) == (1, 0, 1)


NONSENSE = {
    "no JSON": b"hello",
    "a list": b"[]",
    "no outputs": b"{}",
    "outputs of nothing": b'{"outputs":[]}',
    "no list": b'{"outputs":1}',
    "a number in it": b'{"outputs":[1]}',
    "no numbers": in_http(response(np.array([b"a"], object), "BYTES"), is_binary=False),
    "whole numbers alone": in_http(response(np.arange(3), "INT64"), is_binary=False),
    "not a number": in_http(response(SHARES * np.nan), is_binary=True),
    "broken off": in_http(response(SHARES), is_binary=True)[:-1],
    "a size below 0": b'{"outputs":[{"name":"y","datatype":"FP32","shape":[1,2],'
    b'"parameters":{"binary_data_size":-8}}]}',
    "a size that is none": b'{"outputs":[{"name":"y","datatype":"FP32","shape":[1,2],'
    b'"parameters":{"binary_data_size":"8"}}]}',
    "deep": b"[" * 100_000,
    "half of a letter": b"\xff\xfe",
}


@pytest.mark.parametrize("body", NONSENSE.values(), ids=NONSENSE)
@pytest.mark.parametrize("kind", V2_KINDS)
def test_no_answer(kind: str, body: bytes):
    """It is counted, and no load ends with it."""
    validation = ResponseValidation(kind, [(1,)])
    assert validation.fault(0, body) == "not an answer"


@pytest.mark.parametrize("kind", V2_KINDS)
def test_wrong_classes(kind: str):
    validation = ResponseValidation(kind, [(0, 1, 0)])
    assert validation.fault(0, bodies(response(SHARES))[kind]) == "wrong answer"


def test_fewer_rows_than_pictures(triton):
    """Are seen before the load."""
    triton.infer = lambda request: [V2Tensor("probabilities", "FP32", SHARES[:1])]
    with pytest.raises(errors.ServerError, match="mlp answers 1 rows to 2"):
        ready("v2-binary", triton.url, batch_size=2)


def test_more_pictures_than_a_request_has(triton):
    triton.inputs = [spec("images", "FP32", 1, 28, 28)]
    with pytest.raises(errors.InvalidRequest, match="takes 1 pictures in a request: give --batch"):
        ready("v2", triton.url, batch_size=2)


def test_a_profile(triton):
    """Of --profile is how pictures are made."""
    layers = (ProfileLayer("profile.json", {"scaling": "0..255"}),)
    _, found = ready("v2-binary", triton.url, layers=layers)
    assert read("v2-binary", found.requests[0]).inputs[0].array.max() > 1


def test_files(triton):
    """Are sent as they are where the model has an input for them."""
    triton.inputs = [spec("image_bytes", "BYTES", -1)]
    triton.infer = lambda _: [V2Tensor("probabilities", "FP32", SHARES[:1])]
    for kind in HTTP_KINDS:
        _, found = ready(kind, triton.url)
        sent = [read(kind, each).inputs[0].array.tolist() for each in found.requests]
        assert sent == [[image] for image in IMAGES]


def test_a_picture_that_cannot_be_read(triton):
    target = Workload("v2", triton.url, "mlp", (*IMAGES, b"no picture"), names=(*"abc", "d.txt"))
    with pytest.raises(errors.InvalidImage, match=r"\(d\.txt\)$"):
        make_ready(target, Closed(1, 1), 5)


REFUSED = {
    "words": (json_reply({"error": "it is full"}, 400), errors.InvalidRequest, "it is full"),
    "text": (Reply(404, b"Not here"), errors.NotFound, "Not here"),
    "a list": (
        json_reply({"detail": [{"loc": ["body"], "msg": "is odd"}]}, 422),
        errors.TakesNoPictures,
        "body: is odd",
    ),
}


@pytest.mark.parametrize(("reply", "kind", "words"), REFUSED.values(), ids=REFUSED)
def test_refusals(triton, reply: Reply, kind: type[Exception], words: str):
    """Whatever form they have."""
    triton.replies["/v2/models/mlp/infer"] = reply
    with pytest.raises(kind, match=words):
        ready("v2", triton.url)


def test_refusals_of_grpc():
    with v2_grpc_server() as server:
        server.code = grpc.StatusCode.INVALID_ARGUMENT
        with pytest.raises(errors.InvalidRequest, match="no"):
            ready("v2-grpc", f"grpc://{server.address}")
        server.code = grpc.StatusCode.UNIMPLEMENTED
        with pytest.raises(errors.Unimplemented, match="is that its gRPC port"):
            ready("v2-grpc", f"grpc://{server.address}")
        address = server.address
    with pytest.raises(errors.Unreachable, match="No server answers by gRPC"):
        ready("v2-grpc", f"grpc://{address}")


def test_other_models_and_no_servers(triton):
    with pytest.raises(errors.NotFound, match="unknown model"):
        make_ready(Workload("v2", triton.url, "nope", IMAGES), Closed(1, 1), 5)
    triton.inputs = [spec("x", "FP32", -1, 7)]
    with pytest.raises(errors.TakesNoPictures, match="takes `x`"):
        ready("v2", triton.url)
