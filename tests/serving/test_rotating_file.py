"""A file that several processes append to, rotated by whoever finds it full."""

import multiprocessing
import resource
import stat

import pytest

from vitrine_serving.gateway.telemetry.rotating_file import RotatingFile

PROCESSES, LINES = 4, 1500


def write(path, writer: int, barrier) -> None:
    """What a process writes: lines of different lengths, some at a time, as fast as it can."""
    file = RotatingFile(path, max_bytes=4000, files=100)
    barrier.wait(30)
    for number in range(0, LINES, 3):
        lines = [f"{writer} {number + n} {'x' * (number % 50)}\n" for n in range(3)]
        file.append("".join(lines).encode())
    file.close()


def write_until_full(path, said) -> None:
    """Appends where the kernel takes 1,000 bytes of a file, and the rest no more."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
    file = RotatingFile(path, max_bytes=10**9, files=2)
    for _ in range(3):
        file.append(b"x" * 299 + b"\n")
    for size in (300, 101):
        try:
            file.append(b"y" * (size - 1) + b"\n")
        except OSError as error:
            said.put(str(error))
    file.append(b"z" * 99 + b"\n")


def test_no_line_is_torn_lost_or_doubled(tmp_path):
    """Four processes write at once and rotate many times: each line is there once, and whole."""
    path, context = tmp_path / "log", multiprocessing.get_context("fork")
    barrier = context.Barrier(PROCESSES)
    writers = [context.Process(target=write, args=(path, n, barrier)) for n in range(PROCESSES)]
    for each in writers:
        each.start()
    for each in writers:
        each.join(60)
        assert each.exitcode == 0
    files = sorted(tmp_path.iterdir())
    assert len(files) > 10
    assert all(file.stat().st_size <= 4000 for file in files)
    found = [line.split() for file in files for line in file.read_text().splitlines()]
    assert len(found) == PROCESSES * LINES
    assert {(int(writer), int(number)) for writer, number, *_ in found} == {
        (writer, number) for writer in range(PROCESSES) for number in range(LINES)
    }


def test_the_oldest_goes(tmp_path):
    """There are as many files as were asked for, .1 the newest that is full; all are private."""
    file = RotatingFile(tmp_path / "log", max_bytes=10, files=3)
    for number in range(5):
        file.append(f"line {number}\n".encode())
    file.close()
    assert {each.name: each.read_text() for each in tmp_path.iterdir()} == {
        "log": "line 4\n",
        "log.1": "line 3\n",
        "log.2": "line 2\n",
    }
    assert all(stat.S_IMODE(each.stat().st_mode) == 0o600 for each in tmp_path.iterdir())


def test_a_file_that_was_there_becomes_private(tmp_path):
    """Its lines stay, and nobody else reads it any more, rotated ones included."""
    path = tmp_path / "log"
    path.write_text("before\n")
    path.chmod(0o644)
    file = RotatingFile(path, max_bytes=10, files=3)
    for line in (b"one\n", b"two\n", b"three\n"):
        file.append(line)
    assert (tmp_path / "log.1").read_text() + path.read_text() == "one\ntwo\nthree\n"
    assert (tmp_path / "log.2").read_text() == "before\n"
    assert all(stat.S_IMODE(each.stat().st_mode) == 0o600 for each in tmp_path.iterdir())


def test_a_link_is_not_followed(tmp_path):
    """Neither at the first line nor when it takes the file's place later, be it to that very file;
    what it leads to stays as it was."""
    path, other = tmp_path / "log", tmp_path / "other"
    file = RotatingFile(path, max_bytes=100, files=2)
    file.append(b"one\n")
    path.rename(other)
    path.symlink_to(other)
    with pytest.raises(OSError, match="a symbolic link"):
        file.append(b"two\n")
    assert other.read_bytes() == b"one\n"


def test_one_file_alone_begins_anew(tmp_path):
    """Where only one may be kept, what it had is gone; a line may be longer than a file."""
    file = RotatingFile(tmp_path / "log", max_bytes=10, files=1)
    for line in (b"first\n", b"a longer one\n"):
        file.append(line)
    assert [each.read_bytes() for each in tmp_path.iterdir()] == [b"a longer one\n"]


def test_a_file_that_is_taken_away_is_made_again(tmp_path):
    """Who moves the file has what was in it; the next line goes to a new one."""
    path = tmp_path / "log"
    file = RotatingFile(path, max_bytes=1000, files=2)
    file.append(b"one\n")
    path.rename(tmp_path / "moved")
    file.append(b"two\n")
    assert (path.read_bytes(), (tmp_path / "moved").read_bytes()) == (b"two\n", b"one\n")


def test_where_the_disk_is_full_nothing_is_torn(tmp_path):
    """What does not fit is an error, and leaves the file as it was; what fits goes on."""
    path, context = tmp_path / "log", multiprocessing.get_context("fork")
    said = context.Queue()
    writer = context.Process(target=write_until_full, args=(path, said))
    writer.start()
    reasons = [said.get(timeout=30) for _ in range(2)]
    writer.join(30)
    assert writer.exitcode == 0
    assert reasons == [
        "only 100 of 300 bytes could be written",
        "only 100 of 101 bytes could be written",
    ]
    assert [line[:1] for line in path.read_text().splitlines()] == ["x", "x", "x", "z"]


def test_a_directory_that_is_gone_is_an_error_until_it_is_back(tmp_path):
    """Nothing is remembered of what could not be written."""
    file = RotatingFile(tmp_path / "logs" / "log", max_bytes=100, files=2)
    with pytest.raises(FileNotFoundError):
        file.append(b"one\n")
    (tmp_path / "logs").mkdir()
    file.append(b"two\n")
    assert (tmp_path / "logs" / "log").read_bytes() == b"two\n"
