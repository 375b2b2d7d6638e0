"""Faults of the data set: the cache, and the directory that was named."""

import gzip
import os

import pytest

from tests.unprivileged import unprivileged
from vitrine_client.doctor.data.data_set import CONTENT_MD5
from vitrine_training.data.fashion_mnist import default_cache
from vitrine_training.data.idx import FILES

IMAGES, LABELS = "train-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"


def test_files_are_those_that_training_checks():
    assert {file.name: file.content_md5 for file in FILES} == CONTENT_MD5


@pytest.fixture
def cached(place, dataset, tmp_path):
    """With the real files in its cache."""
    place.models.mkdir()
    place.set(VITRINE_CACHE_DIR=tmp_path / "cache")
    place.cache.mkdir(parents=True)
    for name in CONTENT_MD5:
        (place.cache / name).symlink_to(default_cache() / name)
    return place


def replace(folder, name: str, content: bytes) -> None:
    (folder / name).unlink()
    (folder / name).write_bytes(content)


def test_complete(cached):
    """In the cache, and in a directory that is named."""
    cached.set(VITRINE_DATA_DIR=cached.cache)
    found = cached.diagnose()
    assert found.names("problem") == set()
    found.check("ok", "data set", "complete", "")
    found.check("ok", "VITRINE_DATA_DIR", "complete", "")


@pytest.mark.parametrize(
    ("content", "seen"),
    [
        (lambda real: real[:-100], "is damaged"),
        (lambda real: b"<html>not found</html>", "no gzip file"),
        (lambda real: real[:2000] + b"?" + real[2001:], "is damaged"),
        (lambda real: gzip.compress(b"seven"), "MNIST, the digits"),
        (lambda real: b"", "not Fashion-MNIST's"),
    ],
    ids=["cut", "page", "flipped", "other", "empty"],
)
def test_damaged_files(cached, content, seen):
    """One of the four; the others are not blamed."""
    replace(cached.cache, LABELS, content((cached.cache / LABELS).read_bytes()))
    cached.set(VITRINE_DATA_DIR=cached.cache)
    found = cached.diagnose()
    found.check("problem", "data set", f"{LABELS} ", f"rm -r {cached.cache / LABELS}")
    found.check("problem", "data set", seen, "downloads it again")
    found.check("problem", "VITRINE_DATA_DIR", seen, "take it from")
    assert len([each for each in found.findings if each["level"] == "problem"]) == 2


def test_files_that_are_not_there(cached):
    """In the cache they are downloaded; in a directory that was named they must be there."""
    (cached.cache / IMAGES).unlink()
    (cached.cache / IMAGES.removesuffix(".gz")).write_bytes(b"x")
    found = cached.diagnose()
    found.check("note", "data set", f"{IMAGES} not in", "nothing")
    cached.set(VITRINE_DATA_DIR=cached.cache)
    found = cached.diagnose()
    found.check("problem", "VITRINE_DATA_DIR", f"{IMAGES} is not there", "gzip -k")


def test_cache_of_another_user(cached):
    """Its files may not be read, or not be added to."""

    replace(cached.cache, LABELS, b"x")
    (cached.cache / LABELS).chmod(0)
    cached.cache.chmod(0o555)
    found = cached.diagnose(before=unprivileged())
    found.check("problem", "data set", "may not be read by this user", "chmod a+r")
    found.check("note", "data set", "cannot be written", "VITRINE_CACHE_DIR")


def test_directories_of_another_user(cached):
    """What may not even be looked at is told so, in the line that it is about, and hides no other
    fault."""
    closed = cached.folder / "closed"
    (closed / "models").mkdir(parents=True)
    closed.chmod(0)
    cached.set(VITRINE_MODELS_DIR=closed / "models", VITRINE_DATA_DIR=closed / "data")
    cached.set(VITRINE_CACHE_DIR=closed / "cache", VITRINE_PREDICTION_LOG=closed / "log")
    cached.set(VITRINE_WORKERS="zero")
    found = cached.diagnose(before=unprivileged())
    closed.chmod(0o755)
    assert "could not be examined" not in str(found.findings)
    found.check("problem", "models", f"{closed / 'models'} may not be looked at", "chmod")
    found.check("problem", "VITRINE_WORKERS", "zero", "")
    found.check("problem", "VITRINE_PREDICTION_LOG", "a directory that can be written", "")


def test_cache_that_hangs(cached):
    """A file that is never read to its end, as on a network drive that is gone, is one line, in
    time, and all others are there."""
    (cached.cache / LABELS).unlink()
    os.mkfifo(cached.cache / LABELS)
    found = cached.diagnose(timeout_s="1.5")
    found.check("problem", "data set", "not done after 6 s", "--timeout-s")
    assert "model server" in str(found.findings[-1])
