"""Cases of JSON text: how RapidJSON reads a body, and where it finds a fault."""

from tests.contract.case import Answer, Case, Fails
from tests.contract.cases.rest import HALF, JSON, over_rest
from tests.contract.seen import NOT_SEEN, SEEN

WHOLE = {"predictions": [3.5]}


def half(name: str, body: bytes, answer: Answer, when: str = SEEN) -> Case:
    """A case of what is read from a body."""
    return over_rest(f"JSON, {name}", body, answer, f"{JSON} ParseJson; {when}", HALF)


def _broken(name: str, body: bytes, reason: str, when: str = SEEN) -> Case:
    return half(name, body, Fails(400, f"JSON Parse error: {reason}"), when)


READ = [
    half("text after it", b'{"instances":[1.0]} x', WHOLE),
    half("another one after it", b'{"instances":[1.0]}{"instances":[2.0]}', WHOLE),
    half("a bracket after it", b'{"instances":[1.0]}]}', WHOLE),
    half("NUL after it", b'{"instances":[1.0]}\0{', WHOLE),
    half("bytes after it that are no UTF-8", b'{"instances":[1.0]}\xff', WHOLE),
    half("a line end after it", b'{"instances":[1.0]}\n', WHOLE),
    half("a byte order mark before it", b'\xef\xbb\xbf{"instances":[1.0]}', WHOLE),
    half("an unknown member", b'{"instances":[1.0],"more":{"a":[null]}}', WHOLE),
    half("an empty signature_name", b'{"signature_name":"","instances":[1.0]}', WHOLE),
]

REFUSED = [
    _broken("spaces", b"   ", "The document is empty. at offset: 3"),
    _broken("NUL", b'\0{"instances":[1.0]}', "The document is empty. at offset: 0"),
    _broken(
        "a comma at the end of a list", b'{"instances":[1.0,]}', "Invalid value. at offset: 18"
    ),
    _broken(
        "single quotes", b"{'instances':[1.0]}", "Missing a name for object member. at offset: 1"
    ),
    _broken(
        "a control character in a string",
        b'{"instances":["a\x01"]}',
        "Invalid escape character in string. at offset: 16",
    ),
    _broken("nan in small letters", b'{"instances":[nan]}', "Invalid value. at offset: 15"),
    _broken("a plus", b'{"instances":[+1]}', "Invalid value. at offset: 14"),
    _broken("a point first", b'{"instances":[.5]}', "Invalid value. at offset: 14"),
    _broken(
        "a number that no double holds",
        b'{"instances":[1e400]}',
        "Number too big to be stored in double. at offset: 14",
    ),
    _broken(
        "one that is not used",
        b'{"instances":[1.0],"a":1e999}',
        "Number too big to be stored in double. at offset: 23",
    ),
    *(
        _broken(name, body, reason, NOT_SEEN)
        for name, body, reason in (
            ("the end of none", b" }", "The document is empty. at offset: 1"),
            (
                "a comma at the end of an object",
                b'{"instances":[1.0],}',
                "Missing a name for object member. at offset: 19",
            ),
            (
                "no comma in a list",
                b'{"instances":[1.0 2.0]}',
                "Missing a comma or ']' after an array element. at offset: 18",
            ),
            (
                "no comma in an object",
                b'{"instances":[1.0] "a":1}',
                "Missing a comma or '}' after an object member. at offset: 19",
            ),
            (
                "no colon",
                b'{"instances" [1.0]}',
                "Missing a colon after a name of object member. at offset: 13",
            ),
            (
                "no end of a list",
                b'{"instances":[1.0',
                "Missing a comma or ']' after an array element. at offset: 17",
            ),
            ("NUL in a list", b'{"instances":[\0 1.0]}', "Invalid value. at offset: 14"),
            (
                "no end of a string",
                b'{"instances":["a',
                "Missing a closing quotation mark in string. at offset: 16",
            ),
            (
                "an unknown escape",
                b'{"instances":["\\x"]}',
                "Invalid escape character in string. at offset: 15",
            ),
            (
                "an escape that is no number",
                b'{"instances":["\\u00g0"]}',
                "Incorrect hex digit after \\u escape in string. at offset: 15",
            ),
            (
                "half a surrogate pair",
                b'{"instances":["\\ud800"]}',
                "The surrogate pair in string is invalid. at offset: 15",
            ),
            (
                "a comment",
                b'{"instances":[1.0/**/]}',
                "Missing a comma or ']' after an array element. at offset: 17",
            ),
            ("half of Infinity", b'{"instances":[Infin]}', "Invalid value. at offset: 19"),
            ("a point last", b'{"instances":[1.]}', "Miss fraction part in number. at offset: 16"),
            (
                "an exponent of none",
                b'{"instances":[1e]}',
                "Miss exponent in number. at offset: 16",
            ),
            (
                "another number that no double holds",
                b'{"instances":[1.0,-2e309]}',
                "Number too big to be stored in double. at offset: 18",
            ),
        )
    ),
]

CASES = [*READ, *REFUSED]
