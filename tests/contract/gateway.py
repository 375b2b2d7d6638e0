"""A Vitrine gateway in front of a model server, to be held against it: the gateway's answers over
REST are the server's, to the byte."""

import json
from dataclasses import replace
from pathlib import Path

from harness import gateway as running_gateway
from harness.ports import free_port
from tests.contract.case import Case, Rest
from tests.contract.server import Reply, Server

ADDRESS = "what is no address is not found, and the text says what to ask instead"
METHOD = "the address is right, so that 405 says which methods it takes"
GRAMMAR = "one way to write an address is enough"
DEEP = "it has NumPy's 64 dimensions"
DTYPES = "its messages have NumPy's dtypes, and of those no complex ones"
_LISTS = "predict over REST: JSON, {} lists in one another, {}"
DIFFERS = {
    **{
        _LISTS.format(*lists): (400, DEEP)
        for lists in (
            *((200, "by row"), (65, "of float32"), (100, "of string")),
            *((254, "of int64"), (254, "of float64")),
        )
    },
    **{
        f"predict over REST: JSON, no values of {dtype}": (400, DTYPES)
        for dtype in ("bfloat16", "complex64", "complex128")
    },
    "predict over REST: JSON, a signature's name that is no UTF-8, of nope": (
        400,
        "no message takes such a name, so that nobody is asked",
    ),
    "GET: no model": (200, "lists the models"),
    "GET: METADATA in capitals is a status": (404, GRAMMAR),
    "path: capitals": (404, GRAMMAR),
    "path: a method in capitals": (404, ADDRESS),
    "path: a query": (200, "a query is for `top_k`, and nothing to JSON"),
    "path: GET of predict": (405, METHOD),
    "path: POST of a model": (405, METHOD),
    "path: DELETE": (405, METHOD),
    "path: unknown below /v1": (404, ADDRESS),
    "path: a method that is none": (404, ADDRESS),
    "path: a version that is no number": (404, ADDRESS),
    "path: a version and a label": (404, ADDRESS),
    "path: no model": (404, ADDRESS),
}
"""Cases whose answer is another one on purpose: its status, and why."""

JSON = {"Content-Type": "application/json"}
"""What is not said to be JSON, and does not look like it, is a picture to the gateway."""


def start(server: Server, log: Path) -> Server:
    """Starts a gateway that asks `server`; returns the two as one, REST by the gateway."""
    port = free_port()
    process = running_gateway.start(
        log, model_server=server.grpc_address, models="half_plus_two", port=port, workers=1
    )
    address = f"127.0.0.1:{port}"
    return replace(server, rest_address=address, process=process, log=log, _stubs=[])


def compare(case: Case, server: Server, gateway: Server) -> None:
    """Asks both, and asserts that the gateway answers as the server does, but for `DIFFERS`."""
    if case.before:
        case.before(server)
    wanted, reply = (_ask(case.call, one) for one in (server, gateway))
    said = f"{reply.status}: {reply.body!r}"
    if case.name in DIFFERS:
        assert reply.status == DIFFERS[case.name][0], said
        assert _outcome(reply) != _outcome(wanted), "it does not differ; take it out of DIFFERS"
        return
    assert reply.status == wanted.status, said
    if wanted.status == 200:
        assert reply.content_type == wanted.content_type
        assert reply.body == wanted.body
        return
    assert reply.content_type == "application/problem+json"
    assert _error(reply) == _error(wanted)


def _ask(call: object, server: Server) -> Reply:
    assert isinstance(call, Rest)
    return server.http(call.method, call.path, call.content(), JSON | dict(call.headers))


def _outcome(reply: Reply) -> object:
    return reply.body if reply.status == 200 else (reply.status, _error(reply))


def _error(reply: Reply) -> str:
    return str(json.loads(reply.body.decode(errors="replace"))["error"])
