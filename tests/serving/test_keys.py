"""API keys in a file: made, read, read again, and never shown."""

import hashlib
import logging
import multiprocessing
import os

import pytest

from vitrine_serving.gateway.access import keys
from vitrine_serving.gateway.access.keys import Keys, KeysFileError

HASH = "0" * 64


@pytest.fixture
def path(tmp_path):
    return tmp_path / "keys.txt"


def test_a_made_key_is_known_by_its_name(path):
    """The key leads to its name; another, a part of it or nothing leads to none."""
    app, lab = keys.add(path, "app"), keys.add(path, "lab")
    known = Keys(path)
    for _ in range(2):  # the second time from what was seen before
        assert known.name_of(app) == "app"
        assert known.name_of(lab) == "lab"
        for wrong in ("", app[:-1], app + "x", app.upper(), "vitrine_", "ключ", "\ud800"):
            assert known.name_of(wrong) is None


def test_keys_are_random_and_only_their_hash_is_kept(path):
    """256 random bits each; the file has SHA-256 of them and is its owner's alone."""
    made = {keys.add(path, f"key{n}") for n in range(20)}
    assert len(made) == 20
    assert all(key.startswith("vitrine_") and len(key) == 8 + 43 for key in made)
    text = path.read_text()
    assert not any(key in text for key in made)
    assert all(hashlib.sha256(key.encode()).hexdigest() in text for key in made)
    assert path.stat().st_mode & 0o777 == 0o600


def test_comments_stay_and_other_keys_too(path):
    """Adding and removing leaves all other lines as they are, and the file's mode and links."""
    target = path.with_name("target.txt")
    target.write_text(f"# ours\n\n  app\tsha256:{HASH}\n")
    target.chmod(0o640)
    path.symlink_to(target)
    keys.add(path, "lab")
    keys.remove(path, "lab")
    assert path.is_symlink()
    assert target.read_text() == f"# ours\n\n  app\tsha256:{HASH}\n"
    assert target.stat().st_mode & 0o777 == 0o640
    assert [each.name for each in path.parent.iterdir() if each.name.startswith(".")] == []


BAD = {
    "a key as it is": ("vitrine_secret", 1),
    "no name": (f"sha256:{HASH}", 1),
    "another hash": (f"app md5:{HASH}", 1),
    "a short hash": (f"app sha256:{HASH[1:]}", 1),
    "something behind": (f"# x\n\napp sha256:{HASH} secret", 3),
    "a name with a slash": (f"a/b sha256:{HASH}", 1),
    "a name twice": (f"app sha256:{HASH}\nlab sha256:{HASH}\napp sha256:{HASH}", 3),
}


@pytest.mark.parametrize(("text", "line"), BAD.values(), ids=BAD)
def test_a_bad_line_is_named_and_not_shown(path, text, line):
    """At start a malformed file is an error with file and line, without the line's content."""
    path.write_text(text)
    with pytest.raises(KeysFileError) as caught:
        Keys(path)
    assert f"{path}, line {line}: " in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_file_that_cannot_be_read_is_named(path):
    """Missing, a directory, or no text: the error says so."""
    for make, reason in [
        (lambda: None, "No such file"),
        (lambda: path.write_bytes(b"\xff\xfe"), "no text"),
        (lambda: (path.unlink(), path.mkdir()), "Is a directory"),
    ]:
        make()
        with pytest.raises(KeysFileError, match=f"{path} .*{reason}"):
            Keys(path)


def test_keys_rotate_without_a_restart(path, clock):
    """What is added counts, and what is removed does not, a second after the last look."""
    old = keys.add(path, "old")
    known = Keys(path, now=clock)
    assert known.name_of(old) == "old"
    new = keys.add(path, "new")
    keys.remove(path, "old")
    clock.s += 0.9
    assert (known.name_of(old), known.name_of(new)) == ("old", None)
    clock.s += 0.2
    assert (known.name_of(old), known.name_of(new)) == (None, "new")


def test_the_file_is_looked_at_once_a_second(tmp_path, clock):
    """A thousand requests within a second cost one look, and a file that is the same no reading."""

    class Counted(type(tmp_path)):
        looks = reads = 0

        def stat(self, **options):
            Counted.looks += 1
            return super().stat(**options)

        def read_text(self, *arguments):
            Counted.reads += 1
            return super().read_text(*arguments)

    path = Counted(tmp_path / "keys.txt")
    key = keys.add(path, "app")
    known = Keys(path, now=clock)
    before = (Counted.looks, Counted.reads)
    for _ in range(3):
        clock.s += 1
        for _ in range(1000):
            assert known.name_of(key) == "app"
    assert (Counted.looks, Counted.reads) == (before[0] + 3, before[1])


@pytest.mark.parametrize("trouble", ["malformed", "gone"])
def test_a_file_that_breaks_keeps_the_old_keys(path, clock, caplog, trouble):
    """The error is logged once, not the content; when the file is whole again it counts."""
    key = keys.add(path, "app")
    whole = path.read_text()
    known = Keys(path, now=clock)
    if trouble == "gone":
        path.unlink()
    else:
        path.write_text(f"{whole}vitrine_secret\n")
    for _ in range(3):
        clock.s += 2
        assert known.name_of(key) == "app"
    (record,) = [each for each in caplog.records if each.levelno == logging.ERROR]
    assert str(path) in record.getMessage()
    assert ("line 2" in record.getMessage()) == (trouble == "malformed")
    assert "secret" not in record.getMessage()
    path.write_text(f"lab sha256:{hashlib.sha256(b'k').hexdigest()}\n")
    clock.s += 2
    assert (known.name_of(key), known.name_of("k")) == (None, "lab")


def test_a_change_of_same_size_in_the_same_instant_is_seen(path, clock):
    """A file that is replaced by one of the same size and time is another one all the same."""
    old = keys.add(path, "app")
    known = Keys(path, now=clock)
    found = path.stat()
    keys.remove(path, "app")
    new = keys.add(path, "app")
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))
    assert path.stat().st_size == found.st_size
    clock.s += 2
    assert (known.name_of(old), known.name_of(new)) == (None, "app")


def test_no_keys_are_told(path, caplog):
    """An empty file lets nobody in, and the log warns of it."""
    path.write_text("# none yet\n")
    known = Keys(path)
    assert known.name_of("") is None
    assert "Read 0 API keys" in caplog.text


@pytest.mark.parametrize("name", ["", "-x", "a b", "a\n", "a ", "#a", "ä", "x" * 65])
def test_a_name_that_would_break_the_file_is_refused(path, name):
    """Names are letters, digits and a few marks, as they go to the file and the log."""
    with pytest.raises(KeysFileError, match="can be no name"):
        keys.add(path, name)
    assert not path.exists()


def test_keys_that_are_made_at_once_are_all_there(path):
    """Eight processes add a key each, and one removes another: nothing is lost."""
    keys.add(path, "old")
    fork = multiprocessing.get_context("fork")
    work = [fork.Process(target=keys.add, args=(path, f"key{n}")) for n in range(8)]
    work.append(fork.Process(target=keys.remove, args=(path, "old")))
    for process in work:
        process.start()
    for process in work:
        process.join(30)
    assert [process.exitcode for process in work] == [0] * 9
    assert sorted(keys.read(path)) == [f"key{n}" for n in range(8)]
    assert [each.name for each in path.parent.iterdir()] == [path.name]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_the_file_stays_its_owners(path):
    """Though root adds a key: the gateway reads it as somebody else."""
    keys.add(path, "app")
    os.chown(path, 12345, 54321)
    keys.add(path, "lab")
    found = path.stat()
    assert (found.st_uid, found.st_gid, found.st_mode & 0o777) == (12345, 54321, 0o600)
