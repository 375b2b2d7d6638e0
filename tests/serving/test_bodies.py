"""What the gateway makes of bodies: pictures, forms, gzip; and what it refuses before any work."""

import gzip
import tracemalloc
import zlib

import numpy as np
import pytest
import requests

from tests.serving.forms import BOUNDARY, FORM, form, part
from vitrine_client.errors import InvalidRequest, PayloadTooLarge, UnsupportedMediaType
from vitrine_serving.gateway.api.bodies import read_pictures
from vitrine_serving.gateway.api.forms import plain_pictures
from vitrine_serving.gateway.http.compression import inflate

NEAR_LINE = "content-disposition: FORM-DATA; filename=x; name=image"


def pictures(body: bytes, content_type: str = FORM, max_images: int = 4) -> list[bytes]:
    return list(read_pictures(content_type, body, max_images=max_images))


@pytest.mark.parametrize(
    "content_type", ["image/png", "IMAGE/JPEG; q=1", "image/svg+xml", "application/octet-stream"]
)
def test_a_picture_is_the_body(content_type):
    """A single picture is passed on as it came, without a copy."""
    body = b"\x89PNG and so on"
    (picture,) = pictures(body, content_type)
    assert picture is body


PARTS = {
    "several": (form(b"one", b"two", b"three"), [b"one", b"two", b"three"]),
    "empty": (form(b""), [b""]),
    "other fields": (form(part(b"x", name="note"), b"one", part(b"y", name="images")), [b"one"]),
    "line breaks inside": (form(b"\r\n--\r\n\n", b"\r\n\r\n"), [b"\r\n--\r\n\n", b"\r\n\r\n"]),
    "boundary within a line": (form(b"a--" + BOUNDARY + b"--"), [b"a--" + BOUNDARY + b"--"]),
    "preamble": (b"Hello.\r\n" + form(b"one"), [b"one"]),
    "epilogue": (form(b"one") + b"\r\nBye.\r\n" + form(b"two"), [b"one"]),
    "any case, any order, no quotes": (form(part(b"one", head=NEAR_LINE.encode())), [b"one"]),
    "name of a file in another charset": (form(part(b"one", filename=b"\xe9.png")), [b"one"]),
}


@pytest.mark.parametrize(("body", "expected"), PARTS.values(), ids=PARTS)
def test_forms(body, expected):
    """The parts named `image` come in order, to the byte."""
    assert pictures(body) == expected


def test_boundaries_may_be_quoted():
    """RFC 2046 quotes boundaries with spaces and the like."""
    body = form(b"one", boundary=b"a b:c")
    assert pictures(body, 'multipart/form-data; charset=utf-8; boundary="a b:c"') == [b"one"]


def test_forms_as_clients_write_them_need_no_parser():
    """Of `requests`, and as curl, browsers and httpx write them."""
    files = [("image", (f"shoe ({n}).png", b"\x89PNG", "image/png")) for n in range(3)]
    sent = requests.Request("POST", "http://localhost", files=files).prepare()
    boundary = sent.headers["Content-Type"].partition("boundary=")[2].encode()
    assert plain_pictures(boundary, sent.body, 3) == [b"\x89PNG"] * 3
    assert plain_pictures(boundary, sent.body, 2) is None
    assert plain_pictures(BOUNDARY, form(b"one", b"two"), 3) == [b"one", b"two"]
    assert plain_pictures(BOUNDARY, form(b"one" * 100_000), 3) is None


BROKEN_FORMS = {
    "nothing": b"",
    "no boundary": b"one",
    "another boundary": form(b"one", boundary=b"other"),
    "no end": form(b"one").removesuffix(b"--\r\n"),
    "cut in a part": form(b"one", b"two")[:-40],
    "cut in a header": form(b"one")[:60],
    "bare line feeds": form(b"one").replace(b"\r\n", b"\n"),
    "text after a boundary": form(b"one").replace(BOUNDARY, BOUNDARY + b"x", 1),
    "no disposition": form(part(b"one", head=b"Content-Type: image/png")),
    "no form-data": form(part(b"one", head=b'Content-Disposition: attachment; name="image"')),
    "no name": form(part(b"one", head=b"Content-Disposition: form-data")),
    "folded header": form(part(b"one", head=b"Content-Disposition: form-data;\r\n name=image")),
    "no colon": form(part(b"one", head=b"Content-Disposition")),
    "length that lies": form(part(b"one", filename=b'x"\r\nContent-Length: 9\r\nX: "')),
}


@pytest.mark.parametrize("body", BROKEN_FORMS.values(), ids=BROKEN_FORMS)
def test_broken_forms_are_refused(body):
    """A form that is not whole is not half read; the answer says how to send one."""
    with pytest.raises(InvalidRequest, match="curl -F"):
        pictures(body)


@pytest.mark.parametrize("content_type", ["multipart/form-data", "multipart/form-data; boundary="])
def test_a_form_without_boundary(content_type):
    """A content type set by hand lacks the boundary; the answer says so."""
    with pytest.raises(InvalidRequest, match="no boundary"):
        pictures(form(b"one"), content_type)


def test_a_form_without_images():
    """A form that names its files otherwise is told the name."""
    with pytest.raises(InvalidRequest, match="named `image`"):
        pictures(form(part(b"one", name="file")))


@pytest.mark.parametrize(
    ("body", "hint"),
    [
        (form(*[b"x"] * 5), "at most 4"),
        (form(*[part(b"x", name="note")] * 13), "fewer"),
        (form(part(b"one", filename=b"x" * 2000)), "shorter"),
        (form(part(b"one", head=b"\r\n".join(b"X-%d: x" % n for n in range(9)))), "fewer"),
    ],
    ids=["images", "fields", "long header", "many headers"],
)
def test_forms_have_limits(body, hint):
    """As many images as are allowed pass, and nothing else grows without end."""
    assert len(pictures(form(*[b"x"] * 4))) == 4
    with pytest.raises(PayloadTooLarge, match=hint):
        pictures(body)


@pytest.mark.parametrize(
    "content_type", ["", "text/html", "application/pdf", "imagepng", "multipart/mixed"]
)
def test_other_content_types(content_type):
    """The answer to a wrong content type shows the right ones."""
    with pytest.raises(
        UnsupportedMediaType, match=r"image/png.*-F image=.*x-npy.*application/json"
    ):
        pictures(b"x", content_type)


@pytest.mark.parametrize("body", [b"", b"x", bytes(1000), np.random.default_rng(1).bytes(1000)])
def test_gzip(body):
    """What was compressed comes back, up to the limit."""
    assert inflate(gzip.compress(body), 1000) == body


def test_an_empty_body_needs_no_gzip():
    """Nothing stays nothing."""
    assert inflate(b"", 10) == b""


GZIP = gzip.compress(bytes(range(250)))
BAD_GZIP = {
    "no gzip": (b"hello", "broken"),
    "zlib": (zlib.compress(b"hello"), "broken"),
    "truncated": (GZIP[:-1], "truncated"),
    "cut short": (GZIP[:40], "truncated"),
    "header alone": (GZIP[:10], "truncated"),
    "followed by something": (GZIP + b"\xff\0\0\0", "followed"),
    "two of them": (GZIP + GZIP, "followed"),
    "checksum": (GZIP[:-8] + b"\0\0\0\0" + GZIP[-4:], "broken"),
    "length too low": (GZIP[:-4] + b"\1\0\0\0", "longer"),
    "length too high": (GZIP[:-4] + b"\xff\0\0\0", "broken"),
}


@pytest.mark.parametrize(("body", "hint"), BAD_GZIP.values(), ids=BAD_GZIP)
def test_bad_gzip_is_refused(body, hint):
    """gzip that is not whole is no body, and the answer says what is wrong with it."""
    with pytest.raises(InvalidRequest, match=hint):
        inflate(body, 2**20)


@pytest.mark.parametrize("lies", [False, True], ids=["honest", "lying"])
def test_bombs_are_not_inflated(lies):
    """Neither a gzip that says that it is large, nor one that hides it, is unpacked."""
    bomb = gzip.compress(bytes(64 * 2**20), 1)
    if lies:
        bomb = bomb[:-4] + b"\x10\0\0\0"
    tracemalloc.start()
    with pytest.raises(InvalidRequest if lies else PayloadTooLarge):
        inflate(bomb, 2**20)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < len(bomb) + 2**16


def test_gzip_above_the_limit():
    """A byte more than is allowed is too large; as much as is allowed is not."""
    assert inflate(gzip.compress(bytes(1000)), 1000) == bytes(1000)
    with pytest.raises(PayloadTooLarge, match="1001 bytes, more than 1000"):
        inflate(gzip.compress(bytes(1001)), 1000)
