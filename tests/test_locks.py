"""The locks in requirements/."""

import re

from harness.paths import ROOT


def test_no_index_host_in_the_locks():
    """Locks work with whichever index pip is configured for."""
    for lock in (ROOT / "requirements").glob("*.txt"):
        text = lock.read_text()
        assert "--hash=sha256:" in text
        assert not re.search(r"https?://|--(extra-)?index-url|--find-links", text), lock
