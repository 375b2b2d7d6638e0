"""Pictures whose metadata are odd: read, and not written of."""

import io
import logging
import warnings
from collections.abc import Iterator

import pytest
from PIL import Image

from vitrine_client.images import find_item
from vitrine_client.process import picture_warnings

COUNT = 40


def with_odd_tag(tag: int) -> bytes:
    """A JPEG whose EXIF has a tag that claims more bytes than there are."""
    entry = tag.to_bytes(2, "little") + b"\x02\0\xff\0\0\0\xff\xff\0\0"
    picture = Image.new("RGB", (40, 40), "white")
    picture.paste("black", (10, 10, 30, 30))
    written = io.BytesIO()
    picture.save(written, "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\x01\0" + entry + bytes(4))
    return written.getvalue()


@pytest.fixture
def as_by_default() -> Iterator[None]:
    """Python's own filters, and warnings in the log; as they were afterwards."""
    level = logging.getLogger("PIL").level
    with warnings.catch_warnings():
        warnings.resetwarnings()
        logging.captureWarnings(True)
        yield
        logging.captureWarnings(False)
    logging.getLogger("PIL").setLevel(level)


@pytest.mark.usefixtures("as_by_default")
def test_odd_metadata_write_no_line(caplog):
    """Each fault has words of its own, and none is written; other warnings are."""
    picture_warnings.silence()
    for number in range(COUNT):
        find_item(with_odd_tag(0x100 + number))
    assert not caplog.records
    warnings.warn("of ours", stacklevel=1)
    assert len(caplog.records) == 1


@pytest.mark.usefixtures("as_by_default")
def test_they_would_fill_a_log(caplog):
    """What is silenced is there to be silenced."""
    for number in range(COUNT):
        find_item(with_odd_tag(0x100 + number))
    assert len(caplog.records) >= COUNT
