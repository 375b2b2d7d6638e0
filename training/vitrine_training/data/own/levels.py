"""Levels of pixels: from arrays of any number to uint8, 0 black and 255 white.

White is the first of these above which no number is, in all parts of a data set together:

    white  | numbers
    -------|--------------------------------------------------------------
    1      | of any kind, bool among them
    16     | whole ones, as scikit-learn's digits have them
    255    | of any kind
    65,535 | uint16 only: integers of other kinds and floats are refused

Levels are rounded to the nearest; 16 bits are scaled, not cut. All but 255 is noted.
"""

from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt

from vitrine_training.data.idx import DataError

NumberArray = npt.NDArray[np.generic]

_BLOCK_ROWS = 2_048
"""Rows that are converted at a time: no second copy in float64 of the whole."""

_ROUNDING = 1e-3
"""Floats that are this little above 1 came there by rounding."""

_NEARLY_BLACK = 16
"""Brightest level of pictures that look black."""

_KINDS = {"b": "integers", "u": "integers", "i": "integers", "f": "floats"}


def as_levels(
    arrays: Mapping[str, NumberArray],
) -> tuple[dict[str, npt.NDArray[np.uint8]], list[str]]:
    """Returns the arrays as uint8 levels by their names, and notes about scales that are assumed.

    Raises `DataError` where an array has no numbers, or ones of which no scale is known.
    """
    groups: dict[str, dict[str, NumberArray]] = {}
    for name, array in arrays.items():
        if array.size:
            groups.setdefault(_kind(name, array), {})[name] = array
    whites: dict[str, int] = {}
    notes = []
    for group in groups.values():
        white = _white(group)
        whites |= dict.fromkeys(group, white)
        if white != 255:
            notes.append(f"{', '.join(group)}: {white:,} is taken as white, and scaled to 255")
    scaled = {name: _scaled(array, whites.get(name, 255)) for name, array in arrays.items()}
    brightest = max((int(array.max()) for array in scaled.values() if array.size), default=255)
    if 0 < brightest <= _NEARLY_BLACK:
        notes.append(
            f"{', '.join(scaled)}: the brightest of all levels is {brightest} of 255, which is "
            "nearly black; if that is their white, scale them to 0..255 first"
        )
    return scaled, notes


def _kind(name: str, array: NumberArray) -> str:
    """Returns the kind of an array's numbers; raises `DataError` where it has none."""
    if array.dtype.kind not in _KINDS:
        raise DataError(
            f"{name} has no levels but {array.dtype}: save uint8, 0 to 255, or floats, 0 to 1"
        )
    return _KINDS[array.dtype.kind]


def _white(arrays: Mapping[str, NumberArray]) -> int:
    """Returns the number that is white in all of these arrays, which are of one kind."""
    highest = max(_highest(name, array) for name, array in arrays.items())
    if highest <= 1 + _ROUNDING:
        return 1
    if highest <= 16 and all(_is_whole(array) for array in arrays.values()):
        return 16
    return 255 if highest <= 255 else 65_535


def _highest(name: str, array: NumberArray) -> float:
    """Returns the highest number of an array; raises `DataError` where one is no level."""
    with np.errstate(all="ignore"):
        low, high = float(np.min(array)), float(np.max(array))  # NaN where there is one
    if not (np.isfinite(low) and np.isfinite(high)):
        raise DataError(f"{name} has NaN or infinity in it: levels are 0 to 255, or 0 to 1")
    most = 65_535 if array.dtype.str[1:] == "u2" else 255  # in whatever order of bytes
    if low < 0 or high > most:
        raise DataError(
            f"{name} has levels from {low:g} to {high:g}: scale them to 0..255, or as floats "
            "to 0..1 (16 bits are read where they are uint16)"
        )
    return high


def _blocks(array: NumberArray) -> Iterator[tuple[slice, NumberArray]]:
    for at in range(0, len(array), _BLOCK_ROWS):
        rows = slice(at, at + _BLOCK_ROWS)
        yield rows, array[rows]


def _is_whole(array: NumberArray) -> bool:
    if array.dtype.kind != "f":
        return True
    return all(np.array_equal(block, np.rint(block)) for _, block in _blocks(array))


def _scaled(array: NumberArray, white: int) -> npt.NDArray[np.uint8]:
    if array.dtype == np.uint8 and white == 255:
        return np.asarray(array, np.uint8)
    levels = np.empty(array.shape, np.uint8)
    for rows, block in _blocks(array):
        levels[rows] = np.clip(np.rint(block.astype(np.float64) * (255 / white)), 0, 255)
    return levels
