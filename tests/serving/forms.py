"""Forms as browsers send them, and as they should not."""

BOUNDARY = b"----WebKitFormBoundary7MA4YWxkTrZu0gW"
FORM = f"multipart/form-data; boundary={BOUNDARY.decode()}"


def part(
    content: bytes, *, name: str = "image", filename: bytes = b"x.png", head: bytes = b""
) -> bytes:
    """Returns headers, an empty line and the content; `head` takes the place of the headers."""
    plain = b'Content-Disposition: form-data; name="%s"; filename="%s"' % (name.encode(), filename)
    return (head or plain + b"\r\nContent-Type: image/png") + b"\r\n\r\n" + content


def form(*parts: bytes, boundary: bytes = BOUNDARY) -> bytes:
    """Returns a form of parts; one without headers becomes a file named `image`."""
    whole = [
        each if each[:8].lower() == b"content-" or each[:2] == b"X-" else part(each)
        for each in parts
    ]
    between = b"--" + boundary + b"\r\n"
    return b"".join(between + each + b"\r\n" for each in whole) + between[:-2] + b"--\r\n"
