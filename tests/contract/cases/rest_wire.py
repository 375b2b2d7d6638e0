"""Cases of HTTP, byte for byte: heads that a client's library would not send, and two requests at
once."""

from tests.contract.case import Answer, Case, Fails, Status, Wire
from tests.contract.cases.rest import HALF
from tests.contract.cases.status import available_json
from tests.contract.seen import SEEN

CLOSE = "Host: x\r\nConnection: close"
TWO = '{"instances": [2.0]}'


def _wire(name: str, sent: str, answer: Answer, source: str = SEEN, *earlier: Answer) -> Case:
    return Case(f"HTTP: {name}", Wire(sent.encode(), earlier), answer, source)


HEADS = [
    _wire(
        "POST without a length",
        f"POST {HALF}:predict HTTP/1.1\r\n{CLOSE}\r\n\r\n",
        Fails(400, "JSON Parse error: The document is empty"),
    ),
    _wire(
        "no Host",
        f"GET {HALF} HTTP/1.1\r\nConnection: close\r\n\r\n",
        available_json(2, 1),
    ),
    _wire(
        "two requests at once",
        f"GET {HALF}/versions/2 HTTP/1.1\r\nHost: x\r\n\r\n"
        f"GET {HALF}/versions/1 HTTP/1.1\r\n{CLOSE}\r\n\r\n",
        available_json(1),
        SEEN,
        available_json(2),
    ),
]

MALFORMED = [
    _wire(f"malformed, {name}", sent, Status(400), f"{SEEN}: a page of HTML, which is left open")
    for name, sent in (
        ("an address that is no ASCII", f"GET /v1/models/ä HTTP/1.1\r\n{CLOSE}\r\n\r\n"),
        ("a space in an address", f"GET /v1/models/half plus HTTP/1.1\r\n{CLOSE}\r\n\r\n"),
        (
            "a space after an address",
            f"POST {HALF}:predict  HTTP/1.1\r\n{CLOSE}\r\nContent-Length: 20\r\n\r\n{TWO}",
        ),
        ("a line of one word", "nonsense\r\n\r\n"),
        ("HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        (
            "a Content-Length that is no number",
            f"POST {HALF}:predict HTTP/1.1\r\n{CLOSE}\r\nContent-Length: x\r\n\r\n{TWO}",
        ),
    )
]
"""The embedded server says which mistake it is: see "Where it differs, on purpose"."""

CASES = [*HEADS, *MALFORMED]
