"""Bodies that are nearly right: good ones, broken in the ways that break parsers."""

import gzip
import random
from collections.abc import Iterator
from dataclasses import replace

from tests.fuzz.good_bodies import PREDICT, Body, good_bodies
from tests.serving.forms import BOUNDARY, FORM


def bodies(seed: int, count: int) -> Iterator[Body]:
    """Yields `count` bodies, the same for the same seed: a few good, the others mutated."""
    chance = random.Random(seed)
    good = good_bodies()
    for _ in range(count):
        body = chance.choice(good)
        for _ in range(chance.choice((0, 1, 1, 1, 1, 1, 1, 2, 3, 4))):
            body = _mutated(chance, body, good)
        if chance.random() < 0.1:
            body = _compressed(chance, body)
        yield body


def _mutated(chance: random.Random, body: Body, good: list[Body]) -> Body:
    if chance.random() < 0.08:
        return _redirected(chance, body, good)
    if chance.random() < 0.25:
        return replace(body, content=tricked(chance, body.content))
    mutate = chance.choice(_MUTATIONS)
    return replace(body, content=mutate(chance, body.content, chance.choice(good).content))


def mutated(chance: random.Random, content: bytes) -> bytes:
    """Returns content that is broken in one way."""
    return chance.choice(_MUTATIONS)(chance, content, content)


def _some(chance: random.Random) -> int:
    return int(2 ** chance.uniform(0, 12))


def _flipped(chance: random.Random, content: bytes, _: bytes) -> bytes:
    changed = bytearray(content)
    for _ in range(min(_some(chance), 64) if changed else 0):
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def _truncated(chance: random.Random, content: bytes, _: bytes) -> bytes:
    return content[: chance.randint(0, len(content))]


def _cut(chance: random.Random, content: bytes, _: bytes) -> bytes:
    at = chance.randint(0, len(content))
    return content[:at] + content[at + _some(chance) :]


def _spliced(chance: random.Random, content: bytes, other: bytes) -> bytes:
    return content[: chance.randint(0, len(content))] + other[chance.randint(0, len(other)) :]


def _repeated(chance: random.Random, content: bytes, _: bytes) -> bytes:
    at = chance.randint(0, len(content))
    return content[:at] + content[at : at + _some(chance)] * chance.randint(2, 9) + content[at:]


def _lying(chance: random.Random, content: bytes, _: bytes) -> bytes:
    """A length, a count or an offset that is not so."""
    at, size = chance.randint(0, len(content)), chance.choice((1, 2, 4, 8))
    lie = chance.choice((0, 1, 65535, 2 ** (8 * size - 1), 2 ** (8 * size) - 1)) % 256**size
    written = lie.to_bytes(size, chance.choice(("big", "little")))
    return content[:at] + written + content[at + size :]


def _garbled(chance: random.Random, content: bytes, _: bytes) -> bytes:
    at = chance.randint(0, len(content))
    return content[:at] + chance.randbytes(_some(chance)) + content[at:]


def _garbled_header(chance: random.Random, content: bytes, _: bytes) -> bytes:
    at, size = chance.randrange(64), chance.randint(1, 16)
    return content[:at] + chance.randbytes(size) + content[at + chance.randint(0, size) :]


_MUTATIONS = [*(_flipped, _truncated, _cut, _spliced, _repeated, _lying, _garbled, _garbled_header)]


_NUMBERS = (
    *("1e999", "-1e999", "1e-999", "NaN", "Infinity", "-Infinity", "9" * 400, "0." + "3" * 400),
    *("18446744073709551616", "-9223372036854775809", "1.0", "-0", "01", "0x1", "1e", "+1"),
)
_TOKENS = (
    *(
        "[",
        "]",
        "{",
        "}",
        ",",
        ":",
        '"',
        "null",
        "true",
        '""',
        "{}",
        "[]",
        '"\\ud800"',
        '"\\u0000"',
    ),
    *('{"b64": "%%%"}', '{"b64": 1}', '{"b64": ""}', '"instances":', '"inputs":', "\ufeff", "//"),
    *('"signature_name":', '"describe"', "[" * 2000, '{"a":' * 2000, "[[1],[2,3]]", "0," * 3000),
)


def tricked(chance: random.Random, content: bytes) -> bytes:
    """Returns content in which something that parsers look for is another thing."""
    if content[:1] == b"{":
        text = content.decode("latin-1")
        places = [n for n, c in enumerate(text) if c in '0123456789,[]{}:"']
        at = chance.choice(places or [0])
        token = chance.choice(_NUMBERS if text[at].isdigit() else _TOKENS)
        return (text[:at] + token + text[at + chance.randint(0, 1) :]).encode()
    tricks = [pair for pair in _FORM_TRICKS + _HEADER_TRICKS if pair[0] in content]
    if not tricks:
        return _garbled_header(chance, content, b"")
    return content.replace(*chance.choice(tricks), chance.choice((1, 2, -1)))


_LINE = b"--" + BOUNDARY
_FORM_TRICKS = (
    (b"\r\n", b"\n"),
    (b"\r\n", b"\r"),
    (b"\r\n\r\n", b"\r\n"),
    (b"\r\n", b"\r\n\r\n"),
    (_LINE, _LINE + b"--"),
    (_LINE, _LINE + b" "),
    (_LINE, b"-" + _LINE),
    (_LINE, _LINE[:-1]),
    (_LINE + b"--", b""),
    (_LINE + b"--", _LINE),
    (_LINE, _LINE + b"\r\n" + _LINE),
    (b"name=", b"name*=utf-8''"),
    (b'"image"', b"image"),
    (b'"image"', b'"image'),
    (b'"image"', b'"im\\"age"'),
    (b'"image"', b'"' + b"i" * 5000 + b'"'),
    (b"form-data;", b"form-data" + b";" * 900),
    (b"Content-Disposition", b"content-disposition"),
    (b"Content-Disposition", b"X: y\r\n" * 20 + b"Content-Disposition"),
    (b"Content-Type: image/png", b"Content-Length: 99999999999999999999"),
    (b"Content-Type: image/png", b"Content-Length: -1"),
    (b"Content-Type: image/png", b"Content-Transfer-Encoding: base64"),
    (b"Content-Type: image/png", b"Content-Type: multipart/form-data; boundary=" + BOUNDARY),
    (b"Content-Type: image/png", b"\x00\xff: \x00"),
)
_HEADER_TRICKS = (
    (b"\x93NUMPY\x01", b"\x93NUMPY\x02"),
    (b"(3, 28, 28)", b"(999999999999, 28, 28)"),
    (b"(3, 28, 28)", b"(-1, 28, 28)"),
    (b"(3, 28, 28)", b"(3, 28, 28L)"),
    (b"(3, 28, 28)", b"(True, 28, 84)"),
    (b"(3, 28, 28)", b"(((((((((("),
    (b"'|u1'", b"'|O'"),
    (b"'|u1'", b"'>i8'"),
    (b"'|u1'", b"[('x', 'u1', (9999999,))]"),
    (b"'<f8'", b"'<U99999999'"),
    (b"False", b"1//0"),
    (b"IHDR\x00\x00\x00", b"IHDR\x7f\xff\xff"),
    (b"IDAT", b"IEND"),
    (b"IHDR", b"acTL\x00\x00\xff\xff"),
    (b"GIF89a", b"GIF87a\xff\xff\xff\xff"),
    (b"\xff\xc0", b"\xff\xc2"),
    (b"\xff\xda", b"\xff\xe1\xff\xff"),
    (b"VP8 ", b"VP8X"),
    (b"WEBP", b"WEBPVP8X\x0a\x00\x00\x00\x02\x00\x00\x00\xff\xff\xff\xff\xff\xff"),
    (b"BM", b"BM\xff\xff\xff\xff"),
)


_CONTENT_TYPES = (
    *("", "text/plain", "application/x-www-form-urlencoded", "application/json; charset=utf-16"),
    *("multipart/form-data", "multipart/form-data; boundary=", 'multipart/form-data; boundary="'),
    *("multipart/form-data; boundary=" + "b" * 2000, "multipart/form-data; boundary=\xe9"),
    *("image/", "image/png; boundary=x", "IMAGE/PNG", "application/x-npy;v=1", ";;;", "\xff" * 50),
    f"{FORM}; boundary=other",
)
_PATHS = (
    *(PREDICT, "/v1/models/clothes:classify", "/v1/models/echo:regress", "/v1/models/gone:predict"),
    *("/v1/models/clothes/versions/9:predict", "/v1/models/clothes/labels/gone:predict"),
    *(f"/v1/models/clothes/versions/{'9' * 30}:predict", "/v1/models/%00%ff:predict"),
    *(
        f"{PREDICT}?top_k=0",
        f"{PREDICT}?top_k=&top_k=x",
        f"{PREDICT}?%ff",
        "/v1/models/a%2Fb:predict",
    ),
)


def _redirected(chance: random.Random, body: Body, good: list[Body]) -> Body:
    """Another content type, encoding or address than the content is for."""
    kind = chance.randrange(4)
    if kind == 0:
        return replace(body, content_type=chance.choice(good).content_type)
    if kind == 1:
        return replace(body, content_type=chance.choice(_CONTENT_TYPES))
    if kind == 2:
        return replace(body, encoding=chance.choice(("gzip", "br", "GZIP", "gzip, gzip", "\xff")))
    return replace(body, path=chance.choice(_PATHS))


def _compressed(chance: random.Random, body: Body) -> Body:
    content = gzip.compress(body.content, 1, mtime=0)
    packed = replace(body, content=content, encoding="gzip")
    if chance.random() < 0.5:
        return packed
    return replace(_mutated(chance, packed, [packed]), encoding="gzip")
