"""The client that asks a model server over gRPC and waits, and the messages that it shares."""

import json
import re

import grpc
import numpy as np
import pytest

from harness.certificates import make_ca, make_certificate
from harness.fake_model_server import LABELS, Answer, FakeModelServer, Gate, classifying, failing
from harness.ports import free_port
from tests.client.fake_gateway import FakeGateway
from vitrine_client import errors
from vitrine_client.model_server import ModelServerClient
from vitrine_client.results.profiles.profile import FASHION_MNIST
from vitrine_client.tfserving import messages
from vitrine_client.tfserving import wire_pb2 as wire
from vitrine_client.tfserving.tensors import from_tensor, to_tensor


def images(*bright: int) -> np.ndarray:
    """One image for each, of that class by the fake model."""
    made = np.zeros((len(bright), 28, 28), np.uint8)
    for image, row in zip(made, bright, strict=True):
        image[row, 8:20] = 255
    return made


def test_a_picture_gets_a_prediction():
    """A picture of any kind is made an instance, and the labels are asked for once."""
    with FakeModelServer(classifying()) as server, ModelServerClient(server.address) as client:
        prediction = client.predict(images(4)[0], "mlp")
        assert client.predict(images(6)[0], "mlp", version=3).class_id == 6
        assert client.describe("mlp", 3).card["about"] == "a fake"
    assert (prediction.label, prediction.class_id, prediction.version) == ("class 4", 4, 3)
    assert tuple(prediction.probabilities) == LABELS
    asked = [wire.PredictRequest.FromString(call.request).model_spec for call in server.calls]
    assert [each.signature_name for each in asked] == [
        "serving_default",
        "describe",
        "serving_default",
    ]
    assert [each.version.value for each in asked] == [0, 3, 3]


def test_an_older_version_is_described_without_keys():
    """Versions until November 2026 refuse them; it is asked once."""
    answer = classifying(older=True)
    with FakeModelServer(answer) as server, ModelServerClient(server.address) as client:
        assert client.predict(images(4)[0], "mlp").label == "class 4"
        assert client.describe("mlp", 3).card["about"] == "a fake"
        assert len(server.calls) == 3


def test_any_signature_runs():
    """`run` sends named arrays of any dtype and returns the named outputs."""

    def doubled(call, context):
        request = wire.PredictRequest.FromString(call.request)
        assert (request.model_spec.version_label, list(request.output_filter)) == ("new", ["y"])
        response = wire.PredictResponse(outputs={"y": to_tensor(from_tensor(request.inputs["x"]))})
        response.model_spec.version.value = 2**40
        return response.SerializeToString()

    given = np.arange(6, dtype=np.int64).reshape(2, 3)
    with FakeModelServer(doubled) as server, ModelServerClient(server.address) as client:
        answer = client.run("m", {"x": given}, label="new", output_filter=["y"])
    np.testing.assert_array_equal(answer.outputs["y"], given)
    assert answer.version == 2**40


def test_versions_and_version_labels():
    """A prediction is asked of the version that is named, by number or by version label."""
    with FakeModelServer(classifying()) as server, ModelServerClient(server.address) as client:
        client.predict(images(4)[0], "m", label="stable")
        list(client.predict_many(images(4), "m", version=3))
    asked = [wire.PredictRequest.FromString(call.request).model_spec for call in server.calls]
    assert [(each.name, each.version.value, each.version_label) for each in asked] == [
        ("m", 0, "stable"),
        ("m", 3, ""),  # what it is
        ("m", 3, ""),
    ]


def test_many_pictures_in_order():
    """Each gets its own class in its place, a few calls at a time, and one that is none its
    error; a batch of such is not sent."""
    bright = [n % 10 for n in range(50)]
    pictures = [*images(*bright), b"garbage", *[b"garbage"] * 8]
    pictures[7] = b"garbage"
    with FakeModelServer(classifying()) as server, ModelServerClient(server.address) as client:
        found = list(client.predict_many(iter(pictures), batch_size=8, concurrency=3))
        methods = [wire.PredictRequest.FromString(call.request) for call in server.calls]
    bright[7] = None
    assert [getattr(each, "class_id", None) for each in found] == [*bright, *[None] * 9]
    assert isinstance(found[7], errors.InvalidImage)
    sent = [from_tensor(each.inputs["images"]) for each in methods if "images" in each.inputs]
    assert sorted(len(each) for each in sent) == [2, 7, 8, 8, 8, 8, 8]


def test_a_batch_that_fails_is_raised_in_its_turn():
    """As every other error of the server's."""
    answer = failing(grpc.StatusCode.NOT_FOUND, "no such model")
    with (
        FakeModelServer(answer) as server,
        ModelServerClient(server.address) as client,
        pytest.raises(errors.NotFound, match="no such model"),
    ):
        next(client.predict_many(images(1)))


def test_statuses():
    """States are TensorFlow Serving's words, error codes gRPC's."""
    response = wire.GetModelStatusResponse()
    failed = response.model_version_status.add(version=2, state="END")
    failed.status.error_code, failed.status.error_message = 5, "no disk"
    answer = lambda call, context: response.SerializeToString()  # noqa: E731
    with FakeModelServer(answer) as server, ModelServerClient(server.address) as client:
        (status,) = client.status("mlp")
    assert (status.version, status.state) == (2, "END")
    assert (status.error_code, status.error_message) == ("NOT_FOUND", "no disk")


def test_every_pixel_is_scaled_alike():
    """What is sent is bit for bit what models were trained on, and what `run` would send."""
    pixels = np.arange(784, dtype=np.uint32).astype(np.uint8).reshape(1, 28, 28)
    for batch in (pixels, np.repeat(pixels, 64, axis=0)):
        sent = wire.PredictRequest.FromString(messages.instances_request("mlp", batch, version=3))
        scaled = batch.astype(np.float32) / 255
        assert sent.inputs["images"].tensor_content == scaled.tobytes()
        whole = messages.predict_request(
            "mlp", {"images": scaled}, version=3, output_filter=["probabilities"]
        )
        assert sent == wire.PredictRequest.FromString(whole)


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "u1", "i2", "i8", "?"])
@pytest.mark.parametrize("shape", [(0, 28, 28), (1,), (3, 0), (32, 28, 28), (2, 3, 4, 5)])
def test_requests_of_rows(dtype, shape):
    """Are what `predict_request` makes, of any numbers and however they lie in memory."""
    rows = np.random.default_rng(0).integers(0, 200, shape).astype(dtype)
    for outputs, version, label in (((), None, None), (("b", "a"), 0, None), (("ä",), None, "é")):
        named = {"version": version, "label": label}
        whole = messages.predict_request(
            "mö", {"é": rows}, signature_name="s", output_filter=outputs, **named
        )
        for each in (rows, np.asfortranarray(rows)):
            sent = messages.rows_request("mö", "s", "é", each, outputs, **named)
            assert wire.PredictRequest.FromString(sent) == wire.PredictRequest.FromString(whole)


def test_requests_do_not_mix():
    """What is kept for one model and version is never sent for another."""
    specs = [("a", None, None), ("a", 1, None), ("a", None, "1"), ("b", 1, None), ("a", 1, None)]
    for model, version, label in specs:
        request = messages.instances_request(model, images(1), version=version, label=label)
        spec = wire.PredictRequest.FromString(request).model_spec
        asked = (spec.version.value if spec.HasField("version") else None, spec.version_label)
        assert (spec.name, *asked) == (model, version, label or "")


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (grpc.StatusCode.NOT_FOUND, errors.NotFound),
        (grpc.StatusCode.INVALID_ARGUMENT, errors.InvalidRequest),
        (grpc.StatusCode.INTERNAL, errors.ServerError),
    ],
)
def test_codes_are_errors(code, kind):
    """The server's words are the message."""
    answer = failing(code, "the server's words")
    with FakeModelServer(answer) as server, ModelServerClient(server.address) as client:
        with pytest.raises(kind, match=r"^the server's words$"):
            client.status("mlp")
        assert len(server.calls) == 1


def test_nonsense_is_an_error():
    """An answer that is no message is the server's fault."""
    with (
        FakeModelServer(lambda *_: b"\xff") as server,
        ModelServerClient(server.address) as client,
        pytest.raises(errors.ServerError, match="cannot be read"),
    ):
        client.status("mlp")


def test_the_deadline_holds():
    """No answer in time is an error of its own."""
    with (
        FakeModelServer(Gate()) as server,
        ModelServerClient(server.address, timeout_s=0.2) as client,
        pytest.raises(errors.DeadlineExceeded),
    ):
        client.status("mlp")


@pytest.mark.parametrize("timeout_s", [0, -1, float("nan"), float("inf"), 1e10, "5"])
def test_time_outs_that_are_none(timeout_s):
    """Neither of a client, nor of one call, nor of a wait: 0 is not what is set otherwise."""
    none = pytest.raises(errors.InvalidRequest, match="number of seconds above 0")
    with none:
        ModelServerClient("127.0.0.1:1", timeout_s=timeout_s)
    with ModelServerClient("127.0.0.1:1") as client:
        with none:
            client.status("mlp", timeout_s=timeout_s)
        with none:
            client.wait_until_ready(timeout_s)


def test_a_port_that_speaks_http():
    """As TensorFlow Serving's 8501 does: the error names the other port."""
    with FakeGateway() as server:
        address = server.url.removeprefix("http://")
        with (
            ModelServerClient(address, timeout_s=30) as client,
            pytest.raises(errors.NotGrpc, match="8500, and 8501 is for REST"),
        ):
            client.status("mlp")


def test_nobody_there(monkeypatch):
    """A dead address is `Unavailable` and named, and a server that comes up later is found."""
    port = free_port()
    with ModelServerClient(f"127.0.0.1:{port}", timeout_s=30) as client:
        with pytest.raises(errors.Unavailable, match=f"127.0.0.1:{port} is not answering"):
            client.status("mlp")
        with pytest.raises(errors.Unavailable, match=r"within 0\.1 s"):
            client.wait_until_ready(0.1)
        monkeypatch.setattr(messages, "RECONNECT_S", 30)  # how soon is the machine's affair
        for _ in range(2):
            with FakeModelServer(lambda *_: b"", port=port):
                assert client.status("mlp") == []


def test_a_closed_client_says_so():
    """Whatever is asked of it; closing twice is fine."""
    with FakeModelServer(classifying()) as server:
        client = ModelServerClient(server.address)
        client.predict(images(4)[0], "mlp")
        client.close()
        client.close()
        asked = len(server.calls)
        for ask in (
            lambda: client.predict(images(4)[0], "mlp"),
            lambda: list(client.predict_many([images(4)[0]], "mlp")),
            lambda: client.status("mlp"),
            lambda: client.wait_until_ready(0.1),
            client.__enter__,
        ):
            with pytest.raises(errors.ClientClosed, match="make another"):
                ask()
        assert len(server.calls) == asked


def test_tls(tmp_path):
    """With the right CA, TLS works; with a wrong one, the error says what is wrong."""
    ca, other = make_ca(tmp_path, "ca"), make_ca(tmp_path, "other")
    made = make_certificate(tmp_path, "server", ca, "models.internal")
    pair = (made.key.read_bytes(), made.cert.read_bytes())
    trusted, wrong = (grpc.ssl_channel_credentials(each.cert.read_bytes()) for each in (ca, other))
    name = "models.internal"
    with FakeModelServer(lambda *_: b"", credentials=grpc.ssl_server_credentials([pair])) as server:
        address = server.address
        with ModelServerClient(address, credentials=trusted, server_name=name) as client:
            assert client.status("mlp") == []
        with (
            ModelServerClient(address, credentials=wrong, server_name=name) as client,
            pytest.raises(errors.Unavailable, match="not signed by the CA"),
        ):
            client.status("mlp")


def test_a_model_of_other_pictures():
    """A gateway makes them; here it is said so, in place of TensorFlow's words alone."""
    details = "Signature input alias: x(feed name: serving_default_x:0) not found in request"
    answer = failing(grpc.StatusCode.INVALID_ARGUMENT, details)
    with FakeModelServer(answer) as server, ModelServerClient(server.address) as client:
        with pytest.raises(
            errors.TakesNoPictures, match="cnn takes other pictures than rows of Fashion"
        ):
            client.predict(images(4)[0], "cnn")
        with pytest.raises(errors.InvalidRequest, match=r"^Signature input alias"):
            client.run("cnn", {"x": images(1)})


WHOLE = {name: told for name, told in FASHION_MNIST.to_dict().items() if name != "sources"}
IMAGES, ROWS = wire.DT_FLOAT, (-1, 28, 28)


def describing(card: dict, profile: dict | None, *, dtype=IMAGES, sizes=ROWS) -> Answer:
    """Answers as a classifier does that says this of itself; its signature has one input."""
    told = [json.dumps(each).encode() if each is not None else b"" for each in (card, profile)]
    predict = classifying()

    def answer(call, context):
        if call.method.endswith("GetModelMetadata"):
            found, response = wire.SignatureDefMap(), wire.GetModelMetadataResponse()
            signature = found.signature_def["serving_default"]
            for tensors, name, size in (
                (signature.inputs, "images", sizes),
                (signature.outputs, "probabilities", (-1, 10)),
            ):
                tensors[name].dtype = dtype if name == "images" else IMAGES
                for each in size:
                    tensors[name].tensor_shape.dim.add(size=each)
            response.model_spec.name = "cnn"
            response.metadata["signature_def"].Pack(found)
            return response.SerializeToString()
        response = wire.PredictResponse.FromString(predict(call, context))
        if "values" in response.outputs:
            values = np.array([json.dumps(LABELS).encode(), *told], object)
            response.outputs["values"].CopyFrom(to_tensor(values))
        return response.SerializeToString()

    return answer


OTHER_PICTURES = {
    "another scaling": (describing({}, WHOLE | {"scaling": "0..255"}), "(scaling 0..255)"),
    "some of it": (describing({}, {"scaling": "-1..1", "fit": "pad"}), "scaling -1..1, fit pad"),
    "none of it, and whole numbers": (describing({}, None, dtype=wire.DT_UINT8), "dtype uint8"),
    "alone": (describing({}, WHOLE | {"batchable": False}), "(batchable False)"),
    "a broken one": (describing({}, {"scaling": 7}), "`scaling`: 7 is none of"),
    "one that does not fit": (describing({}, {"input": "x"}), "the signature has no `x`"),
    "free sizes": (describing({}, None, sizes=(-1, -1, -1)), "shape [None, None], fit stretch"),
}


@pytest.mark.parametrize("kind", OTHER_PICTURES)
def test_a_model_that_answers_rows_and_is_for_other_pictures(kind):
    """Its answers would look right, and be wrong."""
    answer, told = OTHER_PICTURES[kind]
    with FakeModelServer(answer) as server, ModelServerClient(server.address) as client:
        for _ in range(2):
            with pytest.raises(errors.TakesNoPictures, match=re.escape(told)) as refused:
                client.predict(images(4)[0], "cnn")
            assert "ask a gateway" in str(refused.value)
        asked = [call.method.rpartition("/")[2] for call in server.calls]
        assert asked.count("Predict") == 3, "it describes itself once"
        assert asked.count("GetModelMetadata") <= 1


@pytest.mark.parametrize("profile", [None, {"scaling": "0..1"}, WHOLE])
def test_a_model_that_takes_rows_as_they_are(profile):
    """By its description, and where that leaves something open, by its signature: asked once."""
    answer = describing({}, profile)
    with FakeModelServer(answer) as server, ModelServerClient(server.address) as client:
        for row in (4, 6):
            assert client.predict(images(row)[0], "cnn").class_id == row
        asked = [call.method.rpartition("/")[2] for call in server.calls]
        assert asked.count("GetModelMetadata") == (profile is not WHOLE)


def for_something_else(**outputs: np.ndarray) -> Answer:
    """Answers as a classifier does whose signature `describe` is not what ours is, or, without any
    outputs, as one that has none."""

    def answer(call, context):
        if wire.PredictRequest.FromString(call.request).model_spec.signature_name != "describe":
            return classifying()(call, context)
        if not outputs:
            details = 'Serving signature key "describe" not found.'
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, details)
        response = wire.PredictResponse()
        for name, made in outputs.items():
            response.outputs[name].CopyFrom(to_tensor(made))
        return response.SerializeToString()

    return answer


NO_DESCRIPTIONS = {
    "none": for_something_else(),
    "another output": for_something_else(caption=np.array([b"a cat"], object)),
    "numbers": for_something_else(values=np.zeros(3, np.float32)),
    "other values": for_something_else(values=np.array([[b"{}"]], object)),
}


@pytest.mark.parametrize("kind", NO_DESCRIPTIONS)
def test_a_model_that_does_not_describe_itself(kind):
    """It is said so, and it is asked once: neither its pictures nor its labels are known."""
    answer = NO_DESCRIPTIONS[kind]
    with FakeModelServer(answer) as server, ModelServerClient(server.address) as client:
        with pytest.raises(errors.TakesNoPictures, match="cnn does not describe itself, so"):
            client.predict(images(4)[0], "cnn")
        asked = len(server.calls)
        with pytest.raises(errors.TakesNoPictures, match="ask a gateway"):
            list(client.predict_many([images(4)[0]], "cnn"))
        assert len(server.calls) == asked + 1
        with pytest.raises(errors.InvalidRequest):
            client.describe("cnn", 3)


def test_a_description_that_is_broken():
    """It is one: something is wrong with the version."""
    broken = for_something_else(values=np.array([b"", b"{}", b""], object))
    with FakeModelServer(broken) as server, ModelServerClient(server.address) as client:
        for ask in (lambda: client.predict(images(4)[0], "cnn"), lambda: client.describe("cnn", 3)):
            with pytest.raises(errors.ServerError, match="`labels` that are no JSON list of texts"):
                ask()
