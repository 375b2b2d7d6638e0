"""Folder of 10,000 images by `predict_many`, beside forms that wrk sends to the same gateway."""

import statistics
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.gateway import bodies, wrk
from benchmarks.gateway.figures import Verdict
from benchmarks.gateway.vitrine import vitrines
from benchmarks.load_lab.part import Part, Say, at_least
from harness.accuracy import pngs
from vitrine_training.data.fashion_mnist import load
from vitrine_training.evaluation.metrics import class_ids_of

_ROUNDS, _IN_FLIGHT, _DURATION_S = 5, 8, 4
_SHARE = 0.7
_SENDER = "benchmarks.load_lab.sender"
_SIZES = (128, 64)
"""Pictures a request: the default, and half of it."""


def measure(version: Path, say: Say) -> Part:
    """Sends the whole test set in a process of its own, and compares class for class."""
    images = load().test.images
    offline = class_ids_of(version, images)
    (gateway, *_) = vitrines(None)
    rounds = []
    with TemporaryDirectory() as name:
        folder, pictures = Path(name), Path(name) / "pictures"
        pictures.mkdir()
        for number, content in enumerate(pngs(images)):
            (pictures / f"{number:05}.png").write_bytes(content)
        say("starting a gateway")
        with gateway.start(folder, version, folder) as running:
            script = wrk.script(bodies.form(bodies.batch()), folder, "form")
            for number in range(1, _ROUNDS + 1):
                say(f"round {number} of {_ROUNDS}")
                forms = wrk.run(running.url, script, in_flight=_IN_FLIGHT, duration_s=_DURATION_S)
                found = {"wrk": forms.rate * bodies.BATCH}
                for size in _SIZES:
                    found |= _many(running.url, pictures, size, offline)
                rounds.append(found)
    rows = [("wrk, forms of 32, 8 in flight", f"{_median(rounds, 'wrk'):,.0f}", "", "")]
    for size in _SIZES:
        title = f"predict_many, batches of {size}, 4 in flight"
        megabytes = max(each[f"peak_mb_{size}"] for each in rounds)
        rate = _median(rounds, f"rate_{size}")
        rows.append((title, f"{rate:,.0f}", f"{_ratio(rounds, size):.2f}", f"{megabytes:,.0f} MB"))
    wrong = sum(each[f"wrong_{size}"] for each in rounds for size in _SIZES)
    verdicts = [
        Verdict("images out of order or with another class than offline: 0", wrong, wrong == 0),
        at_least("images/s by predict_many, of wrk's", _ratio(rounds, _SIZES[0]), _SHARE),
    ]
    headings = ("10,000 files, medians", "images/s", "of wrk's", "memory at most")
    return Part({"rounds": rounds}, headings, rows, verdicts)


def _many(url: str, pictures: Path, size: int, offline: np.ndarray) -> dict[str, float]:
    command = [sys.executable, "-m", _SENDER, url.partition("/v1/")[0], str(pictures), str(size)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    took_s, peak_kb, *class_ids = done.stdout.split()
    return {
        f"rate_{size}": len(offline) / float(took_s),
        f"peak_mb_{size}": int(peak_kb) / 1024,
        f"wrong_{size}": int(np.sum(np.array(class_ids, int) != offline)),
    }


def _median(rounds: list[dict[str, float]], name: str) -> float:
    return statistics.median(each[name] for each in rounds)


def _ratio(rounds: list[dict[str, float]], size: int) -> float:
    return statistics.median(each[f"rate_{size}"] / each["wrk"] for each in rounds)
