"""Sources of Fashion-MNIST, if it is not on this machine yet."""

import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pooch
import requests

from vitrine_training.data.idx import FILES, DataError

OFFICIAL_URL = "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/"
DEBIAN_PACKAGE = "dataset-fashion-mnist"
_COMMAND_S = 600.0
DEBIAN_DIRECTORY = Path("/usr/share/datasets/fashion-mnist")

Fetch = Callable[[Path, Callable[[str], None]], Path]
"""Brings the four files into a temporary directory and returns the one that holds them."""


@dataclass(frozen=True)
class Pace:
    """Pace of a download: after `first_s` it has to have had so many bytes a second, and never more
    than `most_bytes`, of one file."""

    first_s: float = 30.0
    bytes_per_s: float = 10_000.0
    most_bytes: float = 64e6


_PACE = Pace()
_LOOK_S = 0.1


def download(
    scratch: Path, say: Callable[[str], None], url: str = OFFICIAL_URL, pace: Pace = _PACE
) -> Path:
    """Fetches the files over HTTPS, each checked against its official MD5. Raises `DataError`, also
    where that is too slow."""
    say(f"Downloading Fashion-MNIST (30 MB) from {url}")
    pooch.get_logger().setLevel("WARNING")  # `say` tells enough
    registry = {file.name: f"md5:{file.md5}" for file in FILES}
    shelf = pooch.create(path=scratch, base_url=url, registry=registry)
    try:
        for file in FILES:
            _fetch(shelf, file.name, pace)
            say(f"  {file.name}")
    except (OSError, ValueError, requests.RequestException) as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{url} failed: {reason}") from error
    return scratch


class _Progress:
    """Progress of one file, as pooch tells it to a bar. To tell it raises `TimeoutError` where the
    download was given up, or has no end."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self.total = self.bytes = 0
        self.given_up = False

    def update(self, count: int) -> None:
        """Is told of bytes."""
        self.bytes += count
        if self.given_up or self.bytes > self._pace.most_bytes:
            raise TimeoutError(f"it has no end: {self.bytes:,} bytes of a file came, and more")

    def reset(self) -> None:
        """Is told that all are there."""
        self.bytes = 0

    def close(self) -> None:
        """Is told of the end."""

    def check(self, took_s: float) -> None:
        """Raises `TimeoutError` where it is too slow."""
        if took_s > self._pace.first_s and self.bytes < self._pace.bytes_per_s * took_s:
            self.given_up = True
            raise TimeoutError(f"it is too slow, with {self.bytes:,} bytes in {took_s:.0f} s")


def _fetch(shelf: pooch.Pooch, name: str, pace: Pace) -> None:
    """Fetches a file. Raises what pooch does, and `TimeoutError`.

    In a thread, which is left behind where that is too slow: no time-out of a socket ends a
    connection on which a byte comes now and then, in its body or before it.
    """
    progress, failed = _Progress(pace), list[Exception]()
    downloader = pooch.HTTPDownloader(timeout=(5, 60), progressbar=progress)

    def run() -> None:
        try:
            shelf.fetch(name, downloader=downloader)
        except Exception as error:  # for who waits
            failed.append(error)

    thread = threading.Thread(target=run, daemon=True, name="download")
    began_s = time.monotonic()
    thread.start()
    while thread.is_alive():
        progress.check(time.monotonic() - began_s)
        thread.join(_LOOK_S)
    if failed:
        raise failed[0]


def from_debian(scratch: Path, say: Callable[[str], None]) -> Path:
    """Finds Debian's package installed, or fetches and unpacks it, which needs no root.

    Raises `DataError` where this is no Debian, or its archive cannot be reached.
    """
    if all((DEBIAN_DIRECTORY / file.name).exists() for file in FILES):
        return DEBIAN_DIRECTORY
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        raise DataError("this system has no apt-get")
    say(f"Fetching Debian's package {DEBIAN_PACKAGE} (31 MB) with apt-get")
    with _own_apt(scratch) as apt:
        _run([*apt, "update"], scratch)
        _run([*apt, "download", DEBIAN_PACKAGE], scratch)
        for package in scratch.glob(f"{DEBIAN_PACKAGE}_*.deb"):
            _run(["dpkg-deb", "--extract", str(package), "unpacked"], scratch)
    return scratch / "unpacked" / DEBIAN_DIRECTORY.relative_to("/")


@contextmanager
def _own_apt(scratch: Path) -> Iterator[list[str]]:
    """An `apt-get` that keeps its lists and its cache to itself, so that it needs no root."""
    for folder in ("state/lists/partial", "cache/archives/partial"):
        (scratch / folder).mkdir(parents=True)
    folders = [f"Dir::State={scratch / 'state'}", f"Dir::Cache={scratch / 'cache'}"]
    quiet = ["-qq", "-o", "APT::Sandbox::User="]
    yield ["apt-get", *quiet, *(word for folder in folders for word in ("-o", folder))]


def _run(command: list[str], directory: Path) -> None:
    try:
        done = subprocess.run(
            command, cwd=directory, capture_output=True, text=True, timeout=_COMMAND_S
        )
    except subprocess.TimeoutExpired as error:
        raise DataError(f"`{command[0]} {command[-1]}` took over {_COMMAND_S:g} s") from error
    if done.returncode:
        last = (done.stderr.strip() or "no message").splitlines()[-1]
        raise DataError(f"`{command[0]} {command[-1]}` failed: {last}")


ONLINE: dict[str, Fetch] = {
    "the official download": download,
    f"Debian's {DEBIAN_PACKAGE}": from_debian,
}
"""All of them by name, in the order in which they are tried."""
