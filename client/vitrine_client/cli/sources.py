"""Picture sources: files, folders, globs, and standard input."""

import glob
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import click

from vitrine_client.cli.options import note
from vitrine_client.images import FORMATS, Picture
from vitrine_client.images.pictures import in_folder, left_out
from vitrine_client.process.addresses import without_password

STDIN = "-"

_KINDS = 5
"""Kinds of files that a note names, the most frequent first."""

_SCHEMES = ("http://", "https://")


def named(words: Sequence[str]) -> list[str]:
    """Returns the files that `words` name, in their order; `-` stands for itself.

    Raises `click.BadParameter` where a word names nothing, `OSError` for a folder that is closed.
    """
    if words.count(STDIN) > 1:
        raise click.BadParameter("- can be read once", param_hint="PICTURES")
    return [name for word in words for name in _files(word)]


def _files(word: str) -> list[str]:
    path = Path(word)
    if word != STDIN and path.is_dir():
        return _in_folder(word)
    if word == STDIN or path.exists():
        return [word]
    if word.startswith(_SCHEMES):
        raise click.BadParameter(
            f"{without_password(word)} is a URL, not a file; download it first, such as with "
            "curl -O",
            param_hint="PICTURES",
        )
    # A glob in quotes, or in a shell that leaves it to us.
    matches = glob.glob(word, recursive=True)  # absolute ones, too  # noqa: PTH207
    found = sorted(name for name in matches if Path(name).is_file())
    if not found:
        nothing = f"{word} matches no file" if glob.has_magic(word) else f"{word} is not there"
        raise click.BadParameter(nothing, param_hint="PICTURES")
    return found


def _in_folder(word: str) -> list[str]:
    found, others = in_folder(word), left_out(word)
    if not found:
        has = f"; it has {_counted(others)}" if others else ""
        raise click.BadParameter(
            f"{word} has no picture in it ({', '.join(FORMATS)}){has}; for those below: "
            f"'{Path(word)}/**'",
            param_hint="PICTURES",
        )
    if others:
        note(f"{word}: {_counted(others)} skipped: not named like pictures")
    return [str(file) for file in found]


def _counted(files: Sequence[Path]) -> str:
    """Returns how many files there are, and of which kinds: "3 files (2 .txt, 1 .svg)"."""
    kinds = Counter(file.suffix.lower() or "without a suffix" for file in files)
    told = [f"{count} {kind}" for kind, count in kinds.most_common(_KINDS)]
    more = ["…"] if len(kinds) > _KINDS else []
    return f"{len(files)} file{'s' * (len(files) != 1)} ({', '.join(told + more)})"


def read(name: str) -> bytes:
    """Returns the bytes of one of them. Raises `OSError`, and `click.BadParameter` where standard
    input is closed."""
    if name != STDIN:
        return Path(name).read_bytes()
    if sys.stdin is None:
        raise click.BadParameter("standard input is closed, so that - names nothing")
    return sys.stdin.buffer.read()


def opened(names: Iterable[str]) -> Iterator[Picture]:
    """Yields each as a client takes it, when its turn comes."""
    for name in names:
        yield read(STDIN) if name == STDIN else name
