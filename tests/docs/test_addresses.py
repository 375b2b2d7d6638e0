"""Addresses: api.md has those of the OpenAPI document, and no other."""

import re

import pytest

from tests.docs.pages import PAGES, spans
from vitrine_serving.gateway.api.openapi.document import document

PATHS = document(())["paths"]
API = PAGES["docs/api.md"]
MODEL = "/v1/models/{model}"
V2_MODEL = "/v2/models/{model}"


def test_addresses_are_documented():
    """Each path stands there, up to what a path below a model repeats."""
    for path in PATHS:
        _, colon, verb = path.partition(":")
        below = path.removeprefix(MODEL).removeprefix(V2_MODEL)
        parts = [path, below, f"…{colon}{verb}"]
        assert any(f"{part}`" in API for part in parts if part), path


@pytest.mark.parametrize(
    ("method", "path"),
    sorted({(m, p) for span in spans(API) for m, p in re.findall(r"^(GET|POST) (\S+)$", span)}),
)
def test_addresses_exist(method, path):
    """Each `POST /path` of the page is in the document, with that method."""
    assert method.lower() in PATHS[path.replace("…", MODEL).partition("?")[0]]
