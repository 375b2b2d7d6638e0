"""The Python examples of the docs run against the real service, and print what they say."""

import contextlib
import io
import re

import pytest

from harness.paths import ROOT
from harness.service import Service
from tests.docs.pages import OFFICIAL_CLIENT, PAGES, fences

BLOCKS = [
    pytest.param(content, id=f"{page}-{number}")
    for page, text in PAGES.items()
    for number, (language, content) in enumerate(fences(text))
    if language == "python" and "127.0.0.1" in content and OFFICIAL_CLIENT not in content
]


@pytest.mark.parametrize("block", BLOCKS)
def test_examples_run(service: Service, monkeypatch: pytest.MonkeyPatch, block: str):
    """Each block by itself, from the root of the repository; the comment behind a `print` is how
    what it prints begins."""
    monkeypatch.chdir(ROOT)
    here = block.replace("http://127.0.0.1:8080", service.url)
    here = here.replace("127.0.0.1:8500", service.grpc_address)
    assert here != block, "it asks somebody else"
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(here, "example", "exec"), {"__name__": "__main__"})  # noqa: S102 - our own
    lines = printed.getvalue().splitlines()
    for expected in re.findall(r"^\s*print\(.*\)  # (.*)$", block, re.MULTILINE):
        assert any(line.startswith(expected) for line in lines), (expected, lines)


def test_there_are_examples():
    """The page of the client has one of each kind."""
    text = PAGES["docs/client.md"]
    for name in ("Client(", "AsyncClient(", "ModelServerClient("):
        assert name in text
    assert len(BLOCKS) > 5
