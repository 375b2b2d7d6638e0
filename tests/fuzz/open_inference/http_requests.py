"""HTTP requests of the Open Inference Protocol that are nearly right."""

import gzip
import json
import random
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from tests.contract.open_inference.calls import HEADER, Http
from tests.fuzz import mutations
from tests.fuzz.open_inference import json_trees
from tests.fuzz.open_inference.good_requests import http_requests

LONGEST_DEEP = 20_000


@dataclass(frozen=True)
class HttpRequest:
    """Request by its parts: `head` is its JSON and `rest` what follows that; `said` is the length
    of the JSON by the header, None where that is left out. One that is not `whole` waits for
    more, and may be left without an answer."""

    method: str
    path: str
    head: bytes = b""
    rest: bytes = b""
    said: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None
    length: int | None = None
    kind: str = field(default="good", compare=False)

    @property
    def content(self) -> bytes:
        """The body."""
        return self.head + self.rest if self.body is None else self.body

    @property
    def whole(self) -> bool:
        """Whether it has all bytes that it says it has."""
        return self.length is None or self.length <= len(self.content)

    @property
    def raw(self) -> bytes:
        """The request as it travels."""
        length = len(self.content) if self.length is None else self.length
        fields = [("Host", "fuzz"), ("Connection", "close"), ("Content-Length", str(length))]
        fields += [(HEADER, self.said)] if self.said is not None else []
        lines = [f"{name}: {value}" for name, value in (*fields, *self.headers)]
        first = f"{self.method} {self.path} HTTP/1.1"
        return "\r\n".join([first, *lines, "", ""]).encode("latin-1") + self.content


def http_request(chance: random.Random) -> HttpRequest:
    """Returns a good request that was changed, mostly once."""
    kind = chance.choice(list(_KINDS))
    request = replace(chance.choice(_good()), kind=kind)
    for _ in range(chance.choice((1, 1, 1, 1, 2, 3))):
        request = _KINDS[kind](chance, request)
    if kind != "coding" and chance.random() < 0.15:
        request = _KINDS[chance.choice(list(_KINDS))](chance, request)
    return request


def parts_of(asked: Http) -> HttpRequest:
    """Returns a request by its parts."""
    headers = dict(asked.headers)
    body, said = asked.body or b"", headers.pop(HEADER, None)
    size = len(body) if said is None else int(said)
    return HttpRequest(
        asked.method, asked.path, body[:size], body[size:], said, tuple(headers.items())
    )


@cache
def _good() -> list[HttpRequest]:
    return [parts_of(each) for each in http_requests()]


def _with(request: HttpRequest, head: bytes, rest: bytes) -> HttpRequest:
    said = request.said if request.said is None else str(len(head))
    return replace(request, head=head, rest=rest, said=said)


def _tree(chance: random.Random, request: HttpRequest) -> HttpRequest:
    """Another JSON."""
    try:
        tree = json.loads(request.head or b"{}")
    except (ValueError, RecursionError):  # it was changed before
        return _text(chance, request)
    return _with(request, _dumped(chance, json_trees.mutated(chance, tree)), request.rest)


def _dumped(chance: random.Random, tree: Any) -> bytes:
    text = json.dumps(tree, ensure_ascii=chance.random() < 0.5)
    return text.encode(errors="surrogatepass")


def _text(chance: random.Random, request: HttpRequest) -> HttpRequest:
    """What is hardly JSON any more."""
    head = request.head
    if chance.random() < 0.1:
        deep = int(LONGEST_DEEP ** chance.random())
        head = head.replace(b"[", b"[" * deep, 1) if chance.random() < 0.5 else b"[" * deep
    elif chance.random() < 0.1:
        head = chance.choice((b"\xef\xbb\xbf", b"\xff\xfe", b" ", b"\0", b"/**/")) + head
    else:
        change = mutations.tricked if chance.random() < 0.6 and head else mutations.mutated
        head = change(chance, head)
    return _with(request, head, request.rest)


def _binary(chance: random.Random, request: HttpRequest) -> HttpRequest:
    """Other bytes after the JSON, or another word on where they begin."""
    kind = chance.randrange(6)
    if kind == 0:
        size = len(request.head) + chance.choice(
            (-1, 1, 2, len(request.rest), chance.randrange(99))
        )
        return replace(request, said=str(size))
    if kind == 1:
        return replace(request, said=chance.choice(_LENGTHS))
    rest = request.rest
    if kind == 2:
        rest = rest[: chance.randint(0, len(rest))]
    elif kind == 3:
        rest += chance.randbytes(chance.choice((1, 3, 4, 8, 400)))
    elif kind == 4 and rest:
        lie = chance.choice((0, 1, 5, 2**31 - 1, 2**31, 2**32 - 1)).to_bytes(4, "little")
        at = chance.choice((0, 0, 4, chance.randrange(len(rest))))
        rest = rest[:at] + lie + rest[at + 4 :]
    else:
        rest = mutations.mutated(chance, rest)
    return replace(request, rest=rest)


_LENGTHS = ("", "0", "-1", "+5", "1.0", "0x10", "1 2", "9" * 30, "\xb2", "1,1", "00", "nan", " ")


def _headers(chance: random.Random, request: HttpRequest) -> HttpRequest:
    """Other headers."""
    if chance.random() < 0.1:
        return replace(request, length=max(0, len(request.content) + chance.choice((-9, -1, 1))))
    kept = list(request.headers) if chance.random() < 0.7 else []
    kept += [chance.choice(_HEADERS) for _ in range(chance.randint(1, 4))]
    return replace(request, headers=tuple(kept))


_HEADERS = (
    *(("Content-Type", kind) for kind in ("application/json", "text/plain", "", "a;b=\xff", "//")),
    *(("Accept", kind) for kind in ("text/html", "application/json;q=0", "*", "a/b," * 200)),
    *(("Accept-Encoding", kind) for kind in ("gzip", "deflate", "br", "gzip;q=x", "*;q=0", ";")),
    *(("Content-Encoding", kind) for kind in ("gzip", "deflate", "identity", "br", "x", "gzip,")),
    *((HEADER, length) for length in _LENGTHS),
    *(("X-Request-Id", text) for text in ("r" * 300, "\xff", "", "a b")),
    *(("traceparent", text) for text in ("00-zz", "", "00-" + "0" * 32 + "-" + "0" * 16 + "-01")),
    *(("Expect", "100-continue"), ("Expect", "odd"), ("Range", "bytes=9-1"), ("TE", "x")),
    *(("Authorization", "Bearer x"), ("Authorization", "\xff"), ("Cookie", "c" * 5000)),
    *(("X" * 200, "y"), ("bad name", "y"), ("triton-access-token", "t"), ("Host", "other")),
)


def _path(chance: random.Random, request: HttpRequest) -> HttpRequest:
    """Another address, or another method."""
    if chance.random() < 0.25:
        return replace(request, method=chance.choice(_METHODS))
    path = request.path
    kind = chance.randrange(4)
    if kind == 0:
        pieces = path.split("/")
        pieces[chance.randrange(1, len(pieces))] = chance.choice(_PIECES)
        return replace(request, path="/".join(pieces))
    if kind == 1:
        return replace(request, path=path + chance.choice(_ENDS))
    if kind == 2:
        version = f"/versions/{chance.choice(_PIECES)}/infer"
        return replace(request, path=path.replace("/infer", version))
    at = chance.randrange(1, len(path))
    return replace(request, path=path[:at] + chance.choice(_PIECES) + path[at:])


_METHODS = ("GET", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "post", "TRACE", "M" * 40)
_PIECES = (
    *("", ".", "..", "%2e%2e", "%00", "%ff", "%", "%zz", "a%2Fb", "gone", "stable", "1", "0", "01"),
    *("-1", "9" * 30, str(2**63), str(2**63 - 1), "\xe9", "%F0%9F%98%80", "a" * 3000, "*", "mlp"),
    *("infer", "ready", "stats", "config", "versions", "models", "+1", "1.0", "%31", "clothes"),
)
_ENDS = ("/", "//", "?", "?a=b&&=%ff", "#x", "?q=" + "q" * 2000, ":predict", "/infer", "%2Finfer")


def _coding(chance: random.Random, request: HttpRequest) -> HttpRequest:
    """A body that is compressed, or nearly so."""
    content = request.head + request.rest
    name = chance.choice(("gzip", "deflate"))
    if name == "gzip":
        packed = gzip.compress(content, 1, mtime=0)
    else:
        packed = zlib.compress(content) if chance.random() < 0.7 else zlib.compress(content)[2:-4]
    kind = chance.randrange(5)
    if kind == 0:
        packed = packed[: chance.randint(0, len(packed))]
    elif kind == 1:
        packed = mutations.mutated(chance, packed)
    elif kind == 2:
        packed += chance.choice((packed, b"\0", b"more", chance.randbytes(50)))
    elif kind == 3:
        name = chance.choice(("gzip", "deflate", "br", "GZIP", "gzip, gzip", "identity", "x"))
    headers = [each for each in request.headers if each[0] != "Content-Encoding"]
    return replace(request, body=packed, headers=(*headers, ("Content-Encoding", name)))


_KINDS: dict[str, Callable[[random.Random, HttpRequest], HttpRequest]] = {
    "tree": _tree,
    "text": _text,
    "binary": _binary,
    "headers": _headers,
    "path": _path,
    "coding": _coding,
}
