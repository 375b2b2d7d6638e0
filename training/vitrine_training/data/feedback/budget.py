"""Budget of memory: what is kept of feedback is counted, and an end is made before it fills all."""

from vitrine_client.doctor.machine.machine import memory_bytes
from vitrine_training.data.idx import DataError

MEMORY_PARTS = 10


class Budget:
    """Budget of bytes for `what`, a tenth of the memory."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._most = memory_bytes() // MEMORY_PARTS
        self._taken = 0

    def take(self, count: int) -> None:
        """Takes so many bytes. Raises `DataError` where there are no more."""
        self._taken += count
        if self._taken > self._most:
            raise DataError(
                f"{self._what} take more than {self._most:,} bytes, a tenth of the memory; leave "
                "some of the files out"
            )
