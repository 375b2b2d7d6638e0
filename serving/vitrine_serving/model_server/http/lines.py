"""HTTP line buffer: puts lines together of pieces as they come, and looks at no byte twice."""


class LineTooLong(ValueError):
    """Lines that are longer than allowed."""


class Lines:
    """Lines that end with LF, of `left` bytes in all; whoever takes them may grant more."""

    def __init__(self, left: int) -> None:
        self.left = left
        self._begun = bytearray()

    def take(self, data: bytes, start: int) -> tuple[bytes | None, int]:
        """Returns the line that ends in `data`, after `start`, without its LF, and where the next
        begins; no line, and its end, where there is none yet. Raises `LineTooLong`."""
        end = data.find(b"\n", start)
        stop = len(data) if end < 0 else end + 1
        self.left -= stop - start
        if self.left <= 0:
            raise LineTooLong
        if end >= 0 and not self._begun:
            return data[start:end], stop
        self._begun += data[start:stop]
        if end < 0:
            return None, stop
        line = bytes(self._begun[:-1])
        self._begun.clear()
        return line, stop
