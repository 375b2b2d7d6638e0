"""SavedModel: why a version directory can't be loaded, found without TensorFlow."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from vitrine_client.doctor.data.tensor_bundle import shard_sizes
from vitrine_client.doctor.file import content_of, quoted

_SHARD = re.compile(r"variables\.data-(\d{5})-of-(\d{5})")


def wrong_version(version: Path) -> tuple[str, str] | None:
    """Returns why a version directory can't be loaded and advice, None where it can.

    `.broken` is a name that no model server takes for a version.
    """
    for each in _walk(version):
        if not os.access(each, os.R_OK):
            todo = f"have its owner `chmod -R a+rX {quoted(version)}`"
            return f"{each} may not be read by this user, or leads nowhere", todo
    aside = version.with_name(f".broken-{version.name}")
    todo = f"publish another, and set this one aside: `mv {quoted(version)} {quoted(aside)}`"
    reason = _wrong_graph(version) or _wrong_variables(version / "variables")
    return (reason, todo) if reason else None


def _walk(folder: Path) -> Iterator[Path]:
    yield folder
    for parent, folders, files in os.walk(folder):
        for each in (*folders, *files):
            yield Path(parent) / each


def _wrong_graph(version: Path) -> str:
    names = ("saved_model.pb", "saved_model.pbtxt")
    graphs = [path for name in names if (path := version / name).exists()]
    if not graphs:
        return "no saved_model.pb in it"
    if not graphs[0].is_file():
        return f"{graphs[0].name} is no regular file"
    return "" if graphs[0].stat().st_size else f"{graphs[0].name} is empty"


def _wrong_variables(folder: Path) -> str:
    try:
        least = shard_sizes(content_of(folder / "variables.index"))
    except FileNotFoundError:
        return "no variables/variables.index in it"
    except OSError as error:
        if isinstance(error, PermissionError):
            raise
        return f"variables/variables.index cannot be read ({error.strerror})"
    except ValueError as error:
        return f"variables/variables.index is damaged: {error}"
    shards = {
        int(found[1]): path for path in folder.iterdir() if (found := _SHARD.fullmatch(path.name))
    }
    for number, size in least.items():
        if number not in shards:
            return f"no variables/variables.data-{number:05}-of-… in it"
        found_size = shards[number].stat().st_size
        if found_size < size:
            name = shards[number].name
            return f"variables/{name} is cut off: {found_size:,} bytes, of {size:,}"
    return ""
