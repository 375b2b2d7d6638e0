"""Which pictures are meant: files, folders, globs, and standard input."""

import glob
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import click

from vitrine_client.images import FORMATS, Picture
from vitrine_client.pictures import in_folder

STDIN = "-"


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
        found = [str(file) for file in in_folder(path)]
        nothing = (
            f"{word} has no picture in it ({', '.join(FORMATS)}); for those below: '{path}/**'"
        )
    elif word == STDIN or path.exists():
        return [word]
    else:  # a glob in quotes, or in a shell that leaves it to us
        matches = glob.glob(word, recursive=True)  # absolute ones, too  # noqa: PTH207
        found = sorted(name for name in matches if Path(name).is_file())
        nothing = f"{word} matches no file" if glob.has_magic(word) else f"{word} is not there"
    if not found:
        raise click.BadParameter(nothing, param_hint="PICTURES")
    return found


def read(name: str) -> bytes:
    """Returns what is in one of them. Raises `OSError`."""
    return sys.stdin.buffer.read() if name == STDIN else Path(name).read_bytes()


def opened(names: Iterable[str]) -> Iterator[Picture]:
    """Yields each as a client takes it, which opens it when its turn comes."""
    for name in names:
        yield sys.stdin.buffer if name == STDIN else name
