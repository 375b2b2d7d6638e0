"""Row of the table: what is asked, and what we answer; `observed.txt` has what real servers do."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.contract.open_inference.answers import Answer
from tests.contract.open_inference.calls import Call
from tests.contract.open_inference.seen import STATUSES, Seen

OBSERVED = Path(__file__).with_name("observed.txt")


@dataclass(frozen=True)
class Row:
    """A row: `why` is the reason for which our answer is not Triton's. `grpc` and `embedded` are
    answers over gRPC, and those of the embedded model server, that are others than over HTTP; and
    `skipped` says why nothing is asked."""

    id: str
    call: Call
    answer: Answer
    why: str = ""
    grpc: Answer | None = None
    embedded: Answer | None = None
    skipped: str = ""

    @property
    def title(self) -> str:
        """What the row is about."""
        return observed()[self.id].title

    @property
    def transports(self) -> list[str]:
        """Over what it is asked."""
        asked = {"http": self.call.http, "grpc": self.call.grpc}
        return [] if self.skipped else [name for name, each in asked.items() if each]

    def wanted(self, transport: str, server: str = "gateway") -> Answer:
        """Returns what is to be answered."""
        if transport == "http":
            return self.answer
        return (self.embedded if server == "embedded" else None) or self.grpc or self.answer

    def check(self, seen: Seen, server: str = "gateway") -> None:
        """Asserts that our answer is the one that is to be."""
        self.wanted(seen.transport, server).check(seen)


def skipped(id: str, why: str) -> Row:  # noqa: A002
    """A row that has no meaning here."""
    return Row(id, Call(), Answer(), skipped=why)


@dataclass(frozen=True)
class Observed:
    """What real servers answered: a status of HTTP or a code of gRPC, and the rest."""

    title: str
    triton: str
    mlserver: str
    kserve: str

    @property
    def status(self) -> int:
        """Triton's status, or the one that goes with its code of gRPC."""
        word = self.triton.split(" ", 1)[0]
        return STATUSES[word] if word in STATUSES else int(word)


@cache
def observed() -> Mapping[str, Observed]:
    """Returns what was observed, by row."""
    found = {}
    for part in re.split(r"\n(?=[A-Z]-)", OBSERVED.read_text())[1:]:
        head, *lines = part.strip("\n").split("\n")
        name, title = head.split(" | ", 1)
        answers = [line.strip().split(": ", 1)[1] for line in lines]
        found[name] = Observed(title, *answers)
    return found
