"""Feedback log: one label a picture, whoever writes, and what becomes of it where it can't."""

import asyncio
import fcntl
import json
import multiprocessing
import resource
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from harness.waiting import wait_for
from vitrine_client.errors import NotStored, Unavailable
from vitrine_serving.gateway.telemetry.feedback import FeedbackLog, Flag, Flagged
from vitrine_serving.gateway.telemetry.feedback import log as feedback_log
from vitrine_serving.gateway.telemetry.feedback.flag_index import FlagIndex
from vitrine_serving.gateway.telemetry.feedback.flags import line_of, read_line
from vitrine_serving.gateway.telemetry.feedback.log import FeedbackLogError, FeedbackSettings

WAIT_S = 60


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "feedback.jsonl"


def flag(request_id: str, label: str = "Bag", index: int = 0) -> Flag:
    return Flag(request_id, index, "mlp", None, 8, label, "ann")


def opened(path: Path, **settings) -> FeedbackLog:
    return FeedbackLog(FeedbackSettings(feedback_log=path, **settings))


def note(log: FeedbackLog, *flags: Flag, timeout_s: float = WAIT_S) -> list[Flagged | None]:
    """What came of each, all at once."""

    async def noted() -> list[Flagged | None]:
        return await asyncio.gather(*(log.note(each, timeout_s) for each in flags))

    return asyncio.run(noted())


def ids(path: Path) -> list[str]:
    return [json.loads(line)["request_id"] for line in path.read_text().splitlines()]


def files(path: Path) -> list[Path]:
    return sorted(path.parent.glob(f"{path.name}*"))


BAG = Flagged("mlp", "Bag")


def test_two_gateways_see_each_others_flags(path):
    """Each reads what the other has appended since."""
    one, two = opened(path), opened(path)
    assert note(one, flag("a"), flag("b")) == [None, None]
    assert note(two, flag("a", "Coat"), flag("c")) == [BAG, None]
    assert note(one, flag("c", "Coat"), flag("a"), flag("a", index=1)) == [BAG, BAG, None]
    assert ids(path) == ["a", "b", "c", "a"]


def test_models_that_were_asked_with_one_id(path):
    """Each has an answer of its own, and so a label."""
    other = Flag("a", 0, "photo", None, 4, "Coat", "ann")
    for log in (opened(path), opened(path)):
        found = note(log, flag("a"), other)
    assert found == [BAG, Flagged("photo", "Coat")]


def test_pictures_of_a_class_share_what_is_kept():
    """There may be a hundred thousand."""
    ones = [read_line(line_of(flag(name))) for name in "ab"]
    assert ones[0][1] is ones[1][1]


def _flag_all(path: Path, label: str, count: int, results: multiprocessing.Queue) -> None:
    log = opened(path, feedback_log_max_bytes=10_000, feedback_log_files=20)
    found = note(log, *(flag(str(number), label) for number in range(count)))
    results.put(sum(each is None for each in found))


@pytest.mark.parametrize("count", [200, pytest.param(1000, marks=pytest.mark.wide)])
def test_processes_that_flag_the_same_at_once(path, count):
    """Each picture gets one label, whoever comes first; no line is torn, also over rotations."""
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    asking = [
        context.Process(target=_flag_all, args=(path, label, count, results))
        for label in ("Bag", "Coat", "Dress")
    ]
    for each in asking:
        each.start()
    first = [results.get(timeout=WAIT_S) for _ in asking]
    for each in asking:
        each.join(WAIT_S)
    assert sum(first) == count
    noted = [name for each in files(path) for name in ids(each)]
    assert len(files(path)) > 1
    assert sorted(noted) == sorted(map(str, range(count)))


def test_flags_are_known_while_their_file_is_there(path):
    """Also by a gateway that is started later; then they are forgotten by all alike."""
    settings = {"feedback_log_max_bytes": 4096, "feedback_log_files": 2}
    old = opened(path, **settings)
    note(old, flag("first"))
    number = 0
    while len(files(path)) < 2:
        note(old, flag(f"{number}"))
        number += 1
    assert "first" in ids(files(path)[1])
    for log in (old, opened(path, **settings)):
        assert note(log, flag("first", "Coat")) == [BAG]
    files(path)[1].unlink()
    assert note(old, flag("first", "Coat")) == [None]


def test_a_new_file_is_not_taken_for_the_one_before(path):
    """One that is rotated to nowhere leaves its inode to the next, which may be as long."""
    log = opened(path, feedback_log_files=1)
    note(log, flag("a"))
    before = path.read_bytes()
    path.unlink()
    path.write_bytes(before.replace(b'"a"', b'"b"'))
    assert note(log, flag("a", "Coat"), flag("b", "Coat")) == [None, BAG]


def test_a_file_that_was_edited_is_read_again(path):
    """Whoever runs the gateway takes out a line, and its picture can be flagged once more."""
    log = opened(path)
    note(log, flag("a"), flag("b"))
    first, _ = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(first)
    assert note(log, flag("a", "Coat"), flag("b", "Coat")) == [BAG, None]


def test_a_class_may_have_an_empty_name(path):
    """Its flag is known as any other; what there is not is left out of the line."""
    assert note(opened(path), Flag("a", 0, "mlp", None, 8, "", "")) == [None]
    assert note(opened(path), flag("a")) == [Flagged("mlp", "")]
    (line,) = path.read_text().splitlines()
    assert sorted(json.loads(line)) == ["class_id", "index", "label", "model", "request_id", "time"]


@pytest.mark.parametrize("ending", [b"\n", b""])
def test_an_edited_file_that_grew_again_is_read_again(path, ending):
    """It keeps its inode, and is longer than what was read of it before."""
    old = opened(path)
    note(old, flag("a"), flag("b"), flag("c"))
    path.write_bytes(path.read_bytes().removesuffix(b"\n") + ending)
    assert note(old, flag("c")) == [BAG]
    _, *others = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(others))
    note(opened(path), *(flag(f"longer {number}") for number in range(3)))
    found = note(old, flag("a", "Coat"), flag("b", "Coat"), flag("longer 0", "Coat"))
    assert found == [None, BAG, BAG]


def test_a_line_without_end_that_was_taken_out_is_forgotten(path):
    """As any other."""
    log = opened(path)
    note(log, flag("a"), flag("b"))
    path.write_bytes(path.read_bytes().removesuffix(b"\n"))
    assert note(log, flag("b")) == [BAG]
    first, _ = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(first)
    assert note(log, flag("b", "Coat")) == [None]


@pytest.mark.parametrize(
    "broken",
    [
        b'{"time":"2026-11-30T',
        b"\n\n[]\n{}\nnull\n\xff\xfe\n1\n",
        b'{"request_id":1,"index":0,"model":"mlp","label":"Bag"}\n',
        b'{"request_id":"a","index":true,"model":"mlp","label":"Bag"}\n',
        b"[" * 100_000 + b"\n",
    ],
)
def test_broken_lines_are_passed_over(path, broken):
    """Half a line of a process that was killed spoils no other."""
    path.write_bytes(broken)
    log = opened(path)
    assert note(log, flag("a"), flag("b")) == [None, None]
    assert note(opened(path), flag("a"), flag("b")) == [BAG, BAG]
    *_, a, b = path.read_bytes().splitlines()
    assert [json.loads(line)["request_id"] for line in (a, b)] == ["a", "b"]


def test_a_last_line_without_end_counts(path):
    """As an editor may leave it."""
    note(opened(path), flag("a"))
    path.write_bytes(path.read_bytes().removesuffix(b"\n"))
    log = opened(path)
    assert note(log, flag("a", "Coat"), flag("b")) == [BAG, None]
    assert ids(path) == ["a", "b"]


def test_a_long_log_is_read_in_pieces(path):
    """Lines that begin in one piece and end in the next are whole."""
    flags = [flag(f"{number}-{'x' * 100}") for number in range(8000)]
    path.write_bytes(b"".join(map(line_of, flags)))
    assert path.stat().st_size > 3 << 19  # a piece and a half
    index = FlagIndex(path, 1)
    index.refresh()
    assert all(index.find(each.place) == BAG for each in flags)
    index.close()


@contextmanager
def held(path: Path) -> Iterator[None]:
    with path.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def test_a_lock_is_waited_for_no_longer_than_the_request(path, caplog):
    """It says when to come again; what nobody waits for any more is not written later."""
    path.touch()
    log = opened(path)
    with held(path):
        for name in ("a", "b"):
            with pytest.raises(Unavailable, match="log is busy; send it again later"):
                note(log, flag(name), timeout_s=0.05)
    (said,) = [record.getMessage() for record in caplog.records]
    assert said == f"{path}: it is locked, or its disk is slow; what people flag is not noted"
    assert note(log, flag("c")) == [None]
    assert ids(path) in (["c"], ["a", "c"])


def test_too_many_do_not_wait(path, monkeypatch):
    """They are refused at once."""
    monkeypatch.setattr(feedback_log, "_MOST_WAITING", 0)
    with pytest.raises(Unavailable, match="Too many flags"):
        note(opened(path), flag("a"))


def waiting_at_the_end(path: Path, log: FeedbackLog, *, is_held: bool) -> list:
    """What came of three flags that waited for a lock as the log was closed."""

    async def closed() -> list:
        with held(path):
            tasks = [asyncio.create_task(log.note(flag(name), WAIT_S)) for name in "abc"]
            await asyncio.sleep(0)
            if is_held:
                log.close()
        if not is_held:
            log.close()
        return await asyncio.gather(*tasks)

    return asyncio.run(closed())


def test_the_end_writes_what_waits(path, caplog, monkeypatch):
    """Whoever sent it is told so."""
    monkeypatch.setattr(feedback_log, "_CLOSE_S", WAIT_S)
    path.touch()
    log = opened(path)
    assert waiting_at_the_end(path, log, is_held=False) == [None] * 3
    assert ids(path) == ["a", "b", "c"]
    assert not caplog.records


def test_what_waits_at_the_end_is_told(path, caplog, monkeypatch):
    """Whoever holds the file's lock to the end keeps flags out of it."""
    monkeypatch.setattr(feedback_log, "_CLOSE_S", 0.1)
    path.touch()
    waiting_at_the_end(path, opened(path), is_held=True)
    (said,) = [record.getMessage() for record in caplog.records]
    assert said == (f"{path}: 3 could not be written before the end; what people flag is not noted")


def test_a_machine_without_threads(path, caplog, monkeypatch):
    """It is told as what cannot be written, and the next flag tries again."""

    def refuse(thread):
        raise RuntimeError("can't start new thread")

    log = opened(path)
    with monkeypatch.context() as without:
        without.setattr(threading.Thread, "start", refuse)
        with pytest.raises(NotStored, match="its own log says why"):
            note(log, flag("a"))
        log.close()
    assert "can't start new thread" in caplog.text
    assert note(log, flag("b")) == [None]
    assert ids(path) == ["b"]


def _as_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _as_link(path: Path) -> None:
    path.replace(path.with_name("there"))
    path.symlink_to("there")


def _gone(path: Path) -> None:
    path.unlink()
    path.parent.rmdir()


@pytest.mark.parametrize("spoil", [_as_directory, _as_link, _gone])
def test_a_file_that_cannot_be_written(tmp_path, caplog, spoil):
    """The refusal says so, the log says why, and it goes on once that is mended."""
    path = tmp_path / "folder" / "log"
    path.parent.mkdir()
    log = opened(path)
    note(log, flag("a"))
    spoil(path)
    for _ in range(2):
        with pytest.raises(NotStored, match="its own log says why"):
            note(log, flag("b"))
    (said,) = [record.getMessage() for record in caplog.records]
    assert said.endswith("; what people flag is not noted")
    if path.parent.exists():
        path.rmdir() if path.is_dir() else path.unlink()
    path.parent.mkdir(exist_ok=True)
    assert note(log, flag("b")) == [None]
    assert ids(path) == ["b"]


def test_a_rotated_file_that_cannot_be_renamed_is_named(path, caplog):
    """Its name, and not the log's own alone; a start with it fails."""
    log = opened(path, feedback_log_max_bytes=4096, feedback_log_files=2)
    note(log, *(flag(str(number)) for number in range(20)))
    rotated = path.with_name(f"{path.name}.1")
    rotated.mkdir()
    with pytest.raises(NotStored):
        note(log, *(flag(f"more {number}") for number in range(40)))
    (said,) = {record.getMessage() for record in caplog.records}
    assert said.endswith(f"({rotated}); what people flag is not noted")
    with pytest.raises(FeedbackLogError, match=rf"Is a directory \({rotated}\); name a file"):
        feedback_log.check(FeedbackSettings(feedback_log=path))
    feedback_log.check(FeedbackSettings(feedback_log=path, feedback_log_files=1))


def _flag_beyond_limit(path: Path, results: multiprocessing.Queue) -> None:
    """A process whose files may have no more than some bytes, as on a disk that is full."""
    log = opened(path)
    note(log, flag("a"))
    most = path.stat().st_size + 20
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    try:
        note(log, flag("b"))
    except NotStored as error:
        results.put(str(error))


@pytest.mark.wide  # beside test_rotating_file
def test_a_full_disk_leaves_no_half_line(path):
    """What could be written of a line is taken back."""
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    asking = context.Process(target=_flag_beyond_limit, args=(path, results))
    asking.start()
    assert "not noted" in results.get(timeout=WAIT_S)
    asking.join(WAIT_S)
    assert ids(path) == ["a"]
    assert path.read_bytes().endswith(b"\n")


def test_files_that_are_gone_are_let_go_of(path):
    """Or their blocks would stay on the disk."""
    log = opened(path, feedback_log_max_bytes=4096, feedback_log_files=2)
    for number in range(100):
        note(log, flag(str(number)))
    assert not [each for each in _open_below(path.parent) if "deleted" in each]
    log.close()
    wait_for(lambda: not _open_below(path.parent), 20, "closed files")


def _open_below(folder: Path) -> list[str]:
    links = []
    for each in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # other threads close theirs meanwhile
            links.append(str(each.readlink()))
    return [each for each in links if each.startswith(str(folder))]
