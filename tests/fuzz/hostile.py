"""Hostile requests: random pictures, arrays, JSON, forms and heads, each of a seed and a number.

What is made is what a program makes that means harm and has no particular fault in mind.
"""

import gzip
import io
import json
import random
from collections.abc import Callable
from dataclasses import dataclass, replace

from PIL import Image

from tests.fuzz.good_bodies import PREDICT, Body
from tests.fuzz.mutations import bodies, mutated
from tests.serving.forms import FORM, form, part

LONGEST_SIDE, LONGEST_IN_FORMS = 3000, 100
_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
_MODES = ("1", "L", "P", "LA", "RGB", "RGBA", "CMYK", "I;16", "I", "F")
_PATHS = (PREDICT, f"{PREDICT}?top_k=3", "/v1/models/clothes:explain", "/v1/instances")


@dataclass(frozen=True)
class Hostile:
    """Request as it travels. One that is `whole` has to be answered; others may wait for more."""

    kind: str
    raw: bytes
    whole: bool = True


def hostile(seed: int, number: int) -> Hostile:
    """Returns the request of that number, always the same for a seed."""
    chance = random.Random(f"{seed}/{number}")
    kind = chance.choice(list(_KINDS))
    if kind == "head":
        return _head(chance)
    body = _KINDS[kind](chance)
    if chance.random() < 0.15:
        packed = gzip.compress(body.content, 1, mtime=0)
        packed = packed if chance.random() < 0.7 else mutated(chance, packed)
        body = replace(body, content=packed, encoding="gzip")
    return Hostile(kind, _request(body))


def _request(body: Body) -> bytes:
    fields = {"Host": "fuzz", "Content-Type": body.content_type, "Connection": "close"}
    fields |= {"Content-Length": str(len(body.content)), "Content-Encoding": body.encoding}
    lines = [f"POST {body.path} HTTP/1.1", *(f"{k}: {v}" for k, v in fields.items() if v), "", ""]
    return "\r\n".join(lines).encode("latin-1") + body.content


def _size(chance: random.Random, most: int) -> int:
    """Mostly small."""
    return int(most ** chance.random())


def _picture(chance: random.Random, longest: int = LONGEST_SIDE) -> bytes:
    """One that Pillow writes: any mode, one frame or many, as it is or damaged."""
    size = _size(chance, longest), _size(chance, longest)
    pixels = Image.frombytes("RGB", (8, 8), chance.randbytes(192)).resize(size)
    kind, buffer = chance.choice(_FORMATS), io.BytesIO()
    frames = 1 if chance.random() < 0.8 or size[0] * size[1] > 1e6 else _size(chance, 60)
    try:
        image = pixels.convert(chance.choice(_MODES))
        others = [image.rotate(90 * n) for n in range(1, frames)]
        options = {"save_all": True, "append_images": others} if others else {}
        image.save(buffer, kind, **options)
    except (OSError, ValueError, KeyError):  # a format has not every mode
        pixels.save(buffer, "PNG")
    content = buffer.getvalue()
    for _ in range(chance.choice((0, 0, 1, 1, 2))):
        content = mutated(chance, content)
    return content


def _a_picture(chance: random.Random) -> Body:
    kind = chance.choice(("image/png", "image/jpeg", "image/webp", "application/octet-stream"))
    return Body(chance.choice(_PATHS), kind, _picture(chance))


def _a_form(chance: random.Random) -> Body:
    names = ("image", "image", "image", "", "other", "i" * 2000, "\xff")
    parts = [
        part(_picture(chance, LONGEST_IN_FORMS), name=chance.choice(names))
        for _ in range(_size(chance, 40))
    ]
    content = form(*parts) if parts else b""
    return Body(PREDICT, FORM, mutated(chance, content) if chance.random() < 0.3 else content)


def _an_array(chance: random.Random) -> Body:
    """A header of .npy that says anything, and bytes that may be what it says."""
    sizes = ("0", "1", "3", "28", "-1", "True", "2.5", "10**9", "999999999999", "None", "'28'")
    shape = ", ".join(chance.choice(sizes) for _ in range(chance.randint(0, 5)))
    shape = chance.choice((f"({shape})", f"({shape},)", "(1, 28, 28)", "(3, 28, 28)", f"[{shape}]"))
    kinds = ("'|u1'", "'<f8'", "'<f4'", "'>i8'", "'|O'", "'<U9'", "'<c16'", "'|b1'", "'M8[s]'")
    order = chance.choice(("False", "True", "1", "None"))
    text = f"{{'descr': {chance.choice(kinds)}, 'fortran_order': {order}, 'shape': {shape}, }}\n"
    header = text.encode() if chance.random() < 0.8 else mutated(chance, text.encode())
    length = chance.choice((len(header), len(header), len(header), chance.randrange(65536)))
    start = b"\x93NUMPY" + bytes((chance.choice((1, 1, 1, 2, 3, 9)), 0))
    pixels = bytes(chance.choice((0, 784, 2352, 6272, 100_000)))
    return Body(
        PREDICT, "application/x-npy", start + length.to_bytes(2, "little") + header + pixels
    )


def _value(chance: random.Random, depth: int) -> object:
    leaves = (0, -1, 0.5, 1e308, 10**30, True, None, "", "b64", "x" * 500, {"b64": "AAEC"}, "\0")
    if depth <= 0 or chance.random() < 0.3:
        return chance.choice(leaves)
    if chance.random() < 0.7:
        return [_value(chance, depth - 1) for _ in range(_size(chance, 20))]
    return {chance.choice(("b64", "images", "a")): _value(chance, depth - 1)}


def _json(chance: random.Random) -> Body:
    """Any shape under the names that count."""
    names = ("instances", "inputs", "examples", "signature_name", "parameters")
    signatures = ("serve_bytes", "describe", "explain", "float32", "string", "gone", "")
    content = {chance.choice(names): _value(chance, chance.randint(0, 5)) for _ in range(3)}
    if chance.random() < 0.5:
        content["signature_name"] = chance.choice(signatures)
    if chance.random() < 0.3:
        rows = [[[0.5] * 28] * 28] * _size(chance, 60)
        content["instances"] = rows if chance.random() < 0.7 else [*rows, _value(chance, 3)]
    text = json.dumps(content).encode()
    if chance.random() < 0.2:
        deep = _size(chance, 20_000)
        text = b'{"instances": ' + b"[" * deep + b"]" * deep + b"}"
    model, verb = chance.choice(("clothes", "echo")), chance.choice(("predict", "classify"))
    kept = text if chance.random() < 0.8 else mutated(chance, text)
    return Body(f"/v1/models/{model}:{verb}", "application/json", kept)


def _nearly_right(chance: random.Random) -> Body:
    body = next(bodies(chance.getrandbits(32), 1))
    is_text = all(" " <= c <= "\xff" for c in body.content_type + body.encoding + body.path)
    return body if is_text else replace(body, content_type="", encoding="")


def _head(chance: random.Random) -> Hostile:
    """A request line and headers of all sorts, and bodies in chunks."""
    method = chance.choice(("POST", "POST", "GET", "HEAD", "OPTIONS", "PUT", "post", "X" * 50))
    paths = (PREDICT, "/", "/healthz", "*", "//", "/%00", "/" + "a" * 3000, "http://x/healthz")
    version = chance.choice(("HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/1.9"))
    fields = [b"Host: fuzz"] if chance.random() < 0.9 else []
    choices = (
        *(b"Content-Type: image/png", b"Content-Length: 5", b"Content-Length: -1", b"X: \xff"),
        *(b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip, chunked", b"Expect: odd"),
        *(b"Content-Encoding: gzip", b"Connection: close", b"X-Request-Id: " + b"r" * 300),
        *(b"traceparent: 00-zz", b"Accept: " + b"a/b," * 200, b"Range: bytes=9-1", b"Te: x"),
    )
    fields += [chance.choice(choices) for _ in range(_size(chance, 40))]
    line = f"{method} {chance.choice(paths)} {version}".encode()
    head = b"\r\n".join([line, *fields, b"", b""])
    pieces = [chance.randbytes(_size(chance, 3000)) for _ in range(chance.randint(0, 5))]
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    content = chance.choice((b"", b"12345", chunks + b"0\r\n\r\n", chunks))
    raw = head + content
    return Hostile("head", raw if chance.random() < 0.7 else mutated(chance, raw), whole=False)


_KINDS: dict[str, Callable[[random.Random], Body]] = {
    "picture": _a_picture,
    "form": _a_form,
    "array": _an_array,
    "JSON": _json,
    "nearly right": _nearly_right,
    "head": _nearly_right,
}
