"""Many pictures: in order, with few in hand, and each failure in its place."""

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from harness.paths import SAMPLES
from harness.ports import free_port
from harness.waiting import wait_for
from tests.client.fake_gateway import (
    BAD,
    KINDS,
    LONGEST_S,
    Asked,
    FakeGateway,
    Kind,
    Reply,
    first,
    folder_of,
    predicting,
    problem,
)
from vitrine_client import Client, InvalidImage, errors
from vitrine_client.images import to_instance
from vitrine_client.images.pictures import BATCH_BYTES

both = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)


def labels(found: list) -> list[str]:
    """What was found, `!` for what can't be read."""
    return ["!" if isinstance(each, InvalidImage) else each.label for each in found]


def numbered(count: int) -> list[bytes]:
    return [b"%d" % number for number in range(count)]


def at_most(images: int):
    """A gateway that takes no more at once."""

    def answer(asked: Asked) -> Reply:
        if len(asked.pictures) > images:
            return problem(413, f"at most {images}")
        return predicting(asked)

    return answer


@both
def test_a_folder_in_order(kind: Kind, tmp_path: Path):
    """Its pictures by name, in requests of `batch_size`, over no more connections than there is
    concurrency."""
    folder_of(tmp_path, *numbered(50))
    (tmp_path / "labels.json").write_text("no picture")
    with FakeGateway() as gateway:
        found = kind.ask(
            gateway.url, "predict_many", tmp_path, "m", version=3, batch_size=8, concurrency=2
        )
    assert labels(found) == [str(number) for number in range(50)]
    assert {each.version for each in found} == {12}
    assert {asked.path for asked in gateway.asked} == {"/v1/models/m/versions/3:predict"}
    assert sorted(len(asked.pictures) for asked in gateway.asked) == [2, 8, 8, 8, 8, 8, 8]
    assert gateway.connections <= 2


@both
def test_order_under_uneven_delays(kind: Kind):
    """As many are under way as there is concurrency, and no more; a batch is answered in its turn,
    also when the others are done before."""
    done: list[int] = []
    all_there, others_done = threading.Barrier(3, timeout=LONGEST_S), threading.Event()

    def uneven(asked: Asked) -> Reply:
        batch = int(asked.pictures[0]) // 2
        if batch < 3:
            all_there.wait()
        if batch == 0:
            others_done.wait(LONGEST_S)
        done.append(batch)
        if len(done) >= 2:
            others_done.set()
        return predicting(asked)

    with FakeGateway(uneven) as gateway:
        found = kind.ask(
            gateway.url, "predict_many", iter(numbered(20)), batch_size=2, concurrency=3
        )
    assert labels(found) == [str(number) for number in range(20)]
    assert 0 not in done[:2]
    assert gateway.most_in_flight == 3


def test_no_more_is_read_ahead_than_is_in_hand():
    """Whoever takes their time over results has at most `concurrency + 1` batches in memory."""
    taken, ahead = 0, []

    def pictures() -> Iterator[bytes]:
        nonlocal taken
        for picture in numbered(60):
            taken += 1
            yield picture

    with FakeGateway() as gateway, Client(gateway.url) as client:
        for given, _ in enumerate(client.predict_many(pictures(), batch_size=3, concurrency=2)):
            ahead.append(taken - given)
    assert max(ahead) <= 3 * 3
    assert taken == 60


@both
def test_bad_pictures_fail_alone(kind: Kind, tmp_path: Path):
    """Garbage, a file that is gone, a folder, and pixels that are no picture, each in its place and
    with its reason."""
    pixels = np.zeros((2, 2, 7), np.uint8)
    pictures = [b"0", BAD, tmp_path / "gone.png", tmp_path, b"4", pixels, "no\0path", b"7"]
    with FakeGateway() as gateway:
        found = kind.ask(gateway.url, "predict_many", pictures, batch_size=3)
    assert labels(found) == ["0", "!", "!", "!", "4", "!", "!", "7"]
    assert str(found[1]) == "This is no picture: really"
    assert "gone.png" in str(found[2])
    assert "is a folder; predict_many takes its pictures" in str(found[3])
    assert "[2, 2, 7]" in str(found[5])


@both
def test_nothing_but_bad_pictures(kind: Kind, tmp_path: Path):
    """A gateway refuses a request of such with 400; each is told from a request that makes no
    sense. What can't be read here is not even sent."""
    with FakeGateway() as gateway:
        found = kind.ask(gateway.url, "predict_many", [BAD] * 5, batch_size=2)
        assert labels(found) == ["!"] * 5
        asked = len(gateway.asked)
        gone = [tmp_path / "gone.png"] * 5
        assert labels(kind.ask(gateway.url, "predict_many", gone)) == ["!"] * 5
        assert len(gateway.asked) == asked
    with (
        FakeGateway(lambda _: problem(400, "unknown label")) as gateway,
        pytest.raises(errors.InvalidRequest, match="unknown label"),
    ):
        kind.ask(gateway.url, "predict_many", [BAD] * 5, batch_size=2)


@both
def test_a_batch_that_is_too_large_is_split(kind: Kind):
    """A gateway that takes fewer at once gets fewer, and one that takes fewer bytes than a single
    picture has fails that picture."""
    with FakeGateway(at_most(3)) as gateway:
        found = kind.ask(gateway.url, "predict_many", [*numbered(9), BAD, BAD, BAD], batch_size=12)
    assert labels(found) == [*(str(number) for number in range(9)), "!", "!", "!"]
    sizes = [len(asked.pictures) for asked in gateway.asked]
    assert sizes == [12, 6, 3, 3, 6, 3, 3, 4, 1, 2, 2, 3]  # the last with a good one beside

    def small(asked: Asked) -> Reply:
        return problem(413, "few bytes") if len(asked.body) > 1000 else predicting(asked)

    with FakeGateway(small) as gateway:
        found = kind.ask(gateway.url, "predict_many", [b"0", b"x" * 2000, b"2"])
    assert labels(found) == ["0", "!", "2"]
    assert str(found[1]) == "few bytes"


@both
def test_many_bytes_make_more_requests(kind: Kind, tmp_path: Path):
    """Large pictures go a few at a time, from files as from memory."""
    large = b"a" * (BATCH_BYTES // 2 - 1000)
    files = folder_of(tmp_path, *[large] * 3)
    with FakeGateway() as gateway:
        found = kind.ask(gateway.url, "predict_many", [*files, b"b", large, large, large])
    assert [each.label[0] for each in found] == ["a", "a", "a", "b", "a", "a", "a"]
    assert len(gateway.asked) == 3
    assert max(len(asked.body) for asked in gateway.asked) < 1.01 * BATCH_BYTES


@both
def test_pixels_made_here(kind: Kind, tmp_path: Path):
    """`local` sends instances only, and what it can't read stays here."""
    good = SAMPLES[:3]
    pictures = [good[0], b"garbage", good[1], tmp_path / "gone.png", good[2].read_bytes()]
    with FakeGateway(at_most(2)) as gateway:
        found = kind.ask(gateway.url, "predict_many", pictures, local=True)
        assert labels(kind.ask(gateway.url, "predict_many", [b"garbage"], local=True)) == ["!"]
    first_pixels = [str(to_instance(path)[0, 0]) for path in good]
    assert labels(found) == [first_pixels[0], "!", first_pixels[1], "!", first_pixels[2]]
    kinds = {asked.headers["content-type"] for asked in gateway.asked}
    assert kinds == {"application/x-npy"}
    assert len(gateway.asked) == 3


@both
def test_nothing_to_do(kind: Kind, tmp_path: Path):
    """An empty folder or list needs no gateway."""
    for nothing in (tmp_path, [], iter(())):
        assert kind.ask(f"http://127.0.0.1:{free_port()}", "predict_many", nothing) == []


@both
def test_what_is_not_many(kind: Kind, tmp_path: Path):
    """It is told at once, before anything is asked; test_not_pictures.py has more of it."""
    with pytest.raises(FileNotFoundError):
        kind.ask("http://127.0.0.1", "predict_many", tmp_path / "gone")
    for options in ({"batch_size": 0}, {"concurrency": 0}):
        with pytest.raises(ValueError, match="1 at least"):
            kind.ask("http://127.0.0.1", "predict_many", [], **options)


@both
def test_a_failure_is_not_noticed(kind: Kind):
    """Each request is tried again by itself."""
    with FakeGateway(first(problem(503, "no"), Reply(reset=True, cut=1000))) as gateway:
        found = kind.ask(gateway.url, "predict_many", numbered(20), batch_size=5)
    assert labels(found) == [str(number) for number in range(20)]
    assert len(gateway.asked) == 6


def test_errors_come_in_their_turn():
    """What was answered before a batch fails is had; then it is raised, and that is the end."""

    def answer(asked: Asked) -> Reply:
        return problem(404, "gone") if b"4" in asked.pictures else predicting(asked)

    with FakeGateway(answer) as gateway, Client(gateway.url) as client:
        found = client.predict_many(numbered(20), batch_size=2, concurrency=4)
        assert labels([next(found) for _ in range(4)]) == ["0", "1", "2", "3"]
        with pytest.raises(errors.NotFound, match="gone"):
            next(found)
        assert list(found) == []
    wait_for(no_threads, LONGEST_S, "the end of the threads")


def test_leaving_the_loop_ends_it():
    """After `break` nothing is asked any more, and no thread is left, although the gateway does not
    answer; the client can go on."""
    hold = threading.Event()

    def answer(asked: Asked) -> Reply:
        if b"0" not in asked.pictures:
            hold.wait(LONGEST_S)
        return predicting(asked)

    with FakeGateway(answer) as gateway, Client(gateway.url) as client:
        for found in client.predict_many(iter(numbered(100)), batch_size=2, concurrency=3):
            assert found.label == "0"
            break
        wait_for(no_threads, LONGEST_S / 2, "the end of the threads")
        assert len(gateway.asked) <= 4
        hold.set()
        assert client.predict(b"x").label == "x"
        assert len(gateway.asked) <= 4 + 1  # one that was given up may be read last


def no_threads() -> bool:
    return not [each for each in threading.enumerate() if each.name.startswith("vitrine")]


def test_files_that_are_closed_behind_it():
    """Files are read when they are taken: whoever gives them may close them then."""

    def opened() -> Iterator:
        for path in SAMPLES[:4]:
            with path.open("rb") as file:
                yield file

    sent = []

    def answer(asked: Asked) -> Reply:
        sent.extend(asked.pictures)
        return predicting(asked)

    with FakeGateway(answer) as gateway, Client(gateway.url) as client:
        assert labels(list(client.predict_many(opened(), concurrency=1))) == ["blank"] * 4
    assert sent == [path.read_bytes() for path in SAMPLES[:4]]
