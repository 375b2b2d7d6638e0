"""OpenAPI document: its file is what `make docs` would write now."""

import json
from typing import Any

import pytest

from tests.docs import openapi
from tests.docs.openapi_examples import Examples, examples

DOCUMENT = json.loads(openapi.FILE.read_text())
STALE = "run `make docs`"


def without_examples(part: Any) -> Any:
    if isinstance(part, list):
        return [without_examples(each) for each in part]
    if not isinstance(part, dict):
        return part
    return {
        name: without_examples(each)
        for name, each in part.items()
        if name not in ("example", "examples")
    }


def test_the_file_is_made_of_the_others():
    """Operations and components are those of the YAML files, at the addresses of the routes."""
    assert without_examples(DOCUMENT) == without_examples(openapi.made(Examples())), STALE


@pytest.mark.slow
def test_examples_are_what_the_gateway_answers():
    """All of them, asked again, with the texts of errors to the letter."""
    assert openapi.alike(DOCUMENT, openapi.made(examples())), STALE


def test_what_is_not_alike():
    """Other words, other names and other numbers are seen; another time or rounding is not."""
    told = {"since": "2026-01-02T03:04:05+00:00", "shares": [0.25, None], "reason": "25 images"}
    later = {"since": "2026-01-02T03:04:06+00:00", "shares": [0.2501, None], "reason": "25 images"}
    assert openapi.alike(told, later)
    for name, other in (("shares", [0.5, None]), ("shares", [0.25]), ("reason", "26 images")):
        assert not openapi.alike(told, told | {name: other})
    assert not openapi.alike(told, told | {"more": 1})
