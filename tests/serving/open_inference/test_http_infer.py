"""Inference over HTTP: JSON and binary bodies both ways, and compression both ways."""

import gzip
import json
import zlib

import numpy as np
import pytest

from tests.serving.open_inference.echo_servers import EchoServers
from tests.serving.open_inference.v2_bodies import (
    INFER,
    LENGTH,
    X,
    binary,
    error,
    outputs,
    plain,
)
from vitrine_client.tfserving import wire_pb2 as wire
from vitrine_serving.gateway.api.json_bodies import LARGE_JSON_BYTES
from vitrine_serving.gateway.http.compression import MIN_BYTES, accepted
from vitrine_serving.gateway.inference.dataplane import LARGE_BYTES

ALL_BINARY = {"parameters": {"binary_data_output": True}}
ROWS = np.zeros((400, 3), np.float32)


def test_json(http):
    """Numbers are printed as doubles, outputs come by name, and no id that was not sent."""
    answer = http.post(INFER, content=plain())
    assert answer.headers["content-type"] == "application/json"
    assert LENGTH not in answer.headers
    assert b"0.10000000149011612" in answer.content
    assert answer.json() == {
        "model_name": "m",
        "model_version": "2",
        "outputs": [
            {"name": "row", "datatype": "INT64", "shape": [2], "data": [0, 1]},
            {"name": "x", "datatype": "FP32", "shape": [2, 3], "data": X.ravel().tolist()},
        ],
    }


@pytest.mark.parametrize(
    "kind",
    [
        *("application/json", "application/octet-stream", "text/plain", "image/png", "foo"),
        "application/x-www-form-urlencoded",
    ],
)
def test_no_content_type_matters(http, kind):
    """Official clients send none, or the same for all."""
    assert (
        outputs(http.post(INFER, content=plain(), headers={"Content-Type": kind}))["x"] == X
    ).all()
    body, headers = binary()
    answer = http.post(INFER, content=body, headers=headers | {"Content-Type": kind})
    assert (outputs(answer)["x"] == X).all()


def test_binary_both_ways(http):
    """As tritonclient asks by default."""
    body, headers = binary(id="abc", **ALL_BINARY)
    answer = http.post(INFER, content=body, headers=headers)
    assert answer.headers["content-type"] == "application/octet-stream"
    length = int(answer.headers[LENGTH])
    head = json.loads(answer.content[:length])
    assert (head["id"], head["outputs"][1]["parameters"]) == ("abc", {"binary_data_size": 24})
    assert answer.content[length:] == np.arange(2).tobytes() + X.tobytes()


def test_one_output_binary(http):
    """With outputs named, each says for itself; `binary_data_output` is for all alone."""
    named = [{"name": "x", "parameters": {"binary_data": True}}, {"name": "row"}]
    body, headers = binary(outputs=named, **ALL_BINARY)
    answer = http.post(INFER, content=body, headers=headers)
    head = json.loads(answer.content[: int(answer.headers[LENGTH])])
    assert [each.get("data") for each in head["outputs"]] == [[0, 1], None]
    assert answer.content.endswith(X.tobytes())


def test_the_same_again(http):
    """The JSON before numbers is that of any answer of their form, be it known or not."""
    for array in (X, X + 1, X[:1], X, np.float32([[np.nan, np.inf, 0]])):
        heads = []
        for given in ({}, {"id": "a"}):
            body, headers = binary(array, **given, **ALL_BINARY)
            answer = http.post(INFER, content=body, headers=headers)
            np.testing.assert_array_equal(outputs(answer)["x"], array)
            heads.append(json.loads(answer.content[: int(answer.headers[LENGTH])]))
        assert heads[1] == {"id": "a", **heads[0]}
        assert heads[0]["outputs"][1]["shape"] == list(array.shape)


def test_nothing_that_is_binary_is_json(http):
    """A batch of none has no bytes after the JSON, and so no header, as in Triton."""
    body, headers = binary(X[:0], **ALL_BINARY)
    answer = http.post(INFER, content=body, headers=headers)
    assert answer.headers["content-type"] == "application/json"
    assert LENGTH not in answer.headers
    assert outputs(answer)["x"].shape == (0, 3)


def test_what_kserve_sends(http):
    """The model's name in the body, which nobody needs, and an id always."""
    body = plain(model_name="other", id="1", more={"a": 1})
    assert http.post(INFER, content=body).json()["model_name"] == "m"


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity", "null"])
def test_numbers_that_are_none(http, literal):
    """Read as literals, which tritonclient sends, and answered as null, which all clients read."""
    body = plain().replace(b"[0.0,", b"[%b," % literal.encode())
    answer = http.post(INFER, content=body)
    assert answer.json()["outputs"][1]["data"][:1] == [None]
    told = http.post(INFER, content=body[:-1] + b',"parameters":{"binary_data_output":true}}')
    assert outputs(told)["x"][0, 0] == pytest.approx(
        float(literal.replace("null", "NaN")), nan_ok=True
    )


@pytest.mark.parametrize("version", ["1", "01"])
def test_a_version(http, version):
    answer = http.post(f"/v2/models/m/versions/{version}/infer", content=plain())
    assert answer.json()["model_version"] == "1"


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("-5", "says '-5'"),
        ("", "says ''"),
        ("abc", "says 'abc'"),
        ("1.0", "says '1.0'"),
        ("99999", "to the body's"),
        ("9" * 5000, "to the body's"),
        ("40", "cannot be read"),
    ],
)
def test_lengths_of_json_that_are_none(http, header, words):
    body, _ = binary()
    assert words in error(http.post(INFER, content=body, headers={LENGTH: header}), 400)


def test_a_binary_body_without_the_header(http):
    """It is no JSON, and the error says so."""
    body, _ = binary()
    assert "JSON cannot be read" in error(http.post(INFER, content=body), 400)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "JSON cannot be read"),
        (b"{", "JSON cannot be read"),
        (b"[]", "JSON object"),
        (b"7", "JSON object"),
        (b"NaN", "JSON object"),
        (b"[" * 100_000, "JSON cannot be read"),
        (b'"NaN"' + b"[" * 100_000, "JSON cannot be read"),
        (b'{"inputs": [], "id": "\\ud800", "x": NaN}', "JSON cannot be read"),
        (b'{"inputs": null}', "`inputs`"),
        (b'{"inputs": [1]}', "`inputs`"),
        (b'{"id": 1, "inputs": []}', "`id`"),
        (plain(parameters={"a": None}), "Parameter 'a'"),
        (plain(parameters=[]), "`parameters`"),
        (plain(outputs=[{}]), "`name`"),
        (plain(outputs=[{"name": "y"}]), "no output"),
        (plain(X[:, :2]), "shape"),
        (plain() + b"}", "JSON cannot be read"),
    ],
)
def test_bodies_that_make_no_sense(http, body, words):
    assert words in error(http.post(INFER, content=body), 400)


def test_bytes_left_over(http):
    body, headers = binary()
    assert "4 bytes" in error(http.post(INFER, content=body + b"more", headers=headers), 400)


@pytest.mark.parametrize("asked_binary", [True, False])
@pytest.mark.parametrize("rows", [LARGE_BYTES // 30, LARGE_JSON_BYTES // 10])
def test_large_bodies(http, rows, asked_binary):
    """They are read and written in threads, and JSON of many rows in a decoding job."""
    array = np.random.default_rng(1).random((rows, 3), np.float32)
    parameters = {"binary_data_output": asked_binary, "mine": 1.5}
    text = plain(array, parameters=parameters, id="large")
    assert len(text) > LARGE_BYTES
    assert (outputs(http.post(INFER, content=text))["x"] == array).all()
    body, headers = binary(array, parameters=parameters)
    assert (outputs(http.post(INFER, content=body, headers=headers))["x"] == array).all()


def test_many_strings(runner, asking, servers):
    """BYTES after JSON, which takes a step for each, and back."""
    servers.versions = {each: {"x": wire.DT_STRING} for each in (1, 2)}
    strings = [f"{n}".encode() for n in range(30_000)]
    data = b"".join(len(each).to_bytes(4, "little") + each for each in strings)
    tensor = {"name": "x", "shape": [10_000, 3], "datatype": "BYTES"}
    tensor["parameters"] = {"binary_data_size": len(data)}
    head = json.dumps({"inputs": [tensor], "outputs": [{"name": "x"}]}).encode()
    answer = asking().post(INFER, content=head + data, headers={LENGTH: str(len(head))})
    assert answer.json()["outputs"][0]["data"] == [each.decode() for each in strings]


def _raw_deflate(body: bytes) -> bytes:
    return zlib.compress(body, wbits=-zlib.MAX_WBITS)


@pytest.mark.parametrize(("coding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_packed_requests(http, coding, pack):
    """The header counts the JSON before it is packed."""
    body, headers = binary()
    encoded = {"Content-Encoding": coding}
    for content, more in ((plain(), {}), (body, headers)):
        answer = http.post(INFER, content=pack(content), headers=encoded | more)
        assert (outputs(answer)["x"] == X).all()


@pytest.mark.parametrize(
    ("coding", "content", "status", "words"),
    [
        ("br", plain(), 415, "send gzip, deflate"),
        ("gzip, gzip", plain(), 415, "not supported"),
        ("gzip", plain(), 400, "gzip"),
        ("gzip", gzip.compress(plain())[:-9], 400, "truncated"),
        ("deflate", plain(), 400, "zlib"),
        ("deflate", gzip.compress(plain()), 400, "zlib"),
        ("deflate", _raw_deflate(plain()), 400, "zlib"),
        ("deflate", zlib.compress(plain())[:-9], 400, "truncated"),
        ("deflate", zlib.compress(plain()) + b"x", 400, "followed by"),
        ("deflate", zlib.compress(bytes(2**25)), 413, "more than"),
        ("gzip", gzip.compress(bytes(2**25)), 413, "more than"),
    ],
)
def test_packed_badly(http, coding, content, status, words):
    answer = http.post(INFER, content=content, headers={"Content-Encoding": coding})
    assert words in error(answer, status)
    assert ("accept-encoding" in answer.headers) == (status == 415)


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
@pytest.mark.parametrize("members", [{}, ALL_BINARY], ids=["JSON", "binary"])
def test_packed_answers(http, coding, members):
    """The header of what follows JSON counts that before it is packed; httpx unpacks."""
    body, headers = binary(ROWS, **members)
    answer = http.post(INFER, content=body, headers=headers | {"Accept-Encoding": coding})
    assert answer.headers["content-encoding"] == coding
    assert answer.headers["vary"] == "Accept-Encoding"
    assert int(answer.headers["content-length"]) < len(answer.content)
    assert (outputs(answer)["x"] == ROWS).all()


@pytest.mark.parametrize("rows", [1, MIN_BYTES, LARGE_BYTES])
def test_answers_that_are_not_packed(http, rows):
    """Small ones, and those that would be hardly shorter, as tensors of many different bits."""
    array = np.random.default_rng(1).integers(0, 2**32, (rows, 3), np.uint32).view(np.float32)
    named = [{"name": "x", "parameters": {"binary_data": True}}]
    body, headers = binary(array, outputs=named)
    answer = http.post(INFER, content=body, headers=headers | {"Accept-Encoding": "gzip"})
    assert "content-encoding" not in answer.headers
    assert answer.content.endswith(array.tobytes())


@pytest.mark.parametrize("path", ["/v2", "/v2/models/m", "/v2/models/m/stats", "/v2/nowhere"])
def test_nothing_else_is_packed(http, path):
    answer = http.get(path, headers={"Accept-Encoding": "gzip"})
    assert "content-encoding" not in answer.headers


@pytest.mark.parametrize(
    ("header", "coding"),
    [
        ("gzip, deflate, br", "gzip"),
        ("deflate, gzip", "gzip"),
        ("deflate", "deflate"),
        ("GZIP", "gzip"),
        ("gzip;q=0", ""),
        ("gzip;q=0.0, deflate", "deflate"),
        ("gzip; q=0.2, deflate; q=0.5", "deflate"),
        ("gzip;q=0.2, identity", ""),
        ("br", ""),
        ("", ""),
        ("identity", ""),
        ("*", "gzip"),
        ("gzip;q=0, *", "deflate"),
        ("*;q=0", ""),
        ("gzip;q=x", ""),
        ("gzip;level=1", "gzip"),
        (",,;;=", ""),
        ("gzip;q=nan", ""),
    ],
)
def test_accepted_codings(header, coding):
    assert accepted(header) == coding


def test_a_raw_request(http):
    """A body that is the tensor alone, for a model of one input; all that it answers is binary."""
    answer = http.post(INFER, content=X.tobytes(), headers={LENGTH: "0"})
    assert answer.headers["content-type"] == "application/octet-stream"
    assert (outputs(answer)["x"] == X).all()


def test_models_by_odd_names(runner, asking, servers: EchoServers):
    """Percent-encoded, and a colon as it is."""
    servers.names = ("a:b", "a/b", "stats", "ready", "infer", "config", "versions")
    http = asking()
    for path, name in (
        *(("a%3Ab", "a:b"), ("a:b", "a:b"), ("a%2Fb", "a/b")),
        *((name, name) for name in servers.names[2:]),
    ):
        answer = http.post(f"/v2/models/{path}/infer", content=plain())
        assert answer.json()["model_name"] == name
        assert http.get(f"/v2/models/{path}/ready").json() == {"name": name, "ready": True}
        assert http.get(f"/v2/models/{path}/versions/1").json()["name"] == name
