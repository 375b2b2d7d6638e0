"""Words of docstrings: first words of modules and classes, and how often one word is used.

`python -m tests.house.words` prints the rate of "what" by member, the first lines to rewrite, and
the class names that are there twice.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from tests.house import tree

RIDDLES = {"what", "who", "which", "whether", "where", "how"}
"""First words of a clause that stands where the field has a noun."""

_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")


def words(text: str) -> list[str]:
    """Returns the words of a text in lower case, without the code in backquotes."""
    return _WORD.findall(re.sub(r"`[^`]*`", " ", text).lower())


def riddles() -> Iterator[str]:
    """Yields the place and the first line of each docstring that begins with one of `RIDDLES`."""
    for file in tree.hand_written():
        for owner, text in tree.docstrings(file):
            first = _WORD.search(text.lower())
            if isinstance(owner, ast.Module | ast.ClassDef) and first and first[0] in RIDDLES:
                yield f"{file}:{getattr(owner, 'lineno', 1)}: {text.splitlines()[0]}"


def counted(word: str) -> dict[str, tuple[int, int]]:
    """Returns how often a word is used, and the number of all words, by member."""
    found = dict.fromkeys(tree.MEMBERS, (0, 0))
    for file in tree.hand_written():
        used, total = found[file.parts[0]]
        for _, text in tree.docstrings(file):
            each = words(text)
            used, total = used + each.count(word), total + len(each)
        found[file.parts[0]] = used, total
    return found


def rate(counts: list[tuple[int, int]]) -> float:
    """Returns uses in 1,000 words."""
    return 1000 * sum(used for used, _ in counts) / sum(total for _, total in counts)


def classes() -> dict[str, list[PurePosixPath]]:
    """Returns the files that define a class, by its public name."""
    found: dict[str, list[PurePosixPath]] = {}
    for file, source in tree.hand_written().items():
        for node in ast.walk(source):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found.setdefault(node.name, []).append(file)
    return found


def main() -> None:
    """Prints them."""
    counts = counted("what")
    for member, (used, total) in counts.items():
        print(f"{member}: {used} in {total:,} words, {rate([(used, total)]):.1f} in 1,000")
    print(f"all: {rate([*counts.values()]):.1f} in 1,000")
    print(*riddles(), sep="\n")
    for name, files in classes().items():
        if len(files) > 1:
            print(f"{name}: {' '.join(map(str, files))}")


if __name__ == "__main__":
    main()
