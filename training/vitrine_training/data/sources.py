"""Sources of Fashion-MNIST, if it is not on this machine yet."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pooch
import requests

from vitrine_training.data.idx import FILES, DataError

OFFICIAL_URL = "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/"
DEBIAN_PACKAGE = "dataset-fashion-mnist"
DEBIAN_DIRECTORY = Path("/usr/share/datasets/fashion-mnist")

Fetch = Callable[[Path, Callable[[str], None]], Path]
"""Brings the four files into a temporary directory and returns the one that holds them."""


def download(scratch: Path, say: Callable[[str], None], url: str = OFFICIAL_URL) -> Path:
    """Fetches the files over HTTPS, each checked against its official MD5. Raises `DataError`."""
    say(f"Downloading Fashion-MNIST (30 MB) from {url}")
    pooch.get_logger().setLevel("WARNING")  # `say` tells enough
    registry = {file.name: f"md5:{file.md5}" for file in FILES}
    shelf = pooch.create(path=scratch, base_url=url, registry=registry)
    fetch = pooch.HTTPDownloader(timeout=(5, 60))
    try:
        for file in FILES:
            shelf.fetch(file.name, downloader=fetch)
            say(f"  {file.name}")
    except (OSError, ValueError, requests.RequestException) as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{url} failed: {reason}") from error
    return scratch


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
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=600)
    if done.returncode:
        last = (done.stderr.strip() or "no message").splitlines()[-1]
        raise DataError(f"`{command[0]} {command[-1]}` failed: {last}")


ONLINE: dict[str, Fetch] = {
    "the official download": download,
    f"Debian's {DEBIAN_PACKAGE}": from_debian,
}
"""All of them by name, in the order in which they are tried."""
