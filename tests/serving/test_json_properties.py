"""JSON of any kind, against RapidJSON itself and against C's printf."""

import ctypes
import json
import random
import re
import struct
from collections.abc import Callable

import numpy as np
import pytest
import rapidjson

from vitrine_serving.errors import ServingError
from vitrine_serving.rest_json import floats
from vitrine_serving.rest_json.parsing import parse, parse_exactly

BODIES = 2000
FLOATS = 10_000
_libc = ctypes.CDLL(None)
_PIECES = (
    *("NaN", "Inf", "-Infinity", "-NaN", "1e400", "-1e-400", "1e+308", "18446744073709551616"),
    *("-9223372036854775809", "00", "-", "1.", ".5", "+1", "1e", "tru", "nul", "Infinit", "'a'"),
    *(
        '"\\u00e9"',
        '"\\ud83d\\ude00"',
        '"\\ud800"',
        '"\\x"',
        '"\\u12g4"',
        '"é😀"',
        '"\n',
        "//",
        "{}",
    ),
    *(
        "[1 2]",
        "{1: 2}",
        '{"a" 1}',
        '{"a": 1 "b": 2}',
        "[1, ]",
        '{"a": 1,}',
        "[",
        "]",
        "{",
        "}",
        ",",
    ),
)


def value(random: random.Random, depth: int) -> object:
    kind = random.randrange(8 if depth else 6)
    if kind == 0:
        return random.choice([None, True, False, "", "é", 'a"\\/\n\x1f', "😀", ":,", 0, -0.0])
    if kind == 1:
        return random.randint(-(2**63), 2**64 - 1) >> random.randrange(64)
    if kind == 2:
        return struct.unpack("d", random.randbytes(8))[0]
    if kind <= 5:
        return round(random.gauss(0, 1), random.randrange(9))
    if kind == 6:
        return [value(random, depth - 1) for _ in range(random.randrange(4))]
    names = random.sample(["a", "é", "b\n", "", "x:"], random.randrange(4))
    return {name: value(random, depth - 1) for name in names}


def body(random: random.Random) -> bytes:
    """Makes a body: half of them are JSON, the others were once."""
    given = {"instances": value(random, 4), "signature_name": value(random, 0)}
    separators = random.choice([(",", ":"), (" ,\r\n", "\t: ")])
    text = json.dumps(given, ensure_ascii=random.random() < 0.5, separators=separators)
    if random.random() < 0.5:
        return text.encode()
    at = random.randrange(len(text) + 1)
    cut = random.choice([0, 0, 1, 3, len(text)])
    return (text[:at] + random.choice([*_PIECES, ""]) + text[at + cut :]).encode()


def by_rapidjson(given: bytes) -> object:
    """Reads a body with RapidJSON's own numbers. The words for a control character, and for a
    document that begins with what begins none, are those of version 1.1.0."""
    decoder = rapidjson.Decoder(number_mode=rapidjson.NM_NATIVE | rapidjson.NM_NAN)
    try:
        read = decoder(given)
        return read if isinstance(read, dict) else "JSON Value: Is not object"
    except rapidjson.JSONDecodeError as error:
        offset, reason = str(error).removeprefix("Parse error at offset ").split(": ", 1)
        reason = reason.replace("Invalid encoding in", "Invalid escape character in")
        if given.lstrip()[:1] in (b"}", b"]", b":", b","):
            reason = "The document is empty."
        return f"JSON Parse error: {reason} at offset: {offset}"


def by_us(read: Callable[[bytes], object], given: bytes) -> object:
    try:
        return read(given)
    except ServingError as error:
        return re.sub("(?s)^JSON Value: .* Is", "JSON Value: Is", str(error))


def is_left_out(given: str, wanted: str) -> bool:
    """Says whether the wrapper reads a body otherwise: what follows it, half a surrogate pair, and
    what overflows by its digits alone. The contract and test_json_parsing.py have those."""
    return (
        "root must not be followed" in wanted
        or "\\ud" in given.replace("\\ud83d\\ude00", "")
        or ("Number too big" in wanted and bool(re.search(r"e\+?(2\d|30)\d", given)))
    )


def canonical(value: object, kind: type = float) -> object:
    """Makes a value whose numbers compare by type, and by what floats of a kind they are."""
    if isinstance(value, dict):
        return {name: canonical(item, kind) for name, item in value.items()}
    if isinstance(value, list):
        return [canonical(item, kind) for item in value]
    return type(value), repr(kind(value)) if isinstance(value, float) else repr(value)


@pytest.mark.parametrize("seed", range(4))
def test_bodies(seed):
    """Bodies are read as RapidJSON reads them, or refused in its words."""
    generator = random.Random(seed)
    kinds = {str: 0, dict: 0}
    while sum(kinds.values()) < BODIES // 4:
        given = body(generator)
        wanted = by_rapidjson(given)
        if not given or is_left_out(given.decode(), str(wanted)):
            continue
        assert canonical(by_us(parse_exactly, given)) == canonical(wanted), given
        with np.errstate(over="ignore"):
            read = canonical(by_us(parse, given), np.float32)
            assert read == canonical(wanted, np.float32), given
        kinds[type(wanted)] += 1
    assert min(kinds.values()) > BODIES / 16, kinds


def printed(form: bytes, number: float) -> bytes:
    text = ctypes.create_string_buffer(64)
    length = _libc.snprintf(text, 64, form, ctypes.c_double(number))
    return text.raw[:length]


def wanted_text(number: np.floating) -> bytes:
    """Returns what json_tensor.cc's WriteDecimal makes of a number, by C's printf."""
    kind = type(number)
    if not np.isfinite(number):
        return {"nan": b"NaN", "inf": b"Infinity", "-inf": b"-Infinity"}[str(float(number))]
    if abs(number) < np.finfo(kind).tiny:
        return b"-0.0" if np.signbit(number) else b"0.0"
    text = printed(b"%.6g", float(number))
    if kind(float(text)) != number:
        text = printed(b"%.9g" if kind is np.float32 else b"%.17g", float(number))
    return text if b"." in text or b"e" in text else text + b".0"


def samples(dtype: type[np.floating], count: int) -> np.ndarray:
    """Makes numbers of all sizes, of few digits, near the bounds of a layout, and like a model's
    answers."""
    random = np.random.default_rng(0)
    each = count // 5
    raw = random.bytes(each * np.dtype(dtype).itemsize)
    decimals = 10.0 ** random.integers(-8, 12, each)
    made = [
        np.frombuffer(raw, dtype),
        np.array([f"{number:.6g}" for number in random.normal(size=each) * decimals], dtype),
        np.nextafter(decimals.astype(dtype), dtype(0)) * random.choice([1, -1], each),
        np.exp(-20 * random.random(each)),
        random.integers(1, 2**24, each) * 2.0 ** random.integers(-30, 10, each),
    ]
    return np.concatenate([numbers.astype(dtype) for numbers in made])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("together", [1, 10, 500])
def test_floats(dtype, together):
    """Floats are written with C's digits, whether few are written at once or many."""
    numbers = samples(dtype, FLOATS)
    wanted = [wanted_text(number) for number in numbers]
    made = []
    for at in range(0, FLOATS, together):
        made += floats.decimals(numbers[at : at + together])
    assert [pair for pair in zip(made, wanted, strict=True) if pair[0] != pair[1]] == []
    rows = floats.numbers(numbers.reshape(-1, together))
    assert (
        rows
        == b"[["
        + b"],[".join(b",".join(wanted[at : at + together]) for at in range(0, FLOATS, together))
        + b"]]"
    )
