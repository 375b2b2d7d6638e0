"""Version policy: the versions of a model that are loaded, of those in its directory."""

import re
import stat
from dataclasses import dataclass
from pathlib import Path

# What TensorFlow Serving's parser takes for an integer; Python's takes `1_0` as well.
_INTEGER = re.compile(r"\s*[+-]?[0-9]+\s*", re.ASCII)
_INT64 = range(-(2**63), 2**63)


@dataclass(frozen=True)
class VersionDirectory:
    """Version directory; unequal as soon as it is replaced or gets other entries."""

    path: Path
    inode: int
    mtime_ns: int


def wanted_versions(
    base_path: Path, latest: int, specific: tuple[int, ...] | None
) -> dict[int, VersionDirectory]:
    """Looks at the disk and returns the versions to serve, of those that are there: the `latest`
    newest, all for 0; or the `specific` ones.

    `007` is version 7, and of `7` and `007` the last in the alphabet counts, as with TensorFlow
    Serving. It takes files for versions too, which then fail to load; here they are none.
    Raises `OSError`, also where there is no `base_path`.
    """
    there: dict[int, VersionDirectory] = {}
    for path in sorted(base_path.iterdir()):
        if not _INTEGER.fullmatch(path.name) or int(path.name) not in _INT64:
            continue
        try:
            found = path.stat()
        except FileNotFoundError:  # removed while we look
            continue
        if stat.S_ISDIR(found.st_mode):
            there[int(path.name)] = VersionDirectory(path, found.st_ino, found.st_mtime_ns)
    if specific is not None:
        return {number: there[number] for number in specific if number in there}
    newest = sorted(there, reverse=True)[: latest or None]
    return {number: there[number] for number in newest}
