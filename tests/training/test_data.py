"""Where Fashion-MNIST comes from, and what must never pass for it."""

import gzip
import http.server
import os
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from vitrine_training.data import fashion_mnist as data
from vitrine_training.data import sources
from vitrine_training.data.fashion_mnist import LABELS
from vitrine_training.data.idx import FILES, DataError, read_idx

NAMES = [file.name for file in FILES]


def official(cached: Path) -> bytes:
    """Returns a cached file as its authors packed it: gzip's name and time stamp put back."""
    packed_at = 1504176606 if cached.name.startswith("train") else 1504176627
    header = b"\x1f\x8b\x08\x08" + packed_at.to_bytes(4, "little") + b"\x00\x03"
    packed = cached.read_bytes()
    if packed[3] & 8:  # it has its name: these are the official bytes
        return packed
    return header + cached.stem.encode() + b"\x00" + packed[10:]


@pytest.fixture(scope="session")
def good(dataset) -> Path:
    """A directory with the four files; the cache, since the data set was loaded."""
    return data.default_cache()


def quiet(_: str) -> None:
    pass


def never(scratch: Path, say) -> Path:
    raise AssertionError("nobody should have asked")


def offline(scratch: Path, say) -> Path:
    (scratch / NAMES[0]).write_bytes(b"half a file")
    raise DataError("no route to host")


def test_splits(dataset):
    """55,000 to train, 5,000 to validate, 10,000 to test, each with all ten classes."""
    assert [len(s) for s in (dataset.train, dataset.validation, dataset.test)] == [
        *(55_000, 5_000, 10_000)
    ]
    for split in (dataset.train, dataset.validation, dataset.test):
        assert split.images.shape[1:] == (28, 28)
        assert split.images.dtype == np.uint8
        assert set(split.labels) == set(range(len(LABELS)))
    assert np.bincount(dataset.test.labels).tolist() == [1000] * 10


def test_a_whole_cache_asks_nobody(good):
    """Once cached, no source is looked at."""
    arrays = data.locate(None, good, {"web": never}, quiet)
    assert [array.shape for array in arrays] == [file.shape for file in FILES]


def lacking(folder: Path, good: Path, *missing: str) -> Path:
    """Makes a directory with some of the files."""
    for name in set(NAMES) - set(missing):
        (folder / name).symlink_to(good / name)
    return folder


@pytest.mark.parametrize("missing", [NAMES, NAMES[1:], NAMES[:1]], ids=len)
def test_a_given_directory_that_lacks_files_is_refused(good, tmp_path, missing):
    """Though the cache has them all, and with the names of those that it lacks."""
    folder = lacking(tmp_path, good, *missing)
    with pytest.raises(DataError, match=f"{folder} lacks {', '.join(missing)}; put all four"):
        data.locate(folder, good, {"web": never}, quiet)


def test_a_given_directory_that_is_damaged_is_refused(good, tmp_path):
    """Though the cache is whole; a folder in the place of a file is no file that is damaged."""
    folder = lacking(tmp_path, good, NAMES[0])
    (folder / NAMES[0]).write_bytes(b"junk")
    with pytest.raises(DataError, match=f"{NAMES[0]} is damaged"):
        data.locate(folder, good, {"web": never}, quiet)
    (folder / NAMES[0]).unlink()
    (folder / NAMES[0]).mkdir()
    with pytest.raises(DataError, match=f"{NAMES[0]} cannot be read: Is a directory"):
        data.locate(folder, good, {"web": never}, quiet)


def test_a_path_that_is_no_directory_is_refused(good, tmp_path):
    """Nothing there, or a file."""
    for path in (tmp_path / "none", good / NAMES[0]):
        with pytest.raises(DataError, match=f"data directory {path} cannot be read"):
            data.locate(path, good, {"web": never}, quiet)


def test_the_variable_names_a_directory_for_all_who_load(good, tmp_path, monkeypatch):
    """Benchmarks, say, which have no option."""
    monkeypatch.setenv("VITRINE_DATA_DIR", str(tmp_path))
    with pytest.raises(DataError, match=f"{tmp_path} lacks"):
        data.load(cache=good)
    monkeypatch.setenv("VITRINE_DATA_DIR", "")
    assert len(data.load(cache=good).test) == 10_000


def test_others_may_read_the_cache(good, tmp_path):
    """It is for sharing, so files have the permissions that new files have."""
    mask = os.umask(0o027)
    try:
        data.locate(good, tmp_path, {"web": never}, quiet)
    finally:
        os.umask(mask)
    assert {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in NAMES} == {0o640}


def test_a_given_directory_comes_before_the_web_and_is_cached(good, tmp_path):
    """Files that the caller names are used and kept."""
    data.locate(good, tmp_path, {"web": never}, quiet)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == sorted(NAMES)
    data.locate(None, tmp_path, {"web": never}, quiet)


@pytest.mark.parametrize("damage", ["truncated", "other", "no gzip", "empty"])
def test_damaged_files_are_refused_by_name(good, tmp_path, damage):
    """A file that is truncated, of another data set, or no gzip at all never counts."""
    for name in NAMES:
        (tmp_path / name).symlink_to(good / name)
    victim = tmp_path / NAMES[3]
    content = victim.read_bytes()
    victim.unlink()
    victim.write_bytes(
        {
            "truncated": content[:-9],
            "other": gzip.compress(b"\x00\x00\x08\x01" + bytes(10_004)),
            "no gzip": b"<html>404</html>",
            "empty": b"",
        }[damage]
    )
    with pytest.raises(DataError, match=NAMES[3]):
        data.locate(tmp_path, tmp_path / "cache", {"web": never}, quiet)
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("kind", ["large", "unpacks without end"])
def test_files_that_are_larger_than_the_data_set(tmp_path, kind):
    """Neither is read, or unpacked, beyond what the data set has."""
    path = tmp_path / NAMES[3]
    if kind == "large":
        with path.open("wb") as file:
            file.truncate(1 << 40)
    else:
        part = gzip.compress(bytes(5 << 20))
        path.write_bytes(part * 13)  # 65 MB in 65 KB
    tracemalloc.start()
    with pytest.raises(DataError, match=NAMES[3]):
        read_idx(path, FILES[3])
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 20 << 20


def test_a_damaged_cache_is_replaced(good, tmp_path):
    """A cache that was cut short is found out, and filled anew from the next source."""
    (tmp_path / NAMES[0]).write_bytes(b"\x1f\x8b cut short")
    with pytest.raises(DataError, match=f"the cache: .*{NAMES[0]} is damaged"):
        data.locate(None, tmp_path, {"web": offline}, quiet)
    data.locate(None, tmp_path, {"web": lambda scratch, say: good}, quiet)
    assert read_idx(tmp_path / NAMES[0], FILES[0]).shape == (60_000, 28, 28)


def test_each_file_of_the_cache_that_is_no_use_is_named(good, tmp_path):
    """Offline, and at once where a source is asked for them; also where others are not there."""
    said = []
    (tmp_path / NAMES[1]).write_bytes(b"\x1f\x8b cut short")
    (tmp_path / NAMES[3]).write_bytes((good / NAMES[3]).read_bytes()[:4000])
    with pytest.raises(DataError) as caught:
        data.locate(None, tmp_path, {"web": offline}, said.append)
    for name in (NAMES[1], NAMES[3]):
        assert f"the cache: {tmp_path / name} is damaged" in str(caught.value)
        assert any(f"Not from the cache: {tmp_path / name} is damaged" in line for line in said)


SOMEBODY = """
import os, sys
from pathlib import Path
from vitrine_training.data import fashion_mnist as data
from vitrine_training.data.idx import DataError
os.setgroups([]); os.setgid(12345); os.setuid(12345)
try:
    data.locate(*(Path(word) if word else None for word in sys.argv[1:]), {}, print)
except DataError as error:
    print(error)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody else")
@pytest.mark.parametrize("closed", ["file", "folder"])
@pytest.mark.parametrize("role", ["cache", "data_dir"])
def test_what_may_not_be_read_is_not_damaged(good, closed, role):
    """Another user's files are whole for all we know, and it is said who can open them."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        folder = Path(name) / "of root"
        folder.mkdir()
        for file in NAMES:
            shutil.copyfile(good / file, folder / file)
        (folder if closed == "folder" else folder / NAMES[0]).chmod(0o600)
        words = ["", str(folder)] if role == "cache" else [str(folder), str(folder / "none")]
        done = subprocess.run(
            [sys.executable, "-c", SOMEBODY, *words], capture_output=True, text=True, timeout=100
        )
    assert not done.stderr
    assert "damaged" not in done.stdout
    assert "Permission denied" in done.stdout
    if (closed, role) != ("folder", "data_dir"):
        assert f"{folder / NAMES[0]} may not be read by this user" in done.stdout
        assert f"chmod -R a+rX {folder}" in done.stdout
    if role == "cache":
        assert "VITRINE_CACHE_DIR" in done.stdout
        assert "copy them to" not in done.stdout


def test_sources_are_tried_in_order(good, tmp_path):
    """Where the first source fails half way, the second one is asked."""
    sources = {"web": offline, "package": lambda scratch, say: good, "third": never}
    assert len(data.locate(None, tmp_path, sources, quiet)) == 4


def test_offline_the_error_names_the_ways_out(tmp_path):
    """With no source left, nothing is cached and the message says what can be done."""
    with pytest.raises(DataError) as caught:
        data.locate(None, tmp_path / "cache", {"the web": offline, "the package": offline}, quiet)
    for hint in ("the web: no route", "the package: ", "--data-dir", "apt-get install"):
        assert hint in str(caught.value)
    assert not (tmp_path / "cache").exists()


def test_a_cache_that_cannot_be_written_is_no_reason_to_stop(good, tmp_path):
    """The data is in memory already, so a cache path that is a file is passed over, and told."""
    blocked, said = tmp_path / "file", []
    blocked.touch()
    assert len(data.locate(good, blocked / "cache", {}, said.append)) == 4
    assert f"not kept in {blocked / 'cache'} (VITRINE_CACHE_DIR)" in said[0]


@contextmanager
def web(files: dict[str, bytes], *, cut_short: bool = False) -> Iterator[str]:
    """A real HTTP server with `files`; `cut_short` promises more bytes than it sends."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = files.get(self.path.strip("/"))
            self.send_response(200 if body is not None else 404)
            self.send_header("Content-Length", str(len(body or b"") + (100 if cut_short else 0)))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()


def test_downloads_have_the_official_checksums(good, tmp_path):
    """The files as their authors packed them download and pass, byte for byte."""
    with web({name: official(good / name) for name in NAMES}) as url:
        folder = sources.download(tmp_path, quiet, url)
    assert [read_idx(folder / file.name, file).shape for file in FILES] == [
        file.shape for file in FILES
    ]


@pytest.mark.parametrize("fault", ["cut short", "wrong bytes", "missing"])
def test_failed_downloads_leave_nothing_that_counts(tmp_path, fault):
    """A download that breaks off, brings something else or a 404 is an error, never a file."""
    files = {} if fault == "missing" else dict.fromkeys(NAMES, b"not the data")
    with web(files, cut_short=fault == "cut short") as url, pytest.raises(DataError):
        sources.download(tmp_path, quiet, url)
    assert not set(NAMES) & {entry.name for entry in tmp_path.iterdir()}


@contextmanager
def dripping(piece: bytes) -> Iterator[str]:
    """A server that sends a piece now and then, from its first line on, and comes to no end."""
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection, suppress(OSError):
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
                while not over.wait(0.001 if len(piece) > 1 else 0.02):
                    connection.sendall(piece)

        threading.Thread(target=serve, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        finally:
            over.set()


@pytest.mark.parametrize(
    ("piece", "words"),
    [(b"x", r"too slow, with [\d,]+ bytes in"), (b"x" * 65536, "it has no end")],
)
def test_a_download_that_never_ends_is_given_up(good, tmp_path, piece, words):
    """A byte now and then, or too many; and the next source is asked."""
    pace, said = sources.Pace(first_s=0.3, bytes_per_s=10_000, most_bytes=1e6), []
    with dripping(piece) as url:
        both = {
            "web": partial(sources.download, url=url, pace=pace),
            "other": lambda scratch, say: good,
        }
        assert len(data.locate(None, tmp_path / "cache", both, said.append)) == len(FILES)
    with dripping(piece) as url, pytest.raises(DataError, match=words):
        sources.download(tmp_path, quiet, url, pace)
    assert not set(NAMES) & {entry.name for entry in tmp_path.iterdir()}


def test_a_refused_connection_is_an_error(tmp_path):
    """Nobody listening is told in one line."""
    with web({}) as url:
        pass
    with pytest.raises(DataError, match="failed"):
        sources.download(tmp_path, quiet, url)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_cached_file_stays_its_owners(good, tmp_path):
    """Though root replaces one that is damaged."""
    damaged = tmp_path / NAMES[0]
    damaged.write_bytes(b"cut short")
    damaged.chmod(0o640)
    os.chown(damaged, 12345, 54321)
    data.locate(None, tmp_path, {"web": lambda scratch, say: good}, quiet)
    found = damaged.stat()
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (12345, 54321, 0o640)
