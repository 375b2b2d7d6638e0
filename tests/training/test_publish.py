"""A version is whole or absent."""

import subprocess
import sys
from pathlib import Path

import pytest

from vitrine_training import publish


def write(directory: Path, version: int) -> None:
    (directory / "variables").mkdir(parents=True)
    (directory / "saved_model.pb").write_text(str(version))


def test_versions_count_up(tmp_path):
    """The first version is 1, and the next is one more than the newest, whatever is missing."""
    assert publish.publish(tmp_path, "mlp", write) == tmp_path / "mlp" / "1"
    (tmp_path / "mlp" / "10").mkdir()
    assert publish.publish(tmp_path, "mlp", write) == tmp_path / "mlp" / "11"
    assert publish.versions(tmp_path, "mlp") == [1, 10, 11]
    assert publish.latest(tmp_path, "mlp").name == "11"
    assert (tmp_path / "mlp" / "11" / "saved_model.pb").read_text() == "11"


def test_nothing_published_yet(tmp_path):
    """An unknown model has no versions, and asking for the latest says how to get one."""
    assert publish.versions(tmp_path, "mlp") == []
    with pytest.raises(FileNotFoundError, match="vitrine-train train mlp"):
        publish.latest(tmp_path, "mlp")


def test_a_failed_write_leaves_nothing(tmp_path):
    """An error while writing passes through and leaves no version and no rubbish."""

    def full_disk(directory: Path, version: int) -> None:
        write(directory, version)
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        publish.publish(tmp_path, "mlp", full_disk)
    assert publish.versions(tmp_path, "mlp") == []
    assert [entry.name for entry in (tmp_path / "mlp").iterdir()] == [".lock"]


PUBLISHER = """
import os, signal, sys
from pathlib import Path
from vitrine_training.publish import publish

def write(directory, version):
    directory.mkdir()
    (directory / "saved_model.pb").write_text(str(version))
    print("writing", flush=True)
    if sys.stdin.readline() == "die\\n":
        os.kill(os.getpid(), signal.SIGKILL)

publish(Path(sys.argv[1]), "mlp", write)
"""


def start_publisher(models_dir: Path) -> "subprocess.Popen[str]":
    """Starts a publisher that stops in the middle of writing, until it is told to go on."""
    return subprocess.Popen(
        [sys.executable, "-c", PUBLISHER, str(models_dir)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_a_killed_publisher_is_tidied_up_after(tmp_path):
    """kill -9 in the middle leaves no version, and the next publisher removes what it left."""
    victim = start_publisher(tmp_path)
    victim.communicate("die\n", timeout=60)
    assert victim.returncode == -9
    assert publish.versions(tmp_path, "mlp") == []
    assert list((tmp_path / "mlp").glob(".unfinished-*"))
    assert publish.publish(tmp_path, "mlp", write).name == "1"
    assert not list((tmp_path / "mlp").glob(".unfinished-*"))


def test_publishers_at_once_get_versions_of_their_own(tmp_path):
    """Four processes publish together, and four whole versions are there."""
    racers = [start_publisher(tmp_path) for _ in range(4)]
    for racer in racers:
        racer.stdin.write("go on\n")
        racer.stdin.flush()
    for racer in racers:
        racer.communicate(timeout=60)
        assert racer.returncode == 0
    assert publish.versions(tmp_path, "mlp") == [1, 2, 3, 4]
    for version in (1, 2, 3, 4):
        assert (tmp_path / "mlp" / str(version) / "saved_model.pb").read_text() == str(version)
