"""Sender of a folder by `predict_many`, in a process that has nothing else in its memory.

`python -m benchmarks.load_lab.sender URL FOLDER BATCH_SIZE` prints the seconds that it took, the
most memory in KB, and the class ids in order; -1 for what is no picture.
"""

import sys
import time
from pathlib import Path

from vitrine_client import Client, Prediction
from vitrine_client.images.pictures import in_folder


def main(url: str, folder: str, batch_size: int) -> None:
    """Asks once before it takes the time."""
    with Client(url) as client:
        client.predict(in_folder(folder)[0])
        began_s = time.monotonic()
        found = [
            each.class_id if isinstance(each, Prediction) else -1
            for each in client.predict_many(folder, batch_size=batch_size)
        ]
        took_s = time.monotonic() - began_s
    # Not getrusage: what it says includes the process that this one was forked from.
    peak_kb = Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]
    print(took_s, peak_kb, *found)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
