#!/bin/sh
# Pillow 13 resizes some pictures to other pixels than Pillow 12 does, with the same filter.
#
# Guess:   `Image.resize` with a named filter is a formula; a model that was trained with Pillow 12
#          sees the same pixels when it is served with Pillow 13.
# Truth:   whole levels are rounded, and cut at 0 and 255, between two passes. Up to 12.3 the pass
#          across was always first; 13.0 takes the one down first where that is less work: of a
#          picture that gets wider and lower, and of tall ones. Then levels differ by 1, and by 15
#          of 255 for noise where one direction is made larger, as bicubic overshoots there. Neither
#          `reducing_gap` nor `box` brings the old order back. Modes with floats (F) hardly differ.
# Way out: resize twice, across and then down: `image.resize((width, image.height), filter)
#          .resize((width, height), filter)` is the old result, to the bit, in all versions. Or keep
#          Pillow's version with the model.
# Version: Pillow 12.3.0 and 13.0.0, of Linux x86-64 and Python 3.11; seen on 30 November 2026.
# Source:  github.com/python-pillow/Pillow, pull request 9549 (height first where it shrinks more).
# Seen:    largest difference from two calls, the one across first, and the one down first
#          12.3.0  (47, 333) to (224, 224)    0  15
#          12.3.0  (1080, 1920) to (256, 256) 0   1
#          12.3.0  (640, 480) to (224, 224)   0   4
#          13.0.0  (47, 333) to (224, 224)   15   0
#          13.0.0  (1080, 1920) to (256, 256) 1   0
#          13.0.0  (640, 480) to (224, 224)   0   4
#          pixels of two calls: 75d9fe16, with both
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/finding.py" <<'END'
import sys
import zlib

from PIL import Image, __version__

SIZES = (
    ((47, 333), (224, 224)),  # wider, lower
    ((1080, 1920), (256, 256)),  # a tall frame of a video
    ((640, 480), (224, 224)),
)
TWO_CALLS = "75d9fe16"
"""Check sum of what the way out gives, with both versions."""

DOWN_FIRST = {"12.3.0": (False, False, False), "13.0.0": (True, True, False)}


def noise(size):
    """Levels that no filter leaves as they are, the same each time."""
    state, levels = 1, bytearray()
    for _ in range(size[0] * size[1]):
        state = (state * 1103515245 + 12345) % 2**31
        levels.append(state >> 23)
    return Image.frombytes("L", size, bytes(levels))


def largest(one, other):
    return max(abs(a - b) for a, b in zip(one.tobytes(), other.tobytes()))


as_found = True
across_first = 0
cubic = Image.Resampling.BICUBIC
for (size, new), down_first in zip(SIZES, DOWN_FIRST[__version__]):
    image = noise(size)
    once = image.resize(new, cubic)
    across = image.resize((new[0], size[1]), cubic).resize(new, cubic)
    down = image.resize((size[0], new[1]), cubic).resize(new, cubic)
    across_first = zlib.crc32(across.tobytes(), across_first)
    told = f"{__version__:7} {size} to {new}"
    print(f"{told}: from across first {largest(once, across)}, down first {largest(once, down)}")
    as_found &= (largest(once, across) > 0) == down_first
    as_found &= (largest(once, down) > 0) != down_first
print(f"{__version__:7} pixels of two calls: {across_first:08x}")
as_found &= f"{across_first:08x}" == TWO_CALLS
sys.exit(None if as_found else "This is not what was found; see the head of this file.")
END
for version in 12.3.0 13.0.0; do
    "${PYTHON:-python3}" -m venv "$folder/$version"
    "$folder/$version/bin/pip" install --quiet --disable-pip-version-check "pillow==$version"
    "$folder/$version/bin/python" "$folder/finding.py"
done
