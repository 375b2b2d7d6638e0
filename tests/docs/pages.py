"""The pages of the documentation, and what tests look for in them."""

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent

_FOUND = ("*.md", "docs/*.md", "samples/*.md", "tests/*/*.md")
PAGES = {
    str(path.relative_to(ROOT)): path.read_text()
    for pattern in _FOUND
    for path in sorted(ROOT.glob(pattern))
    if path.name != "CHANGELOG.md"
}
"""Text by the path from the root; not of the changelog, which names commands that are gone."""

EVERYTHING = "\n".join(PAGES.values())

OFFICIAL_CLIENT = "import tritonclient"
"""What an example has that needs a client of others; `tests/clients` runs these."""

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_COMMENT = re.compile(r"\s+#\s.*$")


def fences(text: str) -> list[tuple[str, str]]:
    """Returns the language and the content of each code block."""
    return _FENCE.findall(text)


def prose(text: str) -> str:
    """Returns a page without its code blocks."""
    return _FENCE.sub("", text)


def spans(text: str) -> list[str]:
    """Returns what is set as code within lines."""
    return re.findall(r"`([^`\n]+)`", prose(text))


def command_lines(text: str) -> Iterator[str]:
    """Yields what a reader types: all of `sh` blocks, and of others what follows a `$ `.

    Lines that end in a backslash are joined, comments at their ends are left out.
    """
    for language, content in fences(text):
        joined = re.sub(r"\\\n\s*", "", content)
        for line in joined.splitlines():
            typed = line if language == "sh" else line.removeprefix("$ ")
            if language == "sh" or typed != line:
                yield _COMMENT.sub("", typed.removeprefix("$ "))


def anchors(text: str) -> set[str]:
    """Returns the anchors that a page's headings have on GitHub."""
    headings = re.findall(r"^#+ (.+)$", prose(text), re.MULTILINE)
    plain = (re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading) for heading in headings)
    found: set[str] = set()
    for heading in plain:
        anchor = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        number, name = 0, anchor
        while name in found:
            number += 1
            name = f"{anchor}-{number}"
        found.add(name)
    return found


def tables(text: str) -> list[list[dict[str, str]]]:
    """Returns the rows of each table, by the column's heading."""
    found: list[list[dict[str, str]]] = []
    for block in re.findall(r"(?:^\|.*\|\n)+", prose(text) + "\n", re.MULTILINE):
        head, _, *rows = (_cells(line) for line in block.splitlines())
        found.append([dict(zip(head, row, strict=True)) for row in rows])
    return found


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
