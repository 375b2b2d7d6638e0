"""Standard error of native code: libraries that write to descriptor 2, whatever Python says."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def discarded() -> Iterator[None]:
    """Discards what this process writes to descriptor 2, of all threads; for as long as no other
    has anything to say."""
    with Path(os.devnull).open("w") as nowhere:
        stderr = os.dup(2)
        os.dup2(nowhere.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
