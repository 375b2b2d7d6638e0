"""Hand-written lines of the members and of deploy/ at two commits, by package.

`python -m tests.house.lines BEFORE AFTER` prints them. Generated files do not count. Renames are
followed: a file counts under the package that it has after, and on both sides where it came into
these folders, or left them.
"""

import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from tests.house import tree

FOLDERS = (*tree.MEMBERS, "deploy")
SUFFIXES = (".py", ".json", ".yaml", ".yml", ".toml", ".html", ".js", ".css")
MADE_FROM = {
    "deploy/monitoring/grafana/dashboards/vitrine.json": "deploy/monitoring/grafana/dashboard.toml"
}
"""Generated files that were written by hand as long as a commit has not the file they come from."""

NOTHING = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
"""Git's name of the empty tree."""


@dataclass
class Lines:
    """Lines and files at two commits, by package."""

    before: Counter[str] = field(default_factory=Counter)
    after: Counter[str] = field(default_factory=Counter)
    files_before: Counter[str] = field(default_factory=Counter)
    files_after: Counter[str] = field(default_factory=Counter)


def package(name: str) -> str:
    """Returns the package that a file counts under; "" for none."""
    file = PurePosixPath(name)
    counts = file.suffix in SUFFIXES and file.parts[0] in FOLDERS and not tree.is_generated(file)
    return file.parts[0] if counts else ""


def counted(repository: Path, before: str, after: str) -> Lines:
    """Returns the lines at two commits of a repository."""
    now = _renames(repository, before, after)
    once = {new: old for old, new in now.items()}
    found = Lines()
    for name, lines in _files(repository, before).items():
        if under := package(now.get(name, name)) or package(name):
            found.before[under] += lines
            found.files_before[under] += 1
    for name, lines in _files(repository, after).items():
        if under := package(name) or package(once.get(name, name)):
            found.after[under] += lines
            found.files_after[under] += 1
    return found


def _git(repository: Path, *words: str) -> list[str]:
    command = ["git", "-C", str(repository), *words]
    return subprocess.run(command, capture_output=True, check=True, text=True).stdout.split("\0")


def _files(repository: Path, commit: str) -> dict[str, int]:
    """Returns the lines of each text file of a commit, but for those made from another."""
    rows = _git(repository, "diff", "--numstat", "--no-renames", "-z", NOTHING, commit)
    parts = [row.split("\t", 2) for row in rows if row]
    found = {name: int(lines) for lines, _, name in parts if lines != "-"}
    return {name: lines for name, lines in found.items() if MADE_FROM.get(name) not in found}


def _renames(repository: Path, before: str, after: str) -> dict[str, str]:
    """Returns the new names of renamed files, by the old ones."""
    options = ("--find-renames", "-l20000", "--diff-filter=R", "--name-status", "-z")
    rows = iter(_git(repository, "diff", *options, before, after)[:-1])
    return {next(rows): next(rows) for _ in rows}


def main(before: str, after: str) -> None:
    """Prints a table."""
    lines = counted(tree.ROOT, before, after)
    print(f"{'':10} {'before':>8} {'after':>8} {'change':>8}         files")
    for name in (*FOLDERS, "all"):
        names = FOLDERS if name == "all" else (name,)
        old, new, files, more = (
            sum(count[name] for name in names)
            for count in (lines.before, lines.after, lines.files_before, lines.files_after)
        )
        part = f"{(new - old) / old:+7.1%}" if old else ""
        print(f"{name:10} {old:8,} {new:8,} {new - old:+8,} {part:7}  {files} -> {more}")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("Two commits are needed: python -m tests.house.lines BEFORE AFTER")
    main(*sys.argv[1:])
