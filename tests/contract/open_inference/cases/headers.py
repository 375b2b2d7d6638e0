"""Rows of headers of HTTP: content types, compression, ways to send a body."""

import gzip
import zlib
from typing import Any

import grpc

from tests.contract.open_inference.answers import Says, predicted, refused
from tests.contract.open_inference.calls import (
    HEADER,
    Call,
    Http,
    Rpc,
    binary,
    body,
    get,
    images,
    infer,
    message,
    path_of,
    written,
)
from tests.contract.open_inference.cases.bodies import EMPTY
from tests.contract.open_inference.row import Row

REQUEST: Any = {"inputs": [images()]}
JSON = written(REQUEST) or b""
MANY = infer(images(40), only_http=True).http
GZIP = Rpc("ModelInfer", (message(REQUEST, "mlp"),), {"compression": grpc.Compression.Gzip})
CODING = "what is not known is refused, as a body that is not read would be misread"
BOTH = ("class_ids", "probabilities")


def _typed(value: str) -> Call:
    return body(REQUEST, content_type=value)


def _encoded(coding: str, content: bytes) -> Call:
    return body(content, content_encoding=coding)


def _many(accepted: str) -> Call:
    assert MANY is not None
    return Call(Http("POST", MANY.path, MANY.body, {"Accept-Encoding": accepted}))


def _by_hand(*headers: str, content: bytes = JSON) -> Call:
    lines = (f"POST {path_of('mlp')} HTTP/1.1", "Host: localhost", "Connection: close", *headers)
    head = "\r\n".join((*lines, "", "")).encode()
    return Call(Http("POST", "", sent=head + content))


def _chunked(content: bytes) -> bytes:
    parts = [content[start : start + 1000] for start in range(0, len(content), 1000)]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


def _compressed() -> Call:
    asked = binary(only_http=True).http
    assert asked is not None
    assert asked.body is not None
    named = {HEADER: asked.headers[HEADER], "Content-Encoding": "gzip"}
    return Call(Http("POST", asked.path, gzip.compress(asked.body), named))


def _any(value: Any) -> None:
    assert "extensions" in value


ROWS = [
    Row("B-ctnone", body(REQUEST), predicted()),
    Row("B-cttext", _typed("text/plain"), predicted()),
    Row("B-ctcs", _typed("application/json; charset=utf-8"), predicted()),
    Row("B-ctoct", _typed("application/octet-stream"), predicted()),
    Row("B-ctform", _typed("application/x-www-form-urlencoded"), predicted()),
    Row("B-ctbad", _typed("foo"), predicted()),
    Row("B-ctvnd", _typed("application/vnd.x+json"), predicted()),
    Row("B-acctext", body(REQUEST, accept="text/plain"), predicted()),
    Row("B-accoct", body(REQUEST, accept="application/octet-stream"), predicted()),
    Row("B-gzip", Call(_encoded("gzip", gzip.compress(JSON)).http, GZIP), predicted()),
    Row("B-deflate", _encoded("deflate", zlib.compress(JSON)), predicted()),
    Row("B-encbr", _encoded("br", JSON), refused(415, "br"), CODING),
    Row("B-encid", _encoded("identity", JSON), predicted()),
    Row("B-gzipbad", _encoded("gzip", JSON), refused(400, "gzip"), "what is no gzip is no request"),
    Row(
        "B-encmulti",
        _encoded("gzip, gzip", gzip.compress(gzip.compress(JSON))),
        refused(415),
        CODING,
    ),
    Row("B-agz", _many("gzip"), predicted(40, headers={"content-encoding": "gzip"})),
    Row("B-adef", _many("deflate"), predicted(40, headers={"content-encoding": "deflate"})),
    Row("B-abr", _many("br"), predicted(40, headers={"content-encoding": None})),
    Row("B-agzq", _many("gzip;q=0"), predicted(40, headers={"content-encoding": None})),
    Row("B-agzs", body(REQUEST, accept_encoding="gzip"), predicted()),
    Row("B-agzmeta", get("/v2", accept_encoding="gzip"), Says(_any)),
    Row("B-bingzip", _compressed(), predicted()),
    Row(
        "B-bingzout",
        binary(
            parameters={"binary_data_output": True},
            headers={"Accept-Encoding": "gzip"},
            only_http=True,
        ),
        predicted(binary=BOTH),
    ),
    Row(
        "B-chunk",
        _by_hand("Transfer-Encoding: chunked", content=_chunked(JSON)),
        predicted(),
    ),
    Row(
        "B-expect",
        _by_hand(f"Content-Length: {len(JSON)}", "Expect: 100-continue"),
        predicted(),
    ),
    Row("B-nolen", _by_hand(content=b""), refused(400), EMPTY),
]
