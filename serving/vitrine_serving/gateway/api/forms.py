"""Forms (multipart/form-data, RFC 7578): the pictures in one, within limits of number and size.

Small forms of pictures alone, in parts as nearly everybody writes them, are taken apart by `split`;
`multipart` parses all others, and says what is wrong with them. It takes 10 us for each part.
"""

import re

from multipart import (
    MultipartError,
    MultipartSegment,
    ParserLimitReached,
    PushMultipartParser,
    parse_options_header,
)

from vitrine_client.errors import InvalidRequest, PayloadTooLarge

_OTHER_FIELDS = 8  # a form may have some besides its images
_MAX_HEADER_BYTES = 1024  # of a line in a form's part; long names of files fit

_SMALL_BYTES = 1 << 18
"""Of a body that is copied once more; in larger ones pictures take far longer than their parts."""

_MOST_OF_BOUNDARY = 70  # RFC 2046, section 5.1.1
_ENDS = (b"--", b"--\r\n")
_PLAIN_HEAD = re.compile(
    rb'\r\nContent-Disposition: form-data; name="image"; filename="[\w .,()+=@-]{0,200}"'
    rb"(?:\r\nContent-Type: [\w/.+-]{1,100})?",
    re.ASCII,
)


def read_form(content_type: str, body: bytes, max_images: int) -> list[bytes]:
    """Returns the content of each part `image`. Raises `InvalidRequest` for a form that is broken
    or has none, and `PayloadTooLarge` for one with more than `max_images`."""
    boundary = parse_options_header(content_type)[1].get("boundary", "")
    if not boundary:
        raise InvalidRequest(
            "The form's content type has no boundary; let your HTTP library make it, as "
            "`curl -F image=@shoe.png` does"
        )
    delimiter = boundary.encode(errors="replace")
    pictures = plain_pictures(delimiter, body, max_images)
    if pictures is not None:
        return pictures
    try:
        pictures = parsed_pictures(delimiter, body, max_images)
    except ParserLimitReached as error:
        raise PayloadTooLarge(
            f"The form has too much besides images ({error}); send fewer and shorter fields"
        ) from error
    except MultipartError as error:
        raise InvalidRequest(
            f"The form is broken ({error}); send it as `curl -F image=@shoe.png` does"
        ) from error
    if not pictures:
        raise InvalidRequest(
            "The form has no file named `image`; send one with `-F image=@shoe.png`"
        )
    return pictures


def plain_pictures(boundary: bytes, body: bytes, max_images: int) -> list[bytes] | None:
    """Returns the content of each part of a small form that has nothing but images, 1 to
    `max_images`, in parts as curl, browsers and HTTP libraries write them; None of all others."""
    if len(body) > _SMALL_BYTES or not 0 < len(boundary) <= _MOST_OF_BOUNDARY or b"\n" in boundary:
        return None
    begin = b"--" + boundary
    if not body.startswith(begin):
        return None
    *parts, end = body[len(begin) :].split(b"\r\n" + begin)
    if end not in _ENDS or not 0 < len(parts) <= max_images:
        return None
    pictures = []
    for part in parts:
        head, line_ends, content = part.partition(b"\r\n\r\n")
        if not line_ends or not _PLAIN_HEAD.fullmatch(head):
            return None
        pictures.append(content)
    return pictures


def parsed_pictures(boundary: bytes, body: bytes, max_images: int) -> list[bytes]:
    """Returns the content of each part `image`. Raises `MultipartError` for a broken form, and
    `PayloadTooLarge`."""
    pictures: list[bytes] = []
    inside = False
    parser = PushMultipartParser(
        boundary,
        max_header_size=_MAX_HEADER_BYTES,
        max_segment_count=max_images + _OTHER_FIELDS,
        header_charset="latin-1",  # takes any byte, and names of files are of no interest
        strict=True,
    )
    with parser:
        for event in parser.parse(body):
            if isinstance(event, MultipartSegment):
                inside = event.name == "image"
                if inside:
                    if len(pictures) == max_images:
                        raise too_many(f"More than {max_images}", max_images)
                    pictures.append(b"")
            elif inside and event:  # the content of a part comes in one piece, as the body did
                pictures[-1] = event
    return pictures


def too_many(count: str, max_images: int) -> PayloadTooLarge:
    """Returns the error for more images than a request may have, told their `count` in words."""
    return PayloadTooLarge(
        f"{count} images are too many for one request; send at most {max_images}, which is the "
        "gateway's VITRINE_MAX_IMAGES"
    )
