"""Warnings of the library that reads pictures: about faults of their metadata, which change no
pixel.

Each differs in words, so that Python's "once" is once a picture, and whoever sends pictures could
fill a log.
"""

import logging
import warnings

_PILLOW = r"PIL\."


def silence() -> None:
    """Silences them in this process; what cannot be read is an `InvalidImage` in any case."""
    warnings.filterwarnings("ignore", module=_PILLOW)
    logging.getLogger("PIL").setLevel(logging.CRITICAL)
