"""A version is whole or absent."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from vitrine_training.publish import versions as publish


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
    with pytest.raises(FileNotFoundError, match="has no version; models with one: none"):
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


@pytest.mark.parametrize(
    ("there", "expected"),
    [
        ([str(2**63), "9" * 30, "9" * 250], 1),
        (["007", ".retired-9", f".retired-{2**64}"], 10),
        (["-3", "1e6", "2.0", " 4", "v5", "²", "a\nb", "\udcff", "__pycache__"], 1),
        ([str(2**63 - 2)], 2**63 - 1),
    ],
)
def test_the_next_version_is_one_that_a_server_takes(tmp_path, there, expected):
    """Whatever lies beside the versions; what is beyond int64 is none."""
    for name in there:
        (tmp_path / "mlp" / name).mkdir(parents=True)
    publish.rehearse(tmp_path, "mlp", 1000)
    assert publish.publish(tmp_path, "mlp", write).name == str(expected)
    assert publish.versions(tmp_path, "mlp")[-1] == expected


@pytest.mark.parametrize("make", [Path.touch, lambda path: path.symlink_to("nowhere")])
def test_a_file_with_a_number_for_its_name_is_left_alone(tmp_path, make):
    """No version can take its place."""
    (tmp_path / "mlp").mkdir()
    make(tmp_path / "mlp" / "3")
    assert publish.publish(tmp_path, "mlp", write).name == "4"


def test_numbers_that_are_used_up_are_known_at_the_rehearsal(tmp_path):
    """With what to remove; nothing is written."""
    last = tmp_path / "mlp" / str(2**63 - 1)
    last.mkdir(parents=True)
    for attempt in (
        lambda: publish.rehearse(tmp_path, "mlp", 1000),
        lambda: publish.publish(tmp_path, "mlp", write),
    ):
        with pytest.raises(OSError, match=f"{last} has the largest number .* remove or rename it"):
            attempt()
    assert {entry.name for entry in (tmp_path / "mlp").iterdir()} == {".lock", last.name}


PUBLISHER = """
import os, signal, sys
from pathlib import Path
from vitrine_training.publish.versions import publish

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


KILLER = """
import os, signal, sys
from pathlib import Path
from vitrine_training.publish import versions as publish

TRACED = ("publish/versions.py", "store/version_directories.py", "<string>")

def write(directory, version):
    (directory / "variables").mkdir(parents=True)
    (directory / "variables" / "data").write_text("x" * 100)
    (directory / "saved_model.pb").write_text(str(version))

def publish_until(line, models_dir):
    seen = 0
    def trace(frame, event, argument):
        nonlocal seen
        if not frame.f_code.co_filename.endswith(TRACED):
            return None
        if event == "line":
            seen += 1
            if seen == line:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace
    sys.settrace(trace)
    publish.publish(models_dir, "mlp", write)
    os._exit(0)

for line in range(1, 1000):
    models_dir = Path(sys.argv[1]) / str(line)
    child = os.fork()
    if not child:
        publish_until(line, models_dir)
    if os.waitpid(child, 0)[1] != signal.SIGKILL:
        break
"""


def test_killed_at_any_line_a_version_is_whole_or_absent(tmp_path):
    """kill -9 at each line of a publish in turn; then the next publisher gets on as if nothing
    had been."""
    subprocess.run([sys.executable, "-c", KILLER, str(tmp_path)], check=True, timeout=120)
    killed = sorted(tmp_path.iterdir(), key=lambda path: int(path.name))
    outcomes = []
    for models_dir in killed:
        before = publish.versions(models_dir, "mlp")
        outcomes.append(before)
        for version in before:
            directory = models_dir / "mlp" / str(version)
            assert (directory / "saved_model.pb").read_text() == str(version)
            assert (directory / "variables" / "data").read_text() == "x" * 100
        assert publish.publish(models_dir, "mlp", write).name == str(len(before) + 1)
        left = {path.name for path in (models_dir / "mlp").iterdir()}
        assert left == {".lock", *map(str, range(1, len(before) + 2))}
    assert len(killed) > 40
    assert outcomes[0] == []
    assert outcomes[-1] == [1]


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


def test_rollback_goes_back_and_forth(tmp_path):
    """The newest version is set aside, not deleted, and comes back on request, in order."""
    for _ in range(3):
        publish.publish(tmp_path, "mlp", write)
    assert publish.rollback(tmp_path, "mlp").name == "2"
    assert publish.rollback(tmp_path, "mlp").name == "1"
    assert (publish.versions(tmp_path, "mlp"), publish.retired(tmp_path, "mlp")) == ([1], [2, 3])
    with pytest.raises(publish.RollbackError, match="only version"):
        publish.rollback(tmp_path, "mlp")
    assert [path.name for path in publish.kept(tmp_path, "mlp")] == [
        *("1", ".retired-2", ".retired-3")
    ]
    assert publish.restore(tmp_path, "mlp").name == "2"
    assert publish.restore(tmp_path, "mlp").name == "3"
    assert (tmp_path / "mlp" / "3" / "saved_model.pb").read_text() == "3"
    with pytest.raises(publish.RollbackError, match="no rollback to undo"):
        publish.restore(tmp_path, "mlp")
    with pytest.raises(publish.RollbackError, match="no version"):
        publish.rollback(tmp_path, "nope")


def test_a_number_is_never_used_twice(tmp_path):
    """After a rollback the next version gets a number of its own, and cannot be undone past."""
    for _ in range(2):
        publish.publish(tmp_path, "mlp", write)
    publish.rollback(tmp_path, "mlp")
    assert publish.publish(tmp_path, "mlp", write).name == "3"
    with pytest.raises(publish.RollbackError):
        publish.restore(tmp_path, "mlp")


@pytest.mark.parametrize("name", ["\u0663", "\u00b2", "+3", "3.0", " 3", "1_0", "v3"])
def test_other_names_than_ascii_digits_are_no_versions(tmp_path, name):
    """As for TensorFlow Serving; Python's own `int` and `isdecimal` take some of them."""
    (tmp_path / "mlp" / name).mkdir(parents=True)
    (tmp_path / "mlp" / f".retired-{name}").mkdir()
    assert publish.versions(tmp_path, "mlp") == publish.retired(tmp_path, "mlp") == []
    assert publish.publish(tmp_path, "mlp", write).name == "1"


def test_models_are_those_with_a_version(tmp_path):
    """A directory without a version is no model."""
    assert publish.models(tmp_path / "nowhere") == []
    publish.publish(tmp_path, "mlp", write)
    (tmp_path / "empty").mkdir()
    assert publish.models(tmp_path) == ["mlp"]


def test_a_rehearsal_leaves_nothing(tmp_path):
    """But the folder and its lock; what a killed publisher left is gone, too."""
    (tmp_path / "mlp" / ".unfinished-3").mkdir(parents=True)
    publish.rehearse(tmp_path, "mlp", 5_000_000)
    assert [path.name for path in (tmp_path / "mlp").iterdir()] == [".lock"]


def test_a_rehearsal_knows_a_disk_that_is_too_small(tmp_path):
    """In an instant, and with what is needed."""
    size = 2 * shutil.disk_usage(tmp_path).total
    with pytest.raises(OSError, match=rf"\({size / 1e6:.1f} MB are needed\).*mlp"):
        publish.rehearse(tmp_path, "mlp", size)
    assert [path.name for path in (tmp_path / "mlp").iterdir()] == [".lock"]


def test_a_lock_that_is_held_is_waited_for_at_the_rehearsal(tmp_path):
    """So that it is no surprise at the end; and that it waits, and for what, is told."""
    said, holder = [], start_publisher(tmp_path)
    assert holder.stdout.readline() == "writing\n"

    def let_go(line: str) -> None:
        said.append(line)
        holder.stdin.write("go on\n")
        holder.stdin.flush()

    publish.rehearse(tmp_path, "mlp", 1000, let_go)
    assert said == [f"waiting for who holds {tmp_path / 'mlp' / '.lock'}"]
    holder.communicate(timeout=60)
    assert publish.versions(tmp_path, "mlp") == [1]


SOMEBODY = """
import os, sys
from pathlib import Path
from vitrine_training.publish import versions as publish
os.setgroups([]); os.setgid(12345); os.setuid(12345)
try:
    publish.rehearse(Path(sys.argv[1]), "mlp", 1000)
except OSError as error:
    print(error)
else:
    print("could be published")
"""

OF_ROOT = {
    "a lock that may be read": lambda folder: (folder / ".lock").touch(0o644),
    "a lock": lambda folder: (folder / ".lock").touch(0o600),
    "the folder": lambda folder: folder.chmod(0o755),
    "a leftover": lambda folder: (folder / ".unfinished-2" / "variables").mkdir(parents=True),
}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody else")
@pytest.mark.parametrize("kind", OF_ROOT)
def test_what_is_another_users_is_known_at_the_rehearsal(kind):
    """Only a lock that may be read is no hindrance."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o777)
        folder = Path(name) / "mlp"
        folder.mkdir()
        folder.chmod(0o777)
        OF_ROOT[kind](folder)
        done = subprocess.run(
            [sys.executable, "-c", SOMEBODY, name], capture_output=True, text=True, timeout=60
        )
    assert not done.stderr
    told = "could be published" if kind == "a lock that may be read" else "Permission denied"
    assert told in done.stdout
    if told == "Permission denied":
        assert str(folder) in done.stdout
