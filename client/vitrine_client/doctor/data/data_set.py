"""Checks of the data set: the cache of Fashion-MNIST, and the directory that was named for it."""

import gzip
import hashlib
import zlib
from collections.abc import Iterator
from pathlib import Path

from vitrine_client.doctor.finding import Finding, note, ok, problem
from vitrine_client.doctor.installation import Installation, is_writable
from vitrine_client.doctor.machine.software import installed_version
from vitrine_client.store.layout import quoted

CONTENT_MD5 = {
    "train-images-idx3-ubyte.gz": "f4a8712d7a061bf5bd6d2ca38dc4d50a",
    "train-labels-idx1-ubyte.gz": "9018921c3c673c538a1fc5bad174d6f9",
    "t10k-images-idx3-ubyte.gz": "8181f5470baa50b63fa0f6fddb340f0a",
    "t10k-labels-idx1-ubyte.gz": "15d484375f8d13e6eb1aabb0c3f46965",
}
"""The four files and the MD5 of their content; a test compares it with that of training."""

_LARGEST = 64 * 1024 * 1024


def check_cache(here: Installation) -> Iterator[Finding]:
    """Looks at the files that the first training downloads."""
    folder, name = here.data_cache, "data set"
    if not installed_version("vitrine-training"):
        yield ok(name, "vitrine-training is not installed, so that none is needed")
        return
    yield from _writable(name, folder)
    wrong = {file: reason for file in CONTENT_MD5 if (reason := _wrong(folder / file))}
    absent = [file for file, reason in wrong.items() if reason == _ABSENT]
    if len(absent) == len(CONTENT_MD5):
        yield ok(name, f"not in {folder} yet; the first training downloads it, 30 MB")
    elif absent:
        todo = "nothing, where this machine may download: the next training does"
        yield note(name, f"{', '.join(absent)} not in {folder}", todo)
    for file, reason in wrong.items():
        if reason != _ABSENT:
            yield problem(name, f"{folder / file} {reason}", _mended(folder / file, reason))
    if not wrong:
        yield ok(name, f"complete, in {folder}")


def check_named(here: Installation) -> Iterator[Finding]:
    """Looks at the directory that `VITRINE_DATA_DIR` names."""
    folder, name = here.path("VITRINE_DATA_DIR"), "VITRINE_DATA_DIR"
    if not folder:
        return
    if not folder.is_dir():
        seen = f"names {folder}, which is no directory"
        yield problem(name, seen, f"name one with {', '.join(CONTENT_MD5)}, or `unset {name}`")
        return
    wrong = {file: reason for file in CONTENT_MD5 if (reason := _wrong(folder / file))}
    for file, reason in wrong.items():
        yield problem(name, f"{folder / file} {reason}", _mended_named(folder / file, reason))
    if not wrong:
        yield ok(name, f"complete, in {folder}")


_ABSENT = "is not there"


def _wrong(path: Path) -> str:
    """Returns the fault of a file, empty where training reads it."""
    try:
        with gzip.open(path) as file:
            content = file.read(_LARGEST)
    except FileNotFoundError:
        return _ABSENT
    except PermissionError:
        return "may not be read by this user"
    except IsADirectoryError:
        return "is a directory"
    except gzip.BadGzipFile:
        return "is damaged: no gzip file, or changed on its way"
    except (OSError, EOFError, zlib.error) as error:
        return f"is damaged ({error})"
    found = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if found == CONTENT_MD5[path.name]:
        return ""
    return "is not Fashion-MNIST's (MNIST, the digits, has files of the same names)"


def _mended(path: Path, reason: str) -> str:
    if "may not be read" in reason:
        return f"have its owner `chmod a+r {quoted(path)}`"
    return f"`rm -r {quoted(path)}`; the next training downloads it again"


def _mended_named(path: Path, reason: str) -> str:
    unpacked = path.with_suffix("")
    if reason == _ABSENT and unpacked.exists():
        return f"it is there unpacked: `gzip -k {quoted(unpacked)}`"
    if "may not be read" in reason:
        return _mended(path, reason)
    return (
        "take it from https://github.com/zalandoresearch/fashion-mnist, or "
        "`unset VITRINE_DATA_DIR` to have it downloaded"
    )


def _writable(name: str, folder: Path) -> Iterator[Finding]:
    if folder.exists() and not folder.is_dir():
        yield problem(name, f"{folder} is no directory", "move it away, or set VITRINE_CACHE_DIR")
    elif not is_writable(folder):
        seen = f"{folder} cannot be written, so that each training downloads anew"
        yield note(name, seen, "`export VITRINE_CACHE_DIR=…`, a directory of your own")
