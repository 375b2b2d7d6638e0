"""A tally of connections: how long each took to be made, and after how many answers it was lost."""

from array import array

FIELDS = 3
"""Of a connection that was made: when it was begun (`time.monotonic`), and for how many seconds it
connected and shook hands for TLS (0 without)."""


class Tally:
    """What the connections of one process went through."""

    def __init__(self) -> None:
        self.made = array("d")
        self.fewest = self.most = 0

    def connected(self, began_s: float, connect_s: float, tls_s: float) -> None:
        """Notes that a connection is there."""
        self.made.extend((began_s, connect_s, tls_s))

    def closed(self, answers: int) -> None:
        """Notes that a connection was closed under a request, after so many answers."""
        self.fewest = min(self.fewest or answers, answers)
        self.most = max(self.most, answers)
