"""TensorFlow Serving's JSON through the gateway, with a model server of our own making."""

import asyncio
import json

import pytest

from tests.serving.fake_servers import DOUBLE, FLOAT, FakeServers
from vitrine_client.errors import DeadlineExceeded, InvalidRequest, NotFound, VitrineError
from vitrine_client.tfserving import wire_pb2 as wire
from vitrine_serving.gateway.api.tensorflow import JsonApi
from vitrine_serving.gateway.inference.batcher import BatchingSettings
from vitrine_serving.gateway.inference.dataplane import LARGE_BYTES, DataPlane
from vitrine_serving.gateway.inference.requests import Caller
from vitrine_serving.gateway.models.reference import ModelRef
from vitrine_serving.gateway.models.signatures import KnownSignatures, Signatures
from vitrine_serving.gateway.shedding import SheddingSettings

NEWEST = ModelRef("m")
ROWS = b'{"instances": [1, 2.5]}'
ANSWER = b'{\n    "predictions": [2.0, 5.0\n    ]\n}'
LEARN, PREDICT = "GetModelMetadata", "Predict"
CALLER = Caller("7")


@pytest.fixture
def servers() -> FakeServers:
    return FakeServers()


@pytest.fixture
def api(servers: FakeServers) -> JsonApi:
    return api_of(servers)


def api_of(servers: FakeServers) -> JsonApi:
    return JsonApi(DataPlane(servers, BatchingSettings(), SheddingSettings()))


def predict(api: JsonApi, body: bytes | dict = ROWS, target: ModelRef = NEWEST, timeout_s=9.0):
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = asyncio.run(api.predict(target, content, timeout_s=timeout_s, caller=CALLER))
    return answer.body


def refusal(api: JsonApi, body: bytes | dict, target: ModelRef = NEWEST) -> VitrineError:
    with pytest.raises(VitrineError) as caught:
        predict(api, body, target)
    return caught.value


def test_predict(api, servers):
    """By row and by column, by any signature; what a version takes is asked once."""
    assert predict(api) == ANSWER
    assert servers.methods() == [LEARN, PREDICT]
    assert predict(api, {"inputs": {"x": 1}}) == b'{\n    "outputs": 2.0\n}'
    assert predict(api, {"instances": [{"x": 3}], "signature_name": "also"}) == (
        b'{\n    "predictions": [6.0\n    ]\n}'
    )
    assert servers.methods() == [PREDICT, PREDICT]


@pytest.mark.parametrize(
    ("target", "asked"),
    [
        (ModelRef("m"), (0, "")),
        (ModelRef("m", 1), (1, "")),
        (ModelRef("m", None, "stable"), (0, "stable")),
    ],
)
def test_versions(api, servers, target, asked):
    """The model server is asked for what the gateway was, and each target is known from then on."""
    servers.versions = {1: FLOAT, 2: FLOAT}
    servers.labels = {"stable": 1}
    for _ in range(2):
        assert predict(api, target=target) == ANSWER
    assert servers.asked == [(LEARN, *asked), (PREDICT, *asked), (PREDICT, *asked)]


def test_a_new_version_of_the_same_signature(api, servers):
    """It is asked what it takes, once, and what it answered stands."""
    predict(api)
    servers.versions = {2: FLOAT}
    servers.methods()
    assert predict(api) == ANSWER
    assert servers.methods() == [PREDICT, LEARN]
    assert predict(api) == ANSWER
    assert servers.methods() == [PREDICT]


def test_versions_that_take_turns(api, servers):
    """Model servers in the middle of an update cost no calls once both versions are known."""
    for versions in ({1: FLOAT}, {2: FLOAT}):
        servers.versions = versions
        predict(api)
    servers.methods()
    for versions in ({1: FLOAT}, {2: FLOAT}, {1: FLOAT}):
        servers.versions = versions
        assert predict(api) == ANSWER
    assert servers.methods() == [PREDICT] * 3


def test_a_new_version_of_another_signature(api, servers):
    """What was sent is refused, so the body is read anew; a refusal costs no more than that."""
    predict(api)
    servers.versions = {2: DOUBLE}
    servers.methods()
    body = {"instances": [1e300]}  # as a float Infinity
    assert predict(api, body) == b'{\n    "predictions": [2e+300\n    ]\n}'
    assert servers.methods() == [PREDICT, LEARN, PREDICT]
    servers.versions = {3: FLOAT}
    assert predict(api) == ANSWER
    assert servers.methods() == [PREDICT, LEARN, PREDICT]


def test_another_signature_that_took_it(servers):
    """An answer to a body read by the wrong signature is not given."""

    class Lenient(FakeServers):
        def _predict(self, request, response):
            response.outputs["y"].dtype = request.inputs["x"].dtype
            response.outputs["y"].tensor_shape.SetInParent()
            response.outputs["y"].float_val.append(1)
            response.outputs["y"].double_val.append(2)

    lenient = Lenient()
    api = api_of(lenient)
    assert json.loads(predict(api, {"inputs": 1})) == {"outputs": 1}
    lenient.versions = {2: DOUBLE}
    assert json.loads(predict(api, {"inputs": 1})) == {"outputs": 2}


def test_nothing_is_refused_by_what_was_known(api, servers):
    """What a model takes may have changed, and the model may be gone."""
    predict(api)
    servers.methods()
    misfit = {"instances": ["a"]}
    text = 'JSON Value: "a" Type: String is not of expected type: float'
    assert str(refusal(api, misfit)).endswith(text)
    assert servers.methods() == [LEARN]
    servers.versions = {1: {"x": wire.DT_INT64}}  # the same number was published anew
    assert refusal(api, misfit).args[0].endswith("int64")
    assert json.loads(predict(api, {"inputs": 2**60})) == {"outputs": 2**61}
    servers.versions = {2: FLOAT}
    assert isinstance(refusal(api, misfit, ModelRef("m", 1)), NotFound)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"", "JSON Parse error: The document is empty"),
        (b"[]", "JSON Value: [] Is not object"),
        ({"signature_name": "s"}, 'Serving signature name: "s" not found in signature def'),
        ({"signature_name": "nothing"}, "Failed to get input map for signature: nothing"),
        ({}, "Missing 'inputs' or 'instances' key"),
        ({"inputs": {"y": 1}}, "Missing named input: x in 'inputs' object."),
    ],
)
def test_refusals(api, body, text):
    """They have TensorFlow Serving's words, whether what the model takes is known or not."""
    for _ in range(2):
        error = refusal(api, body)
        assert (type(error), str(error)) == (InvalidRequest, text)
        predict(api)


def test_the_body_is_refused_before_the_model(api, servers):
    """As TensorFlow Serving does it: what is no JSON needs no model."""
    assert isinstance(refusal(api, b"{", ModelRef("nope")), InvalidRequest)
    assert servers.asked == []
    assert isinstance(refusal(api, b"{}", ModelRef("nope")), NotFound)


def test_dtypes_without_json(servers):
    """What TensorFlow Serving has not programmed is 501, in a row or an answer 400."""
    api = api_of(servers)
    servers.versions = {1: {"x": wire.DT_COMPLEX64}}
    error = refusal(api, {"inputs": [1.5]})
    assert (error.status, str(error)) == (501, "Conversion of JSON Value: 1.5 to type: complex64")
    assert refusal(api, {"instances": [1.5]}).status == 400
    servers.versions = {2: FLOAT}
    for dtype, name in ((wire.DT_BFLOAT16, "bfloat16"), (wire.DT_HALF, "half")):
        servers.output = wire.Tensor(dtype=dtype, half_val=[1])
        error = refusal(api, {"inputs": 1})
        assert error.status == 400
        assert str(error) == f"Failed to write JSON value for tensor type: {name}"


def test_decoding_is_timed(api):
    """In both methods, and also where what a version takes is asked in between."""
    for _ in range(2):
        made = asyncio.run(api.predict(NEWEST, ROWS, timeout_s=9.0, caller=CALLER))
        assert 0 < made.decode_s < 9
    examples = b'{"examples": [{"x": 1.0}]}'
    made = asyncio.run(api.classify(NEWEST, examples, timeout_s=9.0, caller=CALLER))
    assert 0 < made.decode_s < 9


def test_one_deadline(servers):
    """All calls of a request share it, and when it is over nothing is asked."""
    api = api_of(servers)
    predict(api, timeout_s=50.0)
    first_s, second_s = servers.timeouts_s
    assert 40 < second_s < first_s < 50
    with pytest.raises(DeadlineExceeded):
        predict(api, timeout_s=0.0)
    assert len(servers.timeouts_s) == 2


def test_metadata_goes_along(api, servers):
    """Who asks is told to the model server."""
    who = [("x-request-id", "7")]
    asyncio.run(api.predict(NEWEST, ROWS, timeout_s=9.0, caller=CALLER))
    assert servers.metadata == who
    body = b'{"examples": [{"x": 1.0}]}'
    for method in (api.classify, api.regress):
        servers.metadata = []
        asyncio.run(method(NEWEST, body, timeout_s=9.0, caller=CALLER))
        assert servers.metadata == who


def test_large_bodies_are_read_elsewhere(servers):
    """What takes milliseconds is not done in the event loop: neither reading nor writing."""
    elsewhere = []

    async def offload(function, *arguments):
        elsewhere.append(function)
        return function(*arguments)

    api = JsonApi(
        DataPlane(servers, BatchingSettings(), SheddingSettings(), offload=offload), offload=offload
    )
    predict(api)
    assert elsewhere == []
    rows = [0.5] * (LARGE_BYTES // 2)
    assert json.loads(predict(api, {"instances": rows})) == {"predictions": [1.0] * len(rows)}
    assert len(elsewhere) == 2  # read by the signature, written
    with pytest.raises(InvalidRequest, match="Is not object"):
        predict(api, json.dumps(rows).encode())
    elsewhere.clear()
    examples = json.dumps({"examples": [{"x": 1.5}] * (LARGE_BYTES // 4)}).encode()
    asyncio.run(api.regress(NEWEST, examples, timeout_s=9.0, caller=CALLER))
    assert len(elsewhere) == 2


def test_threads_by_default(api):
    """Nothing has to be given for large bodies."""
    body = {"instances": [0.5] * LARGE_BYTES}
    assert len(json.loads(predict(api, body))["predictions"]) == LARGE_BYTES


def test_classify_and_regress(api, servers):
    """Examples go as they are, without a look at signatures."""
    body = b'{"signature_name": "also", "examples": [{"x": 1.5}, {"x": 2.0}]}'
    classified = asyncio.run(api.classify(NEWEST, body, timeout_s=9.0, caller=CALLER))
    assert classified.body == b'{\n    "results": [[["cat", 0.5]], [["cat", 0.5]]\n    ]\n}'
    regressed = asyncio.run(api.regress(ModelRef("m", 1), body, timeout_s=9.0, caller=CALLER))
    assert regressed.body == b'{\n    "results": [1.5, 2.0]\n}'
    assert servers.asked == [("Classify", 0, ""), ("Regress", 1, "")]
    with pytest.raises(InvalidRequest, match="'examples' is expected and was not found"):
        asyncio.run(api.classify(NEWEST, b"{}", timeout_s=9.0, caller=CALLER))


def test_status(api, servers):
    """Enumerations by name, int64 as text; a version label changes nothing."""
    answer = asyncio.run(api.status(ModelRef("m", None, "stable"), timeout_s=9.0))
    assert servers.asked == [("GetModelStatus", 0, "")]
    [status] = json.loads(answer)["model_version_status"]
    assert (status["version"], status["state"]) == ("1", "AVAILABLE")
    assert answer.startswith(b'{\n "model_version_status": [\n')


def test_metadata(api, servers):
    """Signatures lie under `signature_def` twice, by name."""
    answer = asyncio.run(api.metadata(NEWEST, timeout_s=9.0))
    assert answer.startswith(b'{\n"model_spec":{\n "name": "m",\n')
    content = json.loads(answer)
    assert content["model_spec"]["version"] == "1"
    signatures = content["metadata"]["signature_def"]["signature_def"]
    assert list(signatures) == ["also", "nothing", "serving_default"]
    assert signatures["also"]["inputs"]["x"]["dtype"] == "DT_FLOAT"


def test_what_is_known_is_bounded():
    """The oldest is forgotten first, of versions and of version labels."""
    known = KnownSignatures(Signatures.of)
    response = wire.GetModelMetadataResponse()
    for version in range(1, 2000):
        response.model_spec.version.value = version
        known.learn(ModelRef("m", None, f"label {version}"), response)
    assert known.recall(ModelRef("m", 1)) is None
    assert known.recall(ModelRef("m", None, "label 1")) is None
    assert known.recall(ModelRef("m", 1999)) == known.recall(ModelRef("m", None, "label 1999"))
    remembered = [version for version in range(1, 2000) if known.recall(ModelRef("m", version))]
    assert remembered == list(range(976, 2000))
