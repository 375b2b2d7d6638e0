"""Time that passes as a test says."""


class Clock:
    """Stands for `time.monotonic`; `s` is now."""

    def __init__(self, s: float = 1000.0) -> None:
        self.s = s

    def __call__(self) -> float:
        return self.s
