"""Both HTTP clients against answers that are too large, also once they are unpacked."""

import gzip
import json
import tracemalloc

import pytest

from tests.client.fake_gateway import KINDS, FakeGateway, Kind, Reply
from vitrine_client import errors

both = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)

MODELS = json.dumps({"models": []}).encode()
PACKED = {"Content-Encoding": "gzip"}


@both
@pytest.mark.parametrize("headers", [{}, PACKED], ids=["plain", "gzip"])
def test_the_limit_is_for_what_comes_out(kind: Kind, headers):
    """As many bytes as are allowed are read; one more is an error that names the limit, and is not
    asked for again. The client goes on."""
    content = gzip.compress(MODELS) if headers else MODELS
    most = len(MODELS)
    with FakeGateway(lambda _: Reply(content=content, headers=headers)) as gateway:
        assert kind.ask(gateway.url, "models", client={"max_answer_bytes": most}) == {}
        with pytest.raises(errors.ServerError, match=f"more than {most - 1:,} bytes.*batch_size"):
            kind.ask(gateway.url, "models", client={"max_answer_bytes": most - 1})
    assert len(gateway.asked) == 2


@both
def test_a_bomb_is_not_unpacked(kind: Kind):
    """150 kB that are 150 MB: no more is held than the default allows, and little beside it."""
    bomb = gzip.compress(bytes(150_000_000), 1)
    with FakeGateway(lambda _: Reply(content=bomb, headers=PACKED)) as gateway:
        tracemalloc.start()
        try:
            with pytest.raises(errors.ServerError, match="more than 33,554,432 bytes"):
                kind.ask(gateway.url, "models")
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert peak < 40_000_000


@both
@pytest.mark.parametrize("most", [0, -1, 1.5, "1", None])
def test_a_limit_that_is_none(kind: Kind, most):
    """It is refused before anybody is asked."""
    with pytest.raises(errors.InvalidArgument, match="max_answer_bytes is a whole number"):
        kind.ask("http://127.0.0.1:1", "models", client={"max_answer_bytes": most})
