"""A tally of connections: how long each took to be made, and after how many answers it was lost."""

from array import array

FIELDS = 4
"""Of a connection that was made: when it was begun (`time.monotonic`), for how many seconds it
connected and shook hands for TLS (0 without), and how many answers came on the one before it."""


class Tally:
    """What the connections of one process went through."""

    def __init__(self) -> None:
        self.made = array("d")
        self.fewest = self.most = 0

    def connected(self, began_s: float, connect_s: float, tls_s: float, before: int) -> None:
        """Notes that a connection is there, and how many answers the one before it had."""
        self.made.extend((began_s, connect_s, tls_s, before))

    def closed(self, answers: int) -> None:
        """Notes that a connection was closed under a request, after so many answers."""
        self.fewest = min(self.fewest or answers, answers)
        self.most = max(self.most, answers)
