"""Comparison with a real Triton, which is asked the same table: `make test-triton`."""

import argparse
import re
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.contract.open_inference import models, servers, triton
from tests.contract.open_inference.asking import Target
from tests.contract.open_inference.cases import ROWS
from tests.contract.open_inference.row import Row, observed
from tests.contract.open_inference.seen import Seen

SHOWN = 200
LEFT_OUT = re.compile(
    r"\[request id: [^]]*\] |(_?\d+)+|\s*(\(text/plain\)| \[[A-Z].*)$|\s*At:.*|….*", re.DOTALL
)
"""What may differ from one run to the next in the words of an error, and what was left out."""


@dataclass(frozen=True)
class Compared:
    """What both answered to a row over a transport, and why that is not what the table says."""

    row: Row
    transport: str
    real: Seen
    ours: Seen

    @property
    def is_as_seen(self) -> bool:
        """Whether Triton still answers as it was seen to; rows were seen over one transport."""
        if (self.transport == "http") != (self.row.id[0] in "AB"):
            return True
        code, _, words = observed()[self.row.id].triton.partition(" ")
        if code not in (self.real.code, str(self.real.status)):
            return False
        said, wanted = (LEFT_OUT.sub("", each) for each in (self.real.words, words))
        return not said or said.startswith(wanted.replace("\\n", "\n").rstrip())

    @property
    def is_ours(self) -> str:
        """Why we do not answer as the table says; nothing where we do."""
        return _fault(self.row, self.transport, self.ours, strictly=True)

    @property
    def is_same(self) -> bool:
        """Whether Triton answers as the table says that we do, words and headers aside."""
        return not _fault(self.row, self.transport, self.real, strictly=False)

    def __str__(self) -> str:
        answers = (" ".join(str(each).split())[:SHOWN] for each in (self.real, self.ours))
        head = f"  {self.row.id} ({self.transport}): {self.row.title}"
        return "\n".join((head, *map("    {} {}".format, ("Triton", "ours  "), answers)))


def _fault(row: Row, transport: str, seen: Seen, *, strictly: bool) -> str:
    try:
        row.wanted(transport).check(seen, strictly=strictly)
    except (AssertionError, LookupError, TypeError) as error:
        return str(error) or type(error).__name__
    return ""


def compare(real: Target, ours: Target) -> list[Compared]:
    """Asks both every row."""
    return [
        Compared(row, transport, real.ask(row, transport), ours.ask(row, transport))
        for row in ROWS
        for transport in row.transports
    ]


def told(found: list[Compared]) -> tuple[str, bool]:
    """Returns what is to be printed, and whether all is as the table says."""
    differ = [each for each in found if not each.is_same]
    chosen = dict.fromkeys(each.row.why for each in differ if each.row.why)
    groups = {
        "Triton answers otherwise than it was seen to": [e for e in found if not e.is_as_seen],
        "we answer otherwise than the table says": [e for e in found if e.is_ours],
        "both differ, and nothing says why": [e for e in differ if not e.row.why],
    }
    lines = [f"{len(ROWS)} rows, {len(found)} calls of each"]
    for name, members in groups.items():
        lines += ["", f"{len(members)}: {name}", *map(str, members)]
    lines += ["", f"{sum(bool(e.row.why) for e in differ)}: both differ by choice"]
    for why in chosen:
        lines += [f"  - {why}:", *(f"  {e}" for e in differ if e.row.why == why)]
    lines += ["", f"{len(found) - len(differ)}: the same answer"]
    return "\n".join(lines), not any(groups.values())


def main(arguments: list[str]) -> int:
    """Prints the comparison. Returns 1 where a row is wrong, of Triton or of us."""
    parser = argparse.ArgumentParser(prog="make test-triton", description=__doc__)
    parser.add_argument("python", type=Path, help="of the environment that has nvidia-pytriton")
    python = parser.parse_args(arguments).python.absolute()
    if reason := triton.why_not(python):
        print(f"skipped, as there is no real Triton: {reason}")
        return 0
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        names = models.export(folder / "models")
        with (
            triton.triton(python, folder / "triton") as real,
            servers.running(folder / "models", names, folder) as ours,
        ):
            text, is_well = told(compare(real, ours["gateway"]))
    print(text)
    return 0 if is_well else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
