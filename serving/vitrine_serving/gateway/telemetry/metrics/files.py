"""Where the processes of one gateway keep their numbers, so that any of them can tell the sum."""

import fcntl
import os
import shutil
import tempfile
import weakref
from itertools import count
from pathlib import Path

from prometheus_client import multiprocess

_PREFIX = "vitrine-metrics-"


class Files:
    """A directory of prometheus_client's multiprocess files; make it before the fork.

    A process writes to the files of its slot, and the next one that gets this slot goes on with the
    counts in them. So no count is lost or goes down when processes are replaced, and there are no
    more files than processes at one time. The directory goes when the process that made it ends;
    that of a gateway that was killed goes with the next `Files` of the same parent.
    """

    def __init__(self, parent: str | None = None) -> None:
        """`parent` is for temporary files, the system's unless given."""
        folder = Path(tempfile.mkdtemp(prefix=f".{_PREFIX}", dir=parent))
        lock = _locked(folder)  # which forks hold as well, so that the last of them lets it go
        self.folder = folder.rename(folder.with_name(folder.name[1:]))  # nobody's before the lock
        _remove_left_behind(folder.parent)
        self.slot = 0
        self._taken: set[int] = set()
        # Not a TemporaryDirectory: workers, which are forks, would remove it when they end.
        weakref.finalize(self, _remove, self.folder, os.getpid(), lock)

    def take(self) -> int:
        """Returns the slot of the process that is forked next; `slot` is the same there."""
        self.slot = next(number for number in count() if number not in self._taken)
        self._taken.add(self.slot)
        return self.slot

    def release(self, slot: int) -> None:
        """Says that the process with this slot has ended: what it had in hand is gone, and what
        it counted stays."""
        # By its types a pid, by its manual what identifies a process.
        multiprocess.mark_process_dead(slot, str(self.folder))  # type: ignore[no-untyped-call]
        self._taken.discard(slot)


def _locked(folder: Path) -> int:
    """Returns a descriptor that holds a directory; raises `OSError` where somebody else does."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _remove_left_behind(parent: Path) -> None:
    """Removes the directories that nobody holds: of gateways that were killed."""
    for folder in parent.glob(f"{_PREFIX}*"):
        try:
            descriptor = _locked(folder)
        except OSError:  # it is in use, somebody else's, or gone
            continue
        shutil.rmtree(folder, ignore_errors=True)
        os.close(descriptor)


def _remove(folder: Path, maker: int, lock: int) -> None:
    if os.getpid() == maker:
        shutil.rmtree(folder, ignore_errors=True)
    os.close(lock)
