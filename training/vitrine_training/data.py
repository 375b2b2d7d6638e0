"""Fashion-MNIST: found, checked, parsed and split.

Xiao, Rasul and Vollgraf (2017), https://github.com/zalandoresearch/fashion-mnist, MIT licence.
The four files are looked for in the cache, in a directory that the caller names, at the official
address, and in Debian's package `dataset-fashion-mnist`, in that order. Wherever they come from,
they count only once the MD5 of what is inside them is right, and then they are cached.
"""

import gzip
import hashlib
import os
import shutil
import subprocess
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import platformdirs
import pooch
import requests

LABELS = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
"""Class names in the order of their `class_id`, spelt as the data set's authors spell them."""

SIDE = 28
"""Height and width of an image."""

LINEAR_FEATURES = 2
LINEAR_TRUTH = (2.0, -3.4), 4.2
"""Weights and bias behind the synthetic data, as the text has them."""

OFFICIAL_URL = "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/"
DEBIAN_PACKAGE = "dataset-fashion-mnist"
DEBIAN_DIRECTORY = Path("/usr/share/datasets/fashion-mnist")
VALIDATION_SIZE = 5_000
"""The last rows of the training files, which come in random order, are held out."""

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class IdxFile:
    """One of the four files: its name, two checksums and the shape of what it holds.

    `content_md5` is of the unpacked bytes, because the same data is packed in more than one way:
    Debian strips gzip's name and time stamp (put back, they give the official `md5`).
    """

    name: str
    md5: str
    content_md5: str
    shape: tuple[int, ...]


FILES = (
    IdxFile(
        "train-images-idx3-ubyte.gz",
        "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "f4a8712d7a061bf5bd6d2ca38dc4d50a",
        (60_000, 28, 28),
    ),
    IdxFile(
        "train-labels-idx1-ubyte.gz",
        "25c81989df183df01b3e8a0aad5dffbe",
        "9018921c3c673c538a1fc5bad174d6f9",
        (60_000,),
    ),
    IdxFile(
        "t10k-images-idx3-ubyte.gz",
        "bef4ecab320f06d8554ea6380940ec79",
        "8181f5470baa50b63fa0f6fddb340f0a",
        (10_000, 28, 28),
    ),
    IdxFile(
        "t10k-labels-idx1-ubyte.gz",
        "bb300cfdad3c16e7a12a480ee83cd310",
        "15d484375f8d13e6eb1aabb0c3f46965",
        (10_000,),
    ),
)


class DataError(Exception):
    """The data set is not to be had, or not what it should be; the message says what to do."""


@dataclass(frozen=True)
class Split:
    """Images, uint8 [n, 28, 28], white on black, and their class ids, uint8 [n]."""

    images: Pixels
    labels: Pixels

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Dataset:
    """The three splits and the MD5 of the content of each file that they were read from."""

    train: Split
    validation: Split
    test: Split
    checksums: dict[str, str]


@dataclass(frozen=True)
class Points:
    """Rows of y = Xw + b + noise: features, float32 [n, 2], and values, float32 [n, 1]."""

    features: npt.NDArray[np.float32]
    values: npt.NDArray[np.float32]


def synthetic_linear(seed: int, rows: int = 1_000, noise: float = 0.01) -> tuple[Points, Points]:
    """Returns points to train on and to validate on, with normal features and noise.

    The text's `SyntheticRegressionData`; the data follows from the seed.
    """
    rng = np.random.default_rng(seed)
    weights, bias = LINEAR_TRUTH
    features = rng.normal(size=(2 * rows, LINEAR_FEATURES))
    values = features @ np.array(weights)[:, np.newaxis] + bias
    values += rng.normal(scale=noise, size=values.shape)
    x, y = features.astype(np.float32), values.astype(np.float32)
    return Points(x[:rows], y[:rows]), Points(x[rows:], y[rows:])


def default_cache() -> Path:
    """`VITRINE_CACHE_DIR`, or `vitrine` in the user's cache directory."""
    configured = os.environ.get("VITRINE_CACHE_DIR")
    root = Path(configured) if configured else platformdirs.user_cache_path("vitrine")
    return root / "fashion-mnist"


def load(
    data_dir: Path | None = None,
    cache: Path | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Dataset:
    """Returns Fashion-MNIST: 55,000 training, 5,000 validation and 10,000 test images.

    `data_dir` is a directory with the four `.gz` files, `cache` where to keep them
    (`default_cache()`), `say` is told of every slow step. Raises `DataError`.
    """
    cache = cache or default_cache()
    train_x, train_y, test_x, test_y = locate(data_dir, cache, _online_sources(), say)
    cut = len(train_y) - VALIDATION_SIZE
    return Dataset(
        train=Split(train_x[:cut], train_y[:cut]),
        validation=Split(train_x[cut:], train_y[cut:]),
        test=Split(test_x, test_y),
        checksums={file.name: file.content_md5 for file in FILES},
    )


Fetch = Callable[[Path, Callable[[str], None]], Path]
"""Brings the four files into a temporary directory and returns the one that holds them."""


def _online_sources() -> dict[str, Fetch]:
    return {"the official download": download, f"Debian's {DEBIAN_PACKAGE}": from_debian}


def locate(
    data_dir: Path | None, cache: Path, sources: dict[str, Fetch], say: Callable[[str], None]
) -> list[Pixels]:
    """Returns the four arrays in the order of `FILES`, from the first place that has them all.

    A directory that the caller names must be right: what is wrong with it is raised, not worked
    around. Raises `DataError`, naming every place that was tried and why it failed.
    """
    try:
        return [read_idx(cache / file.name, file) for file in FILES]
    except DataError:
        pass  # nothing there yet, or damaged: what is found elsewhere replaces it
    if data_dir is not None:
        arrays = [read_idx(data_dir / file.name, file) for file in FILES]
        _keep(data_dir, cache)
        return arrays
    failures = []
    for name, fetch in sources.items():
        with tempfile.TemporaryDirectory(prefix="vitrine-data-") as scratch:
            try:
                found = fetch(Path(scratch), say)
                arrays = [read_idx(found / file.name, file) for file in FILES]
            except DataError as error:
                failures.append(f"  {name}: {error}")
                continue
            _keep(found, cache)
            return arrays
    raise DataError(
        "Fashion-MNIST could not be had:\n" + "\n".join(failures) + "\nWays out: connect this "
        "machine and try again; or put the four .gz files (listed at "
        "https://github.com/zalandoresearch/fashion-mnist) into a directory and name it with "
        f"--data-dir or VITRINE_DATA_DIR; or copy them to {cache}; "
        f"or, on Debian and Ubuntu, `apt-get install {DEBIAN_PACKAGE}`."
    )


def read_idx(path: Path, file: IdxFile) -> Pixels:
    """Returns the uint8 array in a gzipped IDX file (format: http://yann.lecun.com/exdb/mnist/).

    Raises `DataError` where the file is missing, truncated or has another checksum.
    """
    try:
        content = gzip.decompress(path.read_bytes())
    except FileNotFoundError:
        raise DataError(f"{path} is not there") from None
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} is damaged ({error}); delete it and try again") from error
    found = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if found != file.content_md5:
        raise DataError(
            f"{path} is not Fashion-MNIST's {file.name}: "
            f"its content has MD5 {found}, not {file.content_md5}"
        )
    header_bytes = 4 + 4 * len(file.shape)  # magic number, then one big-endian int32 per dimension
    return np.frombuffer(content, np.uint8, offset=header_bytes).reshape(file.shape)


def _keep(source: Path, cache: Path) -> None:
    """Copies the four files into the cache, each whole or not at all; a full disk is no reason
    to stop, because the data is in memory already."""
    try:
        cache.mkdir(parents=True, exist_ok=True)
        for file in FILES:
            with tempfile.NamedTemporaryFile(dir=cache, prefix=".partial-") as partial:
                shutil.copyfile(source / file.name, partial.name)
                Path(partial.name).replace(cache / file.name)
                Path(partial.name).touch()  # so that closing finds a file to delete
    except OSError:
        pass


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
