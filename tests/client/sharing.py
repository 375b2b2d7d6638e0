"""A client that several processes share, as a program: prints how many answers were right, and
those that were not. With gunicorn it is the application, which asked before it was forked."""

import json
import multiprocessing
import os
import sys
import threading
from collections.abc import Callable, Iterator

from vitrine_client import Client

client = Client(os.environ.get("VITRINE_URL"), retries=0)
PICTURES = [b"picture %d" % number for number in range(40)]

Wrong = list[str]


def ask(picture: bytes) -> str:
    """Returns what is wrong with the answer, empty if nothing is."""
    try:
        found = client.predict(picture).label
    except Exception as error:
        return repr(error)
    return "" if found == picture.decode() else f"{picture.decode()} got {found}"


def by_pool() -> Iterator[str]:
    """500 in pools, while the parent asks as well."""
    for _ in range(5):
        with multiprocessing.get_context("fork").Pool(4) as pool:
            under_way = pool.map_async(ask, PICTURES * 2)
            yield from map(ask, PICTURES[:20])
            yield from under_way.get(60)


def by_fork() -> Iterator[str]:
    """400 in children that are forked one after the other, and in the parent meanwhile."""
    for _ in range(10):
        reader, writer = os.pipe()
        if os.fork() == 0:
            wrong = [*map(ask, PICTURES[:20])]
            os.write(writer, json.dumps(wrong).encode())
            os._exit(0)
        os.close(writer)
        yield from map(ask, PICTURES[20:])
        with os.fdopen(reader, "rb") as told:
            yield from json.loads(told.read())


def by_threads() -> Iterator[str]:
    """400 in children that are forked while threads of the parent ask."""
    over, wrong = threading.Event(), []

    def ask_on() -> None:
        while not over.is_set():
            wrong.extend(filter(None, map(ask, PICTURES[:5])))

    threads = [threading.Thread(target=ask_on) for _ in range(3)]
    for thread in threads:
        thread.start()
    yield from by_fork()
    over.set()
    for thread in threads:
        thread.join()
    yield from wrong


WAYS: dict[str, Callable[[], Iterator[str]]] = {
    "pool": by_pool,
    "fork": by_fork,
    "threads": by_threads,
}


def application(environ, start_response):
    """Answers with what is wrong, in a worker of gunicorn."""
    start_response("200 OK", [])
    return ["\n".join(filter(None, map(ask, PICTURES))).encode()]


assert ask(b"before the fork") == ""

if __name__ == "__main__":
    found = [*WAYS[sys.argv[1]]()]
    print(json.dumps([found.count(""), [*filter(None, found)]]))
