"""A pod's processes for test_doctor: a DNS server on port 53, and the doctor as it is typed."""

import json
import os
import sys

from harness.dns import Dns
from vitrine_client.__main__ import run


def main() -> None:
    """Answers `RECORDS`, nothing at all where `SILENT` is set, and runs the doctor."""
    records = json.loads(os.environ["RECORDS"])
    silent = bool(os.environ.get("SILENT"))
    Dns(lambda name: None if silent else records.get(name, []))
    sys.argv = ["vitrine", "doctor", "--cluster", "--json", "--timeout-s", "5"]
    run()


if __name__ == "__main__":
    main()
