"""A case of the contract: one call, what a real TensorFlow Serving answers to it, and how that is
known."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message

from tests.contract.server import Reply, Server
from vitrine_client.tfserving.ttrpc import MOST_BYTES

Text = str | re.Pattern[str]
"""A text to be met exactly, or a pattern to be found in it."""

Check = Callable[[Any], None]
"""Asserts what it wants of a response message, or of a JSON value."""


@dataclass(frozen=True)
class Grpc:
    """A call of a gRPC method: its name, and the request; a function of the models' directory
    makes it where it names paths. `options` are gRPC's own, such as a time-out."""

    method: str
    request: Message | Callable[[Path], Message]
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_large(self) -> bool:
        """Whether the request is more than ttrpc takes."""
        request = self.request
        return isinstance(request, Message) and len(request.SerializeToString()) > MOST_BYTES

    def ask(self, server: Server) -> Any:
        """Calls the method, and returns the response. Raises `grpc.RpcError`."""
        return server.call(self.method, self._made(server), **self.options)

    def _made(self, server: Server) -> Message:
        request = self.request
        return request if isinstance(request, Message) else request(server.models)


class FirstOf(Grpc):
    """A call that is answered with a stream; its answer is the first message of it, as bytes."""

    def ask(self, server: Server) -> bytes:
        """Reads the first message, and leaves the stream."""
        return server.first(self.method, self._made(server))


class MetadataOf(Grpc):
    """A call whose answer is metadata: the names of what comes before the response and after it."""

    def ask(self, server: Server) -> list[str]:
        """Calls the method, and returns the names."""
        return server.metadata(self.method, self._made(server))


@dataclass(frozen=True)
class Rest:
    """An HTTP request; what is not bytes is sent as JSON."""

    method: str
    path: str
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def content(self) -> bytes | None:
        """Returns the body as bytes; NaN and Infinity are written as Python writes them."""
        if self.body is None or isinstance(self.body, bytes):
            return self.body
        return json.dumps(self.body).encode()


@dataclass(frozen=True)
class Wire:
    """Bytes that are sent as they are, on a connection of their own; `earlier` are the answers
    before that of the case, where more than one comes back."""

    sent: bytes
    earlier: tuple["Answer", ...] = ()


@dataclass(frozen=True)
class Fails:
    """An error: gRPC's code (or those that are both right), or the HTTP status; and its text."""

    code: grpc.StatusCode | tuple[grpc.StatusCode, ...] | int
    text: Text

    def check_text(self, text: str) -> None:
        if isinstance(self.text, str):
            assert text == self.text, f"{text!r} is not {self.text!r}"
        else:
            assert self.text.search(text), f"{self.text.pattern!r} is not in {text!r}"


@dataclass(frozen=True)
class Raw:
    """A success over REST, by the text of its body."""

    text: Text


@dataclass(frozen=True)
class Status:
    """Any body at all, with this HTTP status."""

    code: int


@dataclass(frozen=True)
class Page:
    """An answer that is no JSON of the API's: its status line, its body (to the byte, or what a
    check wants of it), and headers that it has; None for one that it must not have."""

    status: str
    body: bytes | Check
    headers: Mapping[str, str | None]

    def check(self, reply: Reply) -> None:
        assert f"{reply.status} {reply.reason}" == self.status, reply.body
        for name, value in self.headers.items():
            assert reply.headers.get(name) == value, f"{name}: {reply.headers}"
        if isinstance(self.body, bytes):
            assert reply.body == self.body
        else:
            self.body(reply.body.decode())


Answer = Message | Check | Fails | Raw | Status | Page | dict[str, Any]
"""What is to come back: a message to the byte, a JSON value, or one of the above."""


@dataclass(frozen=True)
class Case:
    """`before` puts the server that may be changed into the state that the case is about; a case
    without it is for the server that stays as it is. `source` says which real behaviour this
    pins, and where it is documented, programmed or was seen."""

    name: str
    call: Grpc | Rest | Wire
    answer: Answer
    source: str
    before: Callable[[Server], None] | None = None

    @property
    def transport(self) -> str:
        return "grpc" if isinstance(self.call, Grpc) else "rest"

    @property
    def is_local(self) -> bool:
        """Whether a local socket has that call, too."""
        return (
            type(self.call) is Grpc
            and not self.call.options
            and not self.call.is_large
            and not (self.before and self.call.method.startswith("/grpc.health."))
        )

    def run(self, server: Server) -> None:
        """Calls `server`, and asserts that its answer is the real one."""
        if self.before:
            self.before(server)
        call = self.call
        if isinstance(call, Rest):
            reply = server.http(call.method, call.path, call.content(), call.headers)
            _check_reply(self.answer, reply)
        elif isinstance(call, Wire):
            answers = (*call.earlier, self.answer)
            replies = server.replies(call.sent) if call.earlier else [server.reply(call.sent)]
            assert len(replies) == len(answers), replies
            for answer, reply in zip(answers, replies, strict=True):
                _check_reply(answer, reply)
        else:
            _check_message(self.answer, lambda: call.ask(server))


def contains(part: Any) -> Check:
    """Makes a check for a JSON value that has at least these members, to any depth."""

    def check(value: Any, wanted: Any = part) -> None:
        if isinstance(wanted, dict):
            assert isinstance(value, dict), value
            assert wanted.keys() <= value.keys(), f"{sorted(wanted)} are not in {sorted(value)}"
            for name, member in wanted.items():
                check(value[name], member)
        else:
            assert value == wanted

    return check


def found(pattern: str) -> re.Pattern[str]:
    """A pattern, whose dot is also a line end: TensorFlow's texts go over several lines."""
    return re.compile(pattern, re.DOTALL)


def starts_with(text: str) -> re.Pattern[str]:
    """A pattern for a text that begins so."""
    return re.compile(rf"\A{re.escape(text)}")


def _check_message(answer: Answer, call: Callable[[], Message]) -> None:
    if isinstance(answer, Fails):
        with pytest.raises(grpc.RpcError) as caught:
            call()
        error = caught.value
        codes = answer.code if isinstance(answer.code, tuple) else (answer.code,)
        assert error.code() in codes, f"{error.code()}: {error.details()}"
        answer.check_text(error.details())
        return
    response = call()
    if isinstance(answer, Message):
        # The bytes say more than `==`: they are the same for a NaN, too.
        wanted = answer.SerializeToString(deterministic=True)
        assert response.SerializeToString(deterministic=True) == wanted, (
            f"answered\n{response}\ninstead of\n{answer}"
        )
    else:
        answer(response)


def _check_reply(answer: Answer, reply: Reply) -> None:
    said = f"{reply.status}: {reply.body!r}"
    if isinstance(answer, Page):
        answer.check(reply)
        return
    if isinstance(answer, Status):
        assert reply.status == answer.code, said
        return
    # http_rest_api_handler.cc AddHeaders: whatever the answer is.
    assert reply.content_type.startswith("application/json"), reply.content_type
    if isinstance(answer, Fails):
        assert reply.status == answer.code, said
        error = json.loads(_text(reply.body))
        assert error.keys() == {"error"}
        answer.check_text(error["error"])
        return
    assert reply.status == 200, said
    if isinstance(answer, Raw):
        Fails(200, answer.text).check_text(_text(reply.body))
    elif isinstance(answer, dict):
        # As text: 2 is not 2.0, and NaN is NaN.
        assert _canonical(json.loads(reply.body)) == _canonical(answer)
    else:
        answer(json.loads(reply.body))


def _text(body: bytes) -> str:
    """Returns a body as text; bytes that are no UTF-8 are surrogates."""
    return body.decode(errors="surrogateescape")


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
