"""Default model: `photo`, or `mlp` where that is not served, which is found out and said once."""

import asyncio
import io
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import grpc
import numpy as np
import pytest

from harness.fake_model_server import Call, FakeModelServer, classifying
from tests.client.fake_gateway import (
    KINDS,
    LONGEST_S,
    STATUS_OK,
    FakeGateway,
    Kind,
    Reply,
    lacking,
    problem,
    seeing,
)
from vitrine_client import Client, errors
from vitrine_client.aio import AsyncClient
from vitrine_client.http.default_model import LOOK_AGAIN_S, DefaultModel, DefaultModelWarning
from vitrine_client.model_server import ModelServerClient
from vitrine_client.tfserving import wire_pb2 as wire

both = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)

PHOTO, MLP = "/v1/models/photo:predict", "/v1/models/mlp:predict"
SHOE = np.zeros((28, 28), np.uint8)
SHOE[8:20, 4:24] = 200


@contextmanager
def told(times: int = 1):
    """Checks how often it is said that another model answers."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    said = [each for each in caught if each.category is DefaultModelWarning]
    assert len(said) == times, [str(each.message) for each in caught]
    for each in said:
        assert "photo is not served here, so mlp is asked" in str(each.message)


def paths(gateway: FakeGateway) -> list[str]:
    return [asked.path for asked in gateway.asked]


@both
def test_where_it_is_served(kind: Kind):
    """One request each, and nothing is said; who names a model gets that."""
    with FakeGateway(seeing) as gateway, told(0):
        assert kind.ask(gateway.url, "predict", b"Bag").model == "photo"
        assert kind.ask(gateway.url, "predict", b"Bag", "softmax").model == "softmax"
        (many,) = kind.ask(gateway.url, "predict_many", [b"Bag"])
    assert many.model == "photo"
    assert paths(gateway) == [PHOTO, "/v1/models/softmax:predict", PHOTO]


def test_where_it_is_not():
    """The first request finds out; the others ask mlp at once, and once for the client it is
    said."""
    with FakeGateway(lacking("photo")) as gateway, Client(gateway.url) as client, told():
        assert [client.predict(b"Bag").model for _ in range(3)] == ["mlp"] * 3
        found = list(client.predict_many([b"%d" % n for n in range(20)], batch_size=2))
        assert client.predict(SHOE, local=True).model == "mlp"
    assert {each.model for each in found} == {"mlp"}
    assert paths(gateway) == [PHOTO, *[MLP] * 14]


def test_where_it_is_not_for_asyncio():
    """So does the other client."""

    async def ask(url: str) -> list[str]:
        async with AsyncClient(url) as client:
            one = await client.predict(b"Bag")
            many = [each async for each in client.predict_many([b"a", b"b"], batch_size=1)]
            return [each.model for each in (one, *many, await client.predict(SHOE, local=True))]

    with FakeGateway(lacking("photo")) as gateway, told():
        assert asyncio.run(ask(gateway.url)) == ["mlp"] * 4
    assert paths(gateway) == [PHOTO, *[MLP] * 4]


def test_a_stream_is_read_once():
    """What can be read once is sent twice all the same."""
    file = io.BytesIO(b"Bag")
    with FakeGateway(lacking("photo")) as gateway, Client(gateway.url) as client, told():
        assert client.predict(file).label == "Bag"
    assert len({asked.body for asked in gateway.asked}) == 1


def test_threads_share_what_one_found_out():
    """Twenty at once: those who did not know yet find out by themselves, nobody fails, and it is
    said once."""
    together = threading.Barrier(20, timeout=LONGEST_S)

    def ask(client: Client) -> list[str]:
        together.wait()
        return [client.predict(b"Bag").model for _ in range(5)]

    with (
        FakeGateway(lacking("photo")) as gateway,
        Client(gateway.url) as client,
        told(),
        ThreadPoolExecutor(20) as pool,
    ):
        found = [each for one in pool.map(ask, [client] * 20) for each in one]
    assert found == ["mlp"] * 100
    assert paths(gateway).count(MLP) == 100
    assert paths(gateway).count(PHOTO) <= 20


def test_many_tasks_share_a_client():
    """So do tasks of an event loop."""

    async def ask(url: str) -> list[str]:
        async with AsyncClient(url) as client:
            found = await asyncio.gather(*(client.predict(b"Bag") for _ in range(30)))
            return [each.model for each in found]

    with FakeGateway(lacking("photo")) as gateway, told():
        assert asyncio.run(ask(gateway.url)) == ["mlp"] * 30
    assert paths(gateway).count(MLP) == 30


@both
@pytest.mark.parametrize("which", [{"version": 12}, {"label": "stable"}], ids=str)
def test_a_version_of_a_model_that_is_not_there(kind, which):
    """That the model is missing, and not that version alone, is asked once."""
    ((name, value),) = which.items()
    place = f"{name}s/{value}:predict"
    with FakeGateway(lacking("photo")) as gateway, told():
        assert kind.ask(gateway.url, "predict", b"Bag", **which).model == "mlp"
    asked = [f"/v1/models/photo/{place}", "/v1/models/photo", f"/v1/models/mlp/{place}"]
    assert paths(gateway) == asked


@both
@pytest.mark.parametrize(
    ("which", "status", "error"),
    [({"version": 3}, 404, errors.NotFound), ({"label": "nope"}, 400, errors.InvalidRequest)],
    ids=str,
)
def test_a_version_that_is_not_there(kind, which, status, error):
    """The model is served, so nobody asks another one."""

    def without(asked) -> Reply:
        if asked.path.endswith(":predict"):
            return problem(status, "no such version")
        return lacking()(asked)

    with (
        FakeGateway(without) as gateway,
        told(0),
        pytest.raises(error, match="no such version"),
    ):
        kind.ask(gateway.url, "predict", b"Bag", **which)
    assert not any("mlp" in path for path in paths(gateway))


@both
def test_a_model_of_which_no_version_answers(kind: Kind):
    """One that is there and could not be loaded is not served either."""

    def broken(asked) -> Reply:
        if asked.path == "/v1/models/photo":
            version = {"version": "1", "state": "END", "status": STATUS_OK}
            return Reply(content={"model_version_status": [version]})
        return lacking("photo")(asked)

    with FakeGateway(broken) as gateway, told():
        assert kind.ask(gateway.url, "predict", b"Bag", label="stable").model == "mlp"


@both
def test_neither_is_served(kind: Kind):
    """Then it is the error of the one that was to answer in its place, and nothing is said."""
    with (
        FakeGateway(lacking("photo", "mlp")) as gateway,
        told(0),
        pytest.raises(errors.NotFound, match=r"Latest\(mlp\)"),
    ):
        kind.ask(gateway.url, "predict", b"Bag")


@both
def test_who_names_a_model_is_given_no_other(kind: Kind):
    """Not even `photo`."""
    with (
        FakeGateway(lacking("photo")) as gateway,
        told(0),
        pytest.raises(errors.NotFound, match=r"Latest\(photo\)"),
    ):
        kind.ask(gateway.url, "predict", b"Bag", "photo")
    assert paths(gateway) == [PHOTO, "/v1/models"]  # what there is, for the message


@both
@pytest.mark.parametrize("status", [400, 401, 413, 500, 503])
def test_other_failures_are_no_missing_model(kind, status):
    """They are raised, and mlp is not asked."""
    with (
        FakeGateway(lambda _: problem(status, "no")) as gateway,
        told(0),
        pytest.raises(errors.VitrineError),
    ):
        kind.ask(gateway.url, "predict", b"Bag", client={"retries": 0})
    assert not any("mlp" in path for path in paths(gateway))


def test_it_is_looked_for_again():
    """After a while one call of many asks for it again; as long as it stays away that is not told
    once more, and once it is there all ask it."""
    now_s = [100.0]
    default = DefaultModel(now=lambda: now_s[0])
    with told():
        assert default.name() == "photo"
        default.missing()
        assert [default.name() for _ in range(3)] == ["mlp"] * 3
        now_s[0] += LOOK_AGAIN_S
        assert [default.name() for _ in range(3)] == ["photo", "mlp", "mlp"]
        default.missing()
        assert default.name() == "mlp"
        now_s[0] += LOOK_AGAIN_S
        assert default.name() == "photo"
        default.found()
        assert [default.name() for _ in range(3)] == ["photo"] * 3
        default.missing()
        assert default.name() == "mlp"


def serving(*models: str):
    """Answers as a model server does that has these models, in version 3, which is stable."""
    predict = classifying()

    def answer(call: Call, context: grpc.ServicerContext) -> bytes:
        kind = wire.PredictRequest if "Predict" in call.method else wire.GetModelStatusRequest
        spec = kind.FromString(call.request).model_spec
        if spec.version_label and (spec.name not in models or spec.version_label != "stable"):
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "Unrecognized servable version label")
        if spec.name not in models or (spec.version.value not in (0, 3)):
            context.abort(grpc.StatusCode.NOT_FOUND, f"Servable not found: {spec.name}")
        if "Predict" in call.method:
            return predict(call, context)
        response = wire.GetModelStatusResponse()
        response.model_version_status.add(version=3, state="AVAILABLE")
        return response.SerializeToString()

    return answer


@contextmanager
def past(*models: str):
    """Runs a model server that has these models, and a client of it."""
    with FakeModelServer(serving(*models)) as server, ModelServerClient(server.address) as client:
        yield server, client


def asked_models(server: FakeModelServer) -> list[str]:
    calls = [wire.PredictRequest.FromString(call.request) for call in server.calls]
    return [each.model_spec.name for each in calls if "images" in each.inputs]


def test_past_the_gateway():
    """A model server is asked by the same rule: `photo`, then mlp, and it is said once."""
    with past("photo", "mlp") as (server, client), told(0):
        assert client.predict(SHOE).model == "photo"
        assert [each.model for each in client.predict_many([SHOE])] == ["photo"]
        assert asked_models(server) == ["photo", "photo"]
    with past("mlp") as (server, client), told():
        assert client.predict(SHOE).model == "mlp"
        many = client.predict_many([SHOE] * 6, batch_size=2)
        assert [each.model for each in many] == ["mlp"] * 6
    assert asked_models(server) == ["photo", "mlp", "mlp", "mlp", "mlp"]


@pytest.mark.parametrize("which", [{"version": 3}, {"label": "stable"}], ids=str)
def test_a_version_past_the_gateway(which):
    """As through it: of a model that is missing mlp's, of one that is served the error."""
    with past("mlp") as (_, client), told():
        assert client.predict(SHOE, **which).model == "mlp"
    wrong = {name: {"version": 9, "label": "nope"}[name] for name in which}
    with past("mlp", "photo") as (server, client), told(0), pytest.raises(errors.VitrineError):
        client.predict(SHOE, **wrong)
    assert asked_models(server) == ["photo"]
