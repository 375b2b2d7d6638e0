"""Feedback files and prediction logs that are broken, rotated, hostile or not there."""

import base64
import gzip
import json
import os

import pytest

from tests.training.feedback.made_feedback import flagged, flags_file, logged, noise
from vitrine_training.data.feedback import flags, lines
from vitrine_training.data.feedback import logged as logs
from vitrine_training.data.idx import DataError

GOOD = flagged()
DEEP = b'{"a":' + b"[" * 200_000 + b"]" * 200_000 + b"}\n"

REFUSED = {
    "a picture": b"\x89PNG\r\n\x1a\n\0\0\0\r",
    "text": "hello\nworld\n",
    "no end of text": "hello",
    "zeros": b"\0" * 100_000,
    "not UTF-8": b'{"label": "\xff"}\n',
    "a list": "[1]\n",
    "a number": "1\n",
    "nested deep": DEEP,
    "NaN": '{"index": NaN}\n',
    "a number without end": '{"index": 1e999}\n',
    "a whole number without end": '{"index": ' + "9" * 5_000 + "}\n",
    "a member twice": '{"index": 1, "index": 2}\n',
    "a long line": b" " * 70_000 + b"{]\n",
    "a line of megabytes": b"x" * (3 << 20),
    "a mark before UTF-8": b"\xef\xbb\xbf" + json.dumps(GOOD).encode() + b"\n",
}


def wanted(*request_ids):
    return [flags.FlaggedPicture("m", each, 0, "Coat", "ann") for each in request_ids]


READERS = {
    "a feedback file": flags.read,
    "a prediction log": lambda paths: logs.read(paths, wanted("r0")),
}


@pytest.mark.parametrize("content", REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize("kind", READERS)
def test_a_file_of_nothing_else_is_refused(tmp_path, kind, content):
    """In one short sentence."""
    with pytest.raises(DataError, match=f"is not {kind} .*line 1: ") as refused:
        READERS[kind]([flags_file(tmp_path / "f", content)])
    assert len(str(refused.value)) < 400
    assert str(refused.value).isprintable()


WRONG = {
    "no label": {"label": None},
    "an empty label": {"label": ""},
    "a label without end": {"label": "x" * 2_000},
    "a number for a label": {"label": 3},
    "an index below 0": {"index": -1},
    "an index beyond all": {"index": 10**12},
    "a fraction of an index": {"index": 0.5},
    "true for an index": {"index": True},
    "text for an index": {"index": "0"},
    "a class id below 0": {"class_id": -1},
    "no class id": {"class_id": None},
    "a version beyond all": {"asked_version": 2**63},
    "text for a version": {"asked_version": "3"},
    "no time": {"time": "yesterday"},
    "a number for a time": {"time": 5},
    "no model": {"model": ""},
    "a list for a key": {"key": ["ann"]},
    "no key": {"key": None},
    "an object for a request": {"request_id": {}},
}


@pytest.mark.parametrize("changes", WRONG.values(), ids=WRONG)
def test_a_line_of_something_else_is_named(tmp_path, changes):
    path = flags_file(tmp_path / "f", GOOD, GOOD | changes)
    with pytest.raises(DataError, match=r"line 2 is no line of feedback \(`\w+` is "):
        flags.read([path])


@pytest.mark.parametrize("name", [name for name in GOOD if name != "key"])
def test_a_missing_member_is_named(tmp_path, name):
    line = {other: value for other, value in GOOD.items() if other != name}
    with pytest.raises(DataError, match=f"line 1 is no line of feedback .`{name}` is missing"):
        flags.read([flags_file(tmp_path / "f", line)])


def test_members_that_may_be_missing(tmp_path):
    """A line without a version or a key, as of a gateway without keys, and one with more."""
    line = {name: value for name, value in GOOD.items() if name != "key"}
    found = flags.read([flags_file(tmp_path / "f", line, GOOD | {"asked_version": 3, "new": []})])
    assert [each.key for each in found.every] == ["", "ann"]


TORN = {
    "at the end": [GOOD, '{"time": "2026'],
    "alone": ['{"time": "2026'],
    "in the middle": ['{"time": "2026\n', GOOD],
    "where the next one was written behind it": [GOOD, '{"ti' + json.dumps(GOOD) + "\n"],
    "a member twice": [GOOD, '{"a": 1, "a": 2}\n'],
    "too long": [GOOD, b"x" * 100_000 + b"\n", GOOD],
}


@pytest.mark.parametrize("content", TORN.values(), ids=TORN)
def test_a_broken_line_is_passed_over_and_told(tmp_path, content):
    """A writer that is killed leaves half of one."""
    found = flags.read([flags_file(tmp_path / "f", *content)])
    (note,) = found.notes
    assert note.startswith("a line is broken and passed over: ")
    assert len(found.every) == (GOOD in content)


def test_line_ends_and_blank_lines(tmp_path):
    """The last line may lack its end, and lines may end as Windows has them."""
    text = json.dumps(GOOD)
    path = flags_file(tmp_path / "f", f"\n{text}\r\n  \n", text)
    found = flags.read([path])
    assert (len(found.every), found.notes) == (1, ())


def test_an_empty_file_has_none(tmp_path):
    path = flags_file(tmp_path / "f")
    assert flags.read([path]).every == ()
    assert logs.read([path], []).pictures == {}


def no_file(folder):
    return folder / "nothing"


def pipe(folder):
    os.mkfifo(folder / "pipe")
    return folder / "pipe"


def loop(folder):
    (folder / "loop").symlink_to("loop")
    return folder / "loop"


def dangling(folder):
    (folder / "link").symlink_to("nothing")
    return folder / "link"


def below_a_file(folder):
    return flags_file(folder / "file") / "more"


def packed_and_cut(folder):
    path = folder / "f.gz"
    path.write_bytes(gzip.compress(os.urandom(1000))[:-20])
    return path


NO_FILES = {
    "nothing there": (no_file, "is not there"),
    "a folder": (lambda folder: folder, "is a folder"),
    "a pipe": (pipe, "is no regular file"),
    "a device": (lambda _: lines.Path("/dev/zero"), "is no regular file"),
    "a link to itself": (loop, "cannot be read"),
    "a link to nothing": (dangling, "is not there"),
    "a file for a folder": (below_a_file, "cannot be read"),
    "a zero byte": (lambda folder: folder / "a\0b", "cannot be read"),
    "a name without end": (lambda folder: folder / ("n" * 5_000), "cannot be read"),
    "a packed file that was cut": (packed_and_cut, "is damaged"),
}


@pytest.mark.parametrize(("made", "said"), NO_FILES.values(), ids=NO_FILES)
@pytest.mark.parametrize("kind", READERS)
def test_no_file_at_all(tmp_path, made, said, kind):
    with pytest.raises(DataError, match=said):
        READERS[kind]([made(tmp_path)])


def test_rotated_files_are_read_once(tmp_path):
    """Beside the file, also where it was just renamed; links beside it and other names are not."""
    named = tmp_path / "f"
    for number, suffix in enumerate(["", ".1", ".2", ".10"]):
        flags_file(tmp_path / f"f{suffix}", flagged(f"r{number}"))
    packed = gzip.compress((json.dumps(flagged("r4")) + "\n").encode())
    (tmp_path / "f.11.gz").write_bytes(packed)
    for other in ("f.0", "f.bak", "g.1", "f.01", "f.1.txt"):
        flags_file(tmp_path / other, flagged("no"))
    (tmp_path / "f.3").symlink_to("f.bak")
    (tmp_path / "f.4").mkdir()
    assert [log.path.name for log in lines.rotated([named, tmp_path / "f.1"])] == [
        *("f.11.gz", "f.10", "f.2", "f.1", "f")
    ]
    found = flags.read([tmp_path / "f.1", named])
    assert [each.request_id for each in found.every] == ["r0", "r1", "r2", "r3", "r4"]
    named.unlink()
    assert len(flags.read([named]).every) == 4


def renamed(path):
    path.rename(f"{path}.1")


def renamed_and_made(path):
    renamed(path)
    flags_file(path, flagged("new"))


def cut(path):
    path.write_bytes(b"")


ROTATIONS = {"renamed": renamed, "renamed and made anew": renamed_and_made, "copied and cut": cut}


@pytest.mark.parametrize("rotate", ROTATIONS.values(), ids=ROTATIONS)
@pytest.mark.parametrize("when", ["before it is opened", "while it is read"])
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_a_rotation_meanwhile_is_told(tmp_path, rotate, when, packed):
    """What was listed is elsewhere, and its lines would be missing without a word; a file that is
    only renamed while it is read is read to its end."""
    path = flags_file(tmp_path / "f", *(flagged(f"r{number}") for number in range(9)))
    if packed:
        path.write_bytes(gzip.compress(path.read_bytes()))
    (log,) = lines.rotated([path])
    read = lines.lines(log, 1 << 16)
    if when == "while it is read":
        next(read)
    rotate(path)
    if when == "while it is read" and rotate is not cut:
        assert len(list(read)) == 8
        return
    with pytest.raises(DataError, match="f was rotated meanwhile; give the command again"):
        list(read)


def test_a_file_that_grows_is_read(tmp_path):
    path = flags_file(tmp_path / "f", flagged("r0"))
    (log,) = lines.rotated([path])
    with path.open("ab") as file:
        file.write(json.dumps(flagged("r1")).encode() + b"\n")
    assert len(list(lines.lines(log, 1 << 16))) == 2


def test_too_many_flags(tmp_path, monkeypatch):
    monkeypatch.setattr(flags, "MOST_FLAGS", 3)
    path = flags_file(tmp_path / "f", *(flagged(f"r{number}") for number in range(4)))
    with pytest.raises(DataError, match="more than 3 different flags"):
        flags.read([path])


ONE = noise(1)[0]
BROKEN_LOG_LINES = {
    "more results than pictures": {"instances": []},
    "no text for a picture": {"instances": [5]},
    "no Base64": {"instances": ["%%%"]},
    "a picture without end": {"instances": ["A" * (6 << 20)]},
    "no list of pictures": {"instances": {}},
    "no list of results": {"results": 5},
    "a result that is none": {"results": [None]},
    "a number for a label": {"results": [{"label": 1}]},
    "no model": {"model": 1},
    "empty places that are none": {"empty": ["a"]},
    "empty places below 0": {"empty": [-1]},
}


@pytest.mark.parametrize("changes", BROKEN_LOG_LINES.values(), ids=BROKEN_LOG_LINES)
def test_a_broken_line_of_the_log_is_passed_over(tmp_path, changes):
    line = json.loads(logged("r0", ONE)) | changes
    found = logs.read([flags_file(tmp_path / "l", logged("r1", ONE), line)], wanted("r0", "r1"))
    assert len(found.notes) == 1
    assert found.pictures["m", "r1", 0].pngs
    assert ("m", "r0", 0) not in found.pictures or not found.pictures["m", "r0", 0].pngs


def test_lines_of_other_requests_are_not_parsed(tmp_path):
    """Whatever follows their id."""
    other = b'{"time": "t", "request_id": "other", ' + b"x" * (2 << 20) + b"\n"
    found = logs.read([flags_file(tmp_path / "l", other, logged("r0", ONE))], wanted("r0"))
    assert (list(found.pictures), found.notes) == ([("m", "r0", 0)], ())


def test_a_request_id_is_read_as_json_has_it(tmp_path):
    line = logged('a"\\b', ONE)
    assert b'a\\"\\\\b' in line
    found = logs.read([flags_file(tmp_path / "l", line)], wanted('a"\\b'))
    assert found.pictures["m", 'a"\\b', 0].answers == {"Bag"}


def test_a_long_line_is_read_whole(tmp_path):
    """One with more pictures than its first piece holds."""
    pictures = noise(40, 64, 64)
    line = logged("r0", *pictures)
    assert len(line) > 2 * lines.HEAD_BYTES
    flag = flags.FlaggedPicture("m", "r0", 39, "Coat", "ann")
    found = logs.read([flags_file(tmp_path / "l", line)], [flag])
    (png,) = found.pictures["m", "r0", 39].pngs
    assert base64.b64encode(png) in line
