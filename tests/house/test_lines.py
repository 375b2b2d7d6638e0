"""The count of hand-written lines, in a repository of a few files."""

import subprocess
from pathlib import Path

from tests.house import lines


def git(folder: Path, *words: str) -> str:
    identity = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
    command = ["git", "-C", str(folder), *identity, *words]
    return subprocess.run(command, capture_output=True, check=True, text=True).stdout.strip()


def commit(folder: Path, files: dict[str, int]) -> str:
    """Writes files of so many lines, and nothing else, and returns the commit."""
    for name in git(folder, "ls-files").splitlines():
        (folder / name).unlink()
    for name, count in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        text = [f"{Path(name).stem} of {count}: {number}\n" for number in range(count)]
        (folder / name).write_text("".join(text))
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "files")
    return git(folder, "rev-parse", "HEAD")


def test_lines_by_package(tmp_path):
    """What moves counts where it is now, before too; what is generated or no source, never."""
    git(tmp_path, "init", "--quiet")
    before = commit(
        tmp_path,
        {
            "client/gone.py": 5,
            "client/stays.py": 10,
            "client/x_pb2.py": 100,
            "client/notes.md": 100,
            "compose.yml": 20,
            "serving/to_tests.py": 40,
            "training/to_client.py": 30,
        },
    )
    after = commit(
        tmp_path,
        {
            "client/stays.py": 9,
            "client/store/to_client.py": 30,
            "client/x_pb2.py": 50,
            "deploy/compose.yml": 20,
            "serving/new.js": 7,
            "tests/to_tests.py": 40,
            "tests/test_new.py": 60,
        },
    )
    found = lines.counted(tmp_path, before, after)
    assert found.before == {"client": 45, "deploy": 20, "serving": 40}
    assert found.after == {"client": 39, "deploy": 20, "serving": 47}
    assert (found.files_before["client"], found.files_after["client"]) == (3, 2)


def test_a_file_that_became_generated_was_written_by_hand(tmp_path):
    """The dashboard counts as long as there is no table that it is made from, and never with it."""
    git(tmp_path, "init", "--quiet")
    ((made, table),) = lines.MADE_FROM.items()
    before = commit(tmp_path, {made: 100})
    after = commit(tmp_path, {made: 100, table: 20})
    found = lines.counted(tmp_path, before, after)
    assert (found.before["deploy"], found.after["deploy"]) == (100, 20)


def test_the_same_commit_has_the_same_lines():
    """At HEAD of this repository nothing differs from itself, and each member has lines."""
    found = lines.counted(lines.tree.ROOT, "HEAD", "HEAD")
    assert found.before == found.after
    assert set(lines.tree.MEMBERS) <= set(found.before)
