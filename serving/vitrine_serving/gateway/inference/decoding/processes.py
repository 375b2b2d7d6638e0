"""Decoding processes: few, shared by all workers, each ended when one picture takes too long.

A decoder in C can be stopped in no other way, and what it takes in memory is not a worker's. The
master starts them before the workers, and another where one has ended.

Each offers itself: it puts an end of a connection into a socket from which all workers take. A
worker that has taken one sends a job and gets its answer; then the process offers itself again. So
jobs wait where their requests are, and are sent only while somebody waits for them.
"""

import logging
import math
import os
import resource
import select
import signal
import socket
import sys
import time
import warnings
import weakref
from contextlib import suppress
from itertools import chain
from pathlib import Path

from vitrine_serving.gateway.inference.decoding import jobs
from vitrine_serving.gateway.inference.decoding.jobs import Tasks

log = logging.getLogger(__name__)

NAME = "vitrine-decode"
"""What `ps -o comm` and `top` call them, on Linux."""

_NICE = 5
"""Lower priority than a worker's, which answers all others meanwhile."""

_ROOM_BYTES = 160 * 2**20
"""What a process may come to take beside what it had at its start, should the limits of
`vitrine_client.images.headers` fail: more is a `MemoryError`."""

_PAUSE_S = 0.1
"""Between two starts, in case that they end at once."""


class DecodingProcesses:
    """Decoding processes, `count` of them, for the master and, after a fork, for a worker; make it
    before the fork. They do `tasks`, and no job may take longer than `limit_s`."""

    def __init__(self, tasks: Tasks, count: int, limit_s: float) -> None:
        self._tasks = tasks
        self._count = count
        self.limit_s = limit_s
        self.offers, self._offering = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.offers.setblocking(False)
        # The end for writing is in the master and the workers: when all are gone, the other tells.
        self._lifeline, held = os.pipe()
        for end in (self._lifeline, held):
            weakref.finalize(self, os.close, end)
        self._pids: set[int] = set()
        self._started_s = -math.inf

    @property
    def count(self) -> int:
        """How many are started; 0 before the first, and without a master."""
        return len(self._pids)

    def look(self) -> None:
        """Starts those that are missing, at first all of them, unless some were just started; for
        the master."""
        self._pids = {pid for pid in self._pids if not _has_ended(pid)}
        now_s = time.monotonic()
        if now_s < self._started_s + _PAUSE_S:
            return
        self._started_s = now_s
        while len(self._pids) < self._count:
            try:
                pid = os.fork()
            except OSError as error:
                log.warning("A decoding process cannot be started now: %s", error)
                return
            if not pid:
                self._run()
            self._pids.add(pid)

    def end(self) -> None:
        """Ends them: nobody asks them any more."""
        self._count = 0
        for pid in self._pids:
            if not _has_ended(pid):
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
        self._pids.clear()

    def _run(self) -> None:
        """Serves in a new process, and does not return."""
        try:
            _forget_the_master({self._offering.fileno(), self._lifeline})
            self._serve()
        except ConnectionError:
            pass  # nobody is left who would take an offer: the gateway has ended
        except Exception:
            log.exception("A decoding process failed")
        finally:
            os._exit(0)

    def _serve(self) -> None:
        watched = select.poll()
        watched.register(self._lifeline, select.POLLIN)
        while True:
            ours, theirs = socket.socketpair()
            with ours:
                with theirs:
                    socket.send_fds(self._offering, [b"\0"], [theirs.fileno()])
                watched.register(ours, select.POLLIN)
                if self._lifeline in dict(watched.poll()):
                    return
                watched.unregister(ours)
                _answer(ours, self._tasks, self.limit_s)


def take(offers: socket.socket) -> socket.socket | None:
    """Returns the connection to a process that has offered itself, None where none has. At its end
    it may be closed: the process has ended since."""
    try:
        _, descriptors, _, _ = socket.recv_fds(offers, 1, 1)
    except BlockingIOError:
        return None
    if not descriptors:  # this process has no more of them; the other offers itself again
        return None
    connection = socket.socket(fileno=descriptors[0])
    connection.setblocking(False)
    return connection


def _answer(connection: socket.socket, tasks: Tasks, limit_s: float) -> None:
    """Does the job that comes. The kernel watches its time, and ends the process when it is over:
    there is no handler."""
    signal.setitimer(signal.ITIMER_REAL, limit_s)
    try:
        head_bytes, content_bytes = jobs.lengths(_received(connection, jobs.LENGTHS))
        head = jobs.parsed(_received(connection, head_bytes))
        content = _received(connection, content_bytes)
        signal.setitimer(signal.ITIMER_REAL, min(head["left_s"], limit_s))
        answer, made = jobs.done(tasks, head, content)
        connection.sendall(jobs.message(answer, len(made)) + made)
    except (EOFError, ConnectionError):
        pass  # whoever asked has gone
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _received(connection: socket.socket, count: int) -> bytes:
    """Returns exactly so many bytes, of which it makes no copy. Raises `EOFError`."""
    content = connection.recv(count, socket.MSG_WAITALL) if count else b""
    if len(content) < count:
        raise EOFError
    return content


def _has_ended(pid: int) -> bool:
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:  # another has taken note of it
        return True


def _log_to_a_copy_of_stderr() -> None:
    """Leaves the descriptor itself to nobody: decoders in C write there of each fault of a file."""
    copy = os.fdopen(os.dup(sys.stderr.fileno()), "w")
    loggers = (logging.getLogger(), logging.getLogger("gunicorn.error"))
    for handler in chain.from_iterable(logger.handlers for logger in loggers):
        if isinstance(handler, logging.StreamHandler):
            handler.setStream(copy)
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), sys.stderr.fileno())


def _forget_the_master(kept: set[int]) -> None:
    """Closes what this process has from the master, sockets that listen among it, and bounds what
    it may do. It ends with the workers and not by signals that a terminal or a supervisor sends to
    all processes at once."""
    for handled in (signal.SIGALRM, signal.SIGCHLD):
        signal.signal(handled, signal.SIG_DFL)
    for ignored in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1):
        signal.signal(ignored, signal.SIG_IGN)
    for entry in Path("/dev/fd").iterdir():
        if int(entry.name) > sys.stderr.fileno() and int(entry.name) not in kept:
            with suppress(OSError):  # that of the list itself
                os.close(int(entry.name))
    _log_to_a_copy_of_stderr()
    os.nice(_NICE)
    warnings.simplefilter("ignore")  # a file's faults are not for the log
    if sys.platform == "linux":
        Path("/proc/self/comm").write_text(NAME)
        pages = int(Path("/proc/self/statm").read_text().split()[5])  # data and stack
        most = pages * os.sysconf("SC_PAGE_SIZE") + _ROOM_BYTES
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        if hard == resource.RLIM_INFINITY or most < hard:
            resource.setrlimit(resource.RLIMIT_DATA, (most, most))
