"""Sizes: no folder has more entries, and no file more lines, than a reader takes in."""

from collections import Counter
from pathlib import PurePosixPath

from tests.house import tree

ENTRIES = 16
LINES = 400
UNCOUNTED = {"__init__.py", "py.typed"}
"""Files that a folder has because it is a package."""


def lines(file: PurePosixPath) -> int:
    """Returns the number of lines; 0 of a file that is not text."""
    content = (tree.ROOT / file).read_bytes()
    return 0 if b"\0" in content else content.count(b"\n")


def test_no_folder_has_more_than_16_entries():
    files = {file for file in tree.tracked(*tree.MEMBERS) if file.name not in UNCOUNTED}
    folders = {folder for file in files for folder in file.parents if folder.name}
    entries = Counter(entry.parent for entry in files | folders)
    assert {str(folder): n for folder, n in entries.items() if n > ENTRIES and folder.name} == {}


def test_no_file_has_more_than_400_lines():
    files = [file for file in tree.tracked(*tree.MEMBERS) if not tree.is_generated(file)]
    assert {str(file): lines(file) for file in files if lines(file) > LINES} == {}
