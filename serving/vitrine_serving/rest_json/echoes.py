"""Echo of a parsed JSON value in an error text, as TensorFlow Serving prints it: lists on one line,
256 bytes and what is begun then."""

import math
import struct
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import islice
from typing import Any

from vitrine_serving.rest_json.strings import quoted

ECHO_BYTES = 256
"""From here on nothing more is printed: json_tensor.cc's kMaxJsonDebugStringBytes."""

STRING_CHARS = 10_000
"""Of a string that is printed; RapidJSON prints the whole, and nobody reads that much."""

_TYPES = {bool: "True", list: "Array", str: "String", type(None): "Null"}
_ONES = (1 << 64) - 1


class Repeated(dict[str, Any]):
    """Object with a key that occurs twice: the first counts. It has all `pairs` as well."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(reversed(pairs))
        self.pairs = pairs


def pairs_of(value: dict[str, Any]) -> Iterable[tuple[str, Any]]:
    """Returns the members of an object, each as often as it occurs."""
    return value.pairs if isinstance(value, Repeated) else value.items()


def type_name(value: Any) -> str:
    """Returns RapidJSON's name for the type of a parsed value."""
    if value is False:
        return "False"
    return "Object" if isinstance(value, dict) else _TYPES.get(type(value), "Number")


def echo(value: Any) -> str:
    """Returns a parsed value as error texts show it. It ends where the bound, or a number that is
    not finite, ends RapidJSON's writing."""
    size, parts = 0, []
    for before, text in _events(value, 1):
        parts.append(before)
        size += len(before)
        if text is None:
            break
        parts.append(text)
        size += len(text.encode(errors="surrogateescape"))
        if size >= ECHO_BYTES:
            break
    return "".join(parts)


def _events(value: Any, level: int) -> Iterator[tuple[str, str | None]]:
    """Yields what stands before each token, and the token: None where there is none."""
    if isinstance(value, dict):
        yield "", "{"
        for number, (name, item) in enumerate(pairs_of(value)):
            line = "\n" + "    " * level
            yield ("," if number else "") + line, _string(name)
            yield from _after(": ", _events(item, level + 1))
        yield "\n" + "    " * (level - 1) if value else "", "}"
    elif isinstance(value, list):
        yield "", "["
        for number, item in enumerate(value):
            yield from _after(", " if number else "", _events(item, level + 1))
        yield "", "]"
    else:
        yield "", _scalar(value)


def _after(
    separator: str, events: Iterator[tuple[str, str | None]]
) -> Iterator[tuple[str, str | None]]:
    for before, text in islice(events, 1):
        yield separator + before, text
    yield from events


def _string(text: str) -> str:
    shown = quoted(text[:STRING_CHARS].encode(errors="surrogateescape"))
    return shown.decode(errors="surrogateescape")


def _scalar(value: Any) -> str | None:
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, float):
        return double(value) if math.isfinite(value) else None
    return (
        {None: "null", False: "false", True: "true"}[value]
        if value is None or isinstance(value, bool)
        else str(value)
    )


def double(value: float) -> str:
    """Returns a finite double as RapidJSON's writer prints it: Grisu2's digits, `1e22` from 10^21
    on."""
    sign = "-" if math.copysign(1, value) < 0 else ""
    if not value:
        return f"{sign}0.0"
    digits, exponent = _grisu2(abs(value))
    point = len(digits) + exponent  # of the decimal point, from the first digit
    if exponent >= 0 and point <= 21:
        return f"{sign}{digits}{'0' * exponent}.0"
    if 0 < point <= 21:
        return f"{sign}{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    fraction = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{sign}{digits[0]}{fraction}e{point - 1}"


def _grisu2(value: float) -> tuple[str, int]:
    """Returns the digits of a positive double, and the power of ten of the last one.

    Loitsch, Printing Floating-Point Numbers Quickly and Accurately with Integers (2010), Grisu2;
    its last digit is not always the nearest.
    """
    bits: int = struct.unpack("<Q", struct.pack("<d", value))[0]
    biased, fraction = bits >> 52, bits & ((1 << 52) - 1)
    significand, exponent = (fraction | 1 << 52, biased - 1075) if biased else (fraction, -1074)
    # The boundaries of what rounds to the value, in units of a quarter of its last place.
    above = 4 * significand + 2
    below = 4 * significand - (1 if fraction == 0 and biased else 2)
    shift = 64 - above.bit_length()
    power, decimal = _power_of_ten(exponent - 2 - shift)
    high = _times(above << shift, power) - 1
    low = _times(below << shift, power) + 1
    middle = _times(4 * significand << shift, power)
    unit = -(exponent - 2 - shift + _power_exponent(decimal) + 64)
    return _digits(high, high - low, high - middle, unit, decimal)


def _times(left: int, right: int) -> int:
    product = left * right
    return (product >> 64) + (product >> 63 & 1)


def _power_of_ten(exponent: int) -> tuple[int, int]:
    """Returns the 64 bits of a power of ten that brings a number of 64 bits with this binary
    exponent to about 2^-60, and the decimal exponent that this takes away."""
    step = (math.ceil((-61 - exponent) * 0.30102999566398114 + 347) >> 3) + 1
    decimal = 348 - 8 * step
    return _rounded_power(-decimal)[0], decimal


def _power_exponent(decimal: int) -> int:
    return _rounded_power(-decimal)[1]


@cache
def _rounded_power(exponent: int) -> tuple[int, int]:
    """Returns the nearest number of 64 bits to a power of ten, and its binary exponent."""
    numerator, denominator = 10 ** max(exponent, 0), 10 ** max(-exponent, 0)
    binary = numerator.bit_length() - denominator.bit_length() - 64
    for shift in (binary, binary + 1):
        top, bottom = numerator << max(-shift, 0), denominator << max(shift, 0)
        rounded = (2 * top + bottom) // (2 * bottom)
        if rounded.bit_length() == 64:
            return rounded, shift
    raise AssertionError(exponent)


def _digits(high: int, delta: int, distance: int, unit: int, decimal: int) -> tuple[str, int]:
    """Returns digits of a number between `high - delta` and `high`, in 2^-unit."""
    one = 1 << unit
    whole, rest = high >> unit, high & (one - 1)
    digits = ""
    kappa = len(str(whole))
    while kappa > 0:
        kappa -= 1
        digit, whole = divmod(whole, 10**kappa)
        digits += str(digit) if digit or digits else ""
        left = (whole << unit) + rest
        if left <= delta:
            return _rounded(digits, delta, left, 10**kappa << unit, distance), decimal + kappa
    while True:
        rest, delta = rest * 10, delta * 10 & _ONES
        digit, rest = rest >> unit, rest & (one - 1)
        digits += str(digit) if digit or digits else ""
        kappa -= 1
        if rest < delta:
            # From nine places on, version 1.1.0 does not round.
            scaled = distance * 10**-kappa & _ONES if kappa > -9 else 0
            return _rounded(digits, delta, rest, one, scaled), decimal + kappa


def _rounded(digits: str, delta: int, rest: int, step: int, distance: int) -> str:
    last = int(digits[-1])
    while (
        rest < distance
        and delta - rest >= step
        and (rest + step < distance or distance - rest > rest + step - distance)
    ):
        last -= 1
        rest += step
    return digits[:-1] + str(last)
