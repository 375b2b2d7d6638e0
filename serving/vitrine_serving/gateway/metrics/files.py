"""Where the processes of one gateway keep their numbers, so that any of them can tell the sum."""

import os
import shutil
import tempfile
import weakref
from itertools import count
from pathlib import Path

from prometheus_client import multiprocess


class Files:
    """A directory of prometheus_client's multiprocess files; make it before the fork.

    A process writes to the files of its slot, and the next one that gets this slot goes on with the
    counts in them. So no count is lost or goes down when processes are replaced, and there are no
    more files than processes at one time. The directory goes when the process that made it ends.
    """

    def __init__(self, parent: str | None = None) -> None:
        """`parent` is for temporary files, the system's unless given."""
        self.folder = Path(tempfile.mkdtemp(prefix="vitrine-metrics-", dir=parent))
        self.slot = 0
        self._taken: set[int] = set()
        # Not a TemporaryDirectory: workers, which are forks, would remove it when they end.
        weakref.finalize(self, _remove, self.folder, os.getpid())

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


def _remove(folder: Path, maker: int) -> None:
    if os.getpid() == maker:
        shutil.rmtree(folder, ignore_errors=True)
