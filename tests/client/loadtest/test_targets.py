"""What is sent, read back by those who know how, and which answers are right."""

import json

import httptools
import numpy as np
import pytest

from harness.paths import SAMPLES
from tests.client.loadtest.scripted_server import predictions
from vitrine_client import errors
from vitrine_client.images import to_instance
from vitrine_client.loadtest.generator.answers import ResponseValidation, classes_of
from vitrine_client.loadtest.generator.targets import blaming, requests_of
from vitrine_client.loadtest.plan import Workload
from vitrine_client.tfserving import wire_pb2 as wire
from vitrine_client.tfserving.tensors import from_tensor, to_tensor
from vitrine_serving.gateway.api.bodies import read_npy, read_pictures

IMAGES = tuple(path.read_bytes() for path in SAMPLES[:3])
INSTANCES = np.stack([to_instance(image) for image in IMAGES])


class Read:
    """A request as a server reads it."""

    def __init__(self, request: bytes) -> None:
        self.headers: dict[str, str] = {}
        self.path, self.body, self.whole = "", b"", False
        parser = httptools.HttpRequestParser(self)
        parser.feed_data(request)
        self.method = parser.get_method().decode()

    def on_url(self, url: bytes) -> None:
        self.path += url.decode()

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.decode().lower()] = value.decode()

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.whole = True


def sent(kind: str, **options) -> list[Read]:
    target = Workload(kind, "http://host:8080/base/", "my model", IMAGES, **options)
    return [Read(request) for request in requests_of(target)]


@pytest.mark.parametrize("kind", ["npy", "json", "rest", "grpc"])
def test_the_file_that_cannot_be_prepared_is_named(kind):
    """Among many of one request."""
    images, names = (*IMAGES, b"no picture"), ("a.png", "b.png", "c.png", "notes.txt")
    target = Workload(kind, "http://host", "mlp", images, batch_size=2, names=names)
    with pytest.raises(errors.InvalidImage, match=r"no picture.* \(notes\.txt\)$"):
        requests_of(target)


def test_of_several_files_those_are_named_that_may_be_at_fault():
    """All of the request, a few at most, unless the service says which."""
    names = tuple(f"{n}.png" for n in range(6))
    target = Workload("multipart", "http://host", "mlp", IMAGES * 2, batch_size=6, names=names)
    assert blaming(target, (0, 1), "No (image 3: why)") == "No (why) (3.png)"
    told = "No (among 0.png, 1.png, 2.png, 3.png and 2 more)"
    assert blaming(target, (0, 1), "No") == told


def test_a_picture_goes_as_it_is():
    """Each picture is a request of its own, with what HTTP wants to know of it."""
    requests = sent("raw", batch_size=2, api_key="secret")
    assert [request.body for request in requests] == list(IMAGES)
    assert all(request.whole and request.method == "POST" for request in requests)
    assert requests[0].path == "/base/v1/models/my%20model:predict"
    assert requests[0].headers["host"] == "host:8080"
    assert requests[0].headers["x-api-key"] == "secret"
    assert read_pictures(requests[0].headers["content-type"], IMAGES[0], max_images=1)


@pytest.mark.parametrize(
    ("chosen", "path"),
    [
        ({"version": 3}, "/base/v1/models/my%20model/versions/3:predict"),
        ({"label": "a/b"}, "/base/v1/models/my%20model/labels/a%2Fb:predict"),
    ],
)
def test_a_version_can_be_asked_for(chosen, path):
    """By number or by label, in TensorFlow Serving's grammar."""
    assert sent("raw", **chosen)[0].path == path


def test_batches_take_the_next_images_in_turn():
    """Three images in pairs are three different requests, and then it begins anew."""
    forms = [
        read_pictures(request.headers["content-type"], request.body, max_images=9)
        for request in sent("multipart", batch_size=2)
    ]
    first, second, third = IMAGES
    assert forms == [[first, second], [third, first], [second, third]]


def test_arrays_have_the_pixels():
    """An .npy body is what the gateway reads as the instances of the pictures."""
    request = sent("npy", batch_size=3)[0]
    assert request.headers["content-type"] == "application/x-npy"
    assert np.array_equal(read_npy(request.body, max_images=3), INSTANCES)


@pytest.mark.parametrize("kind", ["json", "rest"])
def test_json_has_the_same_floats_as_the_model_was_trained_on(kind):
    """Read as float32, each number is exactly pixel / 255."""
    request = sent(kind, batch_size=3)[0]
    instances = np.array(json.loads(request.body)["instances"], np.float32)
    assert np.array_equal(instances, INSTANCES.astype(np.float32) / 255)


def test_a_message_has_the_same_floats():
    """Over gRPC, too, and the version that was asked for."""
    target = Workload("grpc", "host:8500", "mlp", IMAGES, version=4, batch_size=3)
    (request,) = requests_of(target)
    message = wire.PredictRequest.FromString(request)
    assert message.model_spec.version.value == 4
    assert np.array_equal(from_tensor(message.inputs["images"]), INSTANCES.astype(np.float32) / 255)


@pytest.mark.parametrize("kind", ["npy", "grpc"])
def test_what_is_no_picture_is_told_before_anything_is_sent(kind):
    """Where pictures are prepared here."""
    with pytest.raises(errors.InvalidImage):
        requests_of(Workload(kind, "http://host", "mlp", (b"no picture",)))


def test_without_an_image_there_is_no_request():
    """There is nothing to ask."""
    with pytest.raises(errors.InvalidRequest, match="image"):
        requests_of(Workload("raw", "http://host", "mlp", ()))


def message_of(*class_ids: int) -> bytes:
    """What a model server answers."""
    probabilities = to_tensor(np.eye(10, dtype=np.float32)[list(class_ids)])
    return wire.PredictResponse(outputs={"probabilities": probabilities}).SerializeToString()


ANSWERS = {
    "the gateway's": ("raw", json.dumps(predictions(3, 8)).encode()),
    "one output": ("rest", b'{"predictions": [[0,0,0,0.9,0.1], [0,0,0,0,0,0,0,0,1,0]]}'),
    "several outputs": (
        "json",
        b'{"predictions": [{"probabilities": [0,0,0,1], "class_ids": 3},'
        b'{"probabilities": [0,0,0,0,0,0,0,0,0.5], "class_ids": 8}]}',
    ),
    "a message": ("grpc", message_of(3, 8)),
}


@pytest.mark.parametrize(("kind", "body"), ANSWERS.values(), ids=ANSWERS)
def test_classes_are_read_from_answers_of_all_kinds(kind, body):
    """Of each image, in order."""
    assert classes_of(kind, body) == (3, 8)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("raw", b""),
        ("raw", b"<html>"),
        ("raw", b"[]"),
        ("raw", b'{"predictions": [{"label": "Bag"}]}'),
        ("json", b'{"error": "no"}'),
        ("json", b'{"predictions": [[]]}'),
        ("grpc", b"\xff"),
        ("grpc", wire.PredictResponse().SerializeToString()),
    ],
)
def test_what_has_no_classes_is_no_answer(kind, body):
    """Whatever a server says instead, it is an error and no traceback."""
    with pytest.raises(errors.ServerError):
        classes_of(kind, body)
    assert ResponseValidation(kind, [(3,)]).fault(0, body) == "not an answer"


def test_answers_are_right_by_their_classes():
    """Other digits and another version are the same answer; another class, order or number of
    images is not."""
    answers = ResponseValidation("raw", [(3, 8), (5,)])

    def fault(request: int, content: object) -> str:
        return answers.fault(request, json.dumps(content).encode())

    spec = {"model_spec": {"version": "2"}}
    assert fault(0, predictions(3, 8)) == fault(0, predictions(3, 8) | spec) == ""
    assert fault(0, predictions(3, 8)) == ""  # known by now
    assert fault(0, predictions(8, 3)) == fault(0, predictions(3)) == "wrong answer"
    assert fault(1, predictions(5)) == ""
    assert fault(1, predictions(3, 8)) == "wrong answer"  # right for the other request


def test_an_image_that_fails_within_an_answer_is_an_error():
    """The gateway answers 200 where only some of a form's pictures could be read."""
    body = json.dumps({"predictions": [{"class_id": 3}, {"error": "image 1: broken"}]}).encode()
    with pytest.raises(errors.InvalidImage, match="broken"):
        classes_of("multipart", body)
    assert ResponseValidation("multipart", [(3, 8)]).fault(0, body) == "invalid image"
