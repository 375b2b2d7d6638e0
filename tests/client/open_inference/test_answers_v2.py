"""Answers of servers of the Open Inference Protocol, of which anything may come."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitrine_client import errors
from vitrine_client.http.protocol import sensible
from vitrine_client.open_inference import http_bodies
from vitrine_client.open_inference.client import calls
from vitrine_client.open_inference.client.metadata import ModelMetadata
from vitrine_client.open_inference.client.picture_model import picture_model

URL = "http://127.0.0.1:1"
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(max_size=5), values),
    max_leaves=8,
)
SIZES = st.lists(st.integers(-2, 300) | st.sampled_from([1, 3, 28, 784]), max_size=5)
DATATYPES = st.sampled_from(["FP32", "UINT8", "BYTES", "BF16", "FP8", ""])
NAMES = st.sampled_from(["images", "image_bytes", "probabilities", "logits", ""])
TENSORS = st.lists(
    st.fixed_dictionaries({"name": NAMES, "datatype": DATATYPES, "shape": SIZES}), max_size=3
)


def wrong(members: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Returns objects of which some members are something else."""
    return st.fixed_dictionaries(
        {}, optional={name: each | VALUES for name, each in members.items()}
    )


OUTPUTS = wrong(
    {
        "name": NAMES,
        "datatype": DATATYPES,
        "shape": SIZES,
        "data": st.lists(st.floats(), max_size=6),
        "parameters": wrong({"binary_data_size": st.integers(-9, 40)}),
    }
)
RESPONSES = wrong({"outputs": st.lists(OUTPUTS | VALUES, max_size=3), "id": st.text(max_size=3)})


@given(RESPONSES | VALUES, st.binary(max_size=40))
def test_responses(content: Any, binary: bytes):
    """Are read, or refused as none."""
    body = json.dumps(content).encode() + binary
    with contextlib.suppress(errors.ModelFault):
        assert calls.response_in(body).outputs is not None
    with contextlib.suppress(errors.ModelFault):
        http_bodies.read_response(content, binary)


@given(st.binary(max_size=60) | VALUES.map(lambda each: json.dumps(each).encode()))
def test_bodies_of_all_kinds(body: bytes):
    """Also of errors; words of these are a text that is not too long."""
    assert len(calls.words_of(body)) <= 500
    for status in (200, 204, 302, 400, 404, 422, 500, 503):
        for headers in ({}, {calls.HEADER: "7"}, {calls.HEADER: "many"}, {"Location": "x"}):
            with contextlib.suppress(errors.VitrineError):
                assert len(calls.get("/v2").read(URL, status, headers, body)) == 2


@given(wrong({"name": NAMES, "inputs": TENSORS, "outputs": TENSORS}) | VALUES)
def test_metadata(content: Any):
    """A model takes pictures, or is told why not."""
    try:
        with sensible(calls.IS_IT_V2):
            metadata = ModelMetadata.from_json(content)
    except errors.ServerError:
        return
    with contextlib.suppress(errors.TakesNoPictures):
        assert picture_model(metadata).taken


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"error":"no"}', "no"),
        (b'{"detail":"no"}', "no"),
        (b'{"error":null,"detail":"no"}', "no"),
        (b'{"error":{"message":"no","code":7}}', "no"),
        (b'{"detail":[{"loc":["body","inputs",0],"msg":"is missing"},{"msg":"and odd"}]}',
         "body.inputs.0: is missing; and odd"),
        (b'{"title":"No"}', "No"),
        (b"no\n way", "no way"),
        (b"<html><body>no</body></html>", ""),
        (b"{}", ""),
        (b"7", ""),
        (b"", ""),
    ],
)  # fmt: skip
def test_words(body: bytes, words: str):
    assert calls.words_of(body) == words
