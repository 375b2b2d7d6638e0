"""What a real gateway noted is asked again, of the same gateway, when it was asked."""

import itertools
import json
import threading
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from harness.fake_model_server import FakeModelServer, classifying
from harness.gateway import gateway
from harness.paths import SAMPLES
from tests.serving.test_prediction_log import entries
from vitrine_client import Client
from vitrine_client.cli import main

GAPS_S = (0.2, 0.05, 0.4, 0.1, 0.3)


def in_order(path: Path, count: int) -> list[dict]:
    """The lines of a log, once there are so many, by their times."""
    return sorted(entries(path, count), key=lambda entry: entry["time"])


def gaps_s(noted: list[dict]) -> np.ndarray:
    times = [np.datetime64(entry["time"].removesuffix("Z")) for entry in noted]
    gaps = [now - before for before, now in itertools.pairwise(times)]
    return np.array(gaps) / np.timedelta64(1, "s")


def asked(noted: list[dict]) -> list[tuple]:
    """What a replay is to repeat."""
    same = ("model", "asked_version", "asked_label", "content", "instances")
    return [
        (*(entry.get(name) for name in same), [each["class_id"] for each in entry["results"]])
        for entry in noted
    ]


def converse(url: str) -> None:
    """Asks as users do: single pictures, a form, an array, another version, with gaps."""
    pause = threading.Event()
    with Client(url) as client:
        for number, gap_s in enumerate((*GAPS_S, 0)):
            if number == 2:
                list(client.predict_many(SAMPLES[:3]))
            elif number == 4:
                list(client.predict_many(SAMPLES[:2], local=True))
            else:
                client.predict(SAMPLES[number], label="stable" if number == 3 else None)
            pause.wait(gap_s)


@pytest.mark.alone
def test_a_log_is_replayed(tmp_path):
    """The gateway notes the same once more: models, bodies, pixels, answers and gaps; the result
    says where it is from."""
    log, result = tmp_path / "predictions.jsonl", tmp_path / "result.json"
    settings = {"prediction_log": log, "prediction_log_images": 1}
    with (
        FakeModelServer(classifying()) as server,
        gateway(server.address, **settings) as running,
    ):
        converse(running.url)
        before = in_order(log, 6)
        kept = tmp_path / "kept.jsonl"
        kept.write_text(log.read_text() + '{"time": "torn')
        command = ["replay", str(kept), f"--url={running.url}", f"--json={result}", "--slo=p99=5s"]
        done = CliRunner().invoke(main, ["loadtest", *command])
        assert done.exit_code == 0, done.output
        after = in_order(log, 6 + 7)[6 + 1 :]  # the first is asked once before
    assert asked(after) == asked(before)
    assert np.median(np.abs(gaps_s(after) - gaps_s(before))) < 0.05
    assert "replay of kept.jsonl, 6 requests; lines left out: 1 broken" in " ".join(
        done.stdout.split()
    )
    assert "Meets p99=5s" in done.stdout
    load = json.loads(result.read_text())["about"]["plan"]["load"]
    assert (load["loop"], load["replayed"], load["files"]) == ("open", 6, [str(kept)])
    assert load["left_out"] == {"broken": 1}
