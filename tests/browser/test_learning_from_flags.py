"""Flagged answer that changes the next version: from a wrong one on the page to a right one."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import requests
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from harness.service import Service, started_service
from harness.waiting import wait_for
from tests.browser.flagging import enter_key, flag
from tests.browser.visit import Visit, answer, verdict
from vitrine_serving.gateway.access import keys

pytestmark = pytest.mark.slow

SIDE = 9
CLASSES = ("high", "low", "middle")
"""Bright lines in a row of their own."""

TRAIN = (sys.executable, "-m", "vitrine_training", "train", "softmax", "--as", "lines")


def bright(row: int, seed: int) -> Image.Image:
    """A bright line on noise."""
    random = np.random.default_rng(seed)
    levels = random.integers(0, 120, (SIDE, SIDE), np.uint8)
    levels[row] = random.integers(180, 256, SIDE)
    return Image.fromarray(levels)


def train(folder: Path, *words: object) -> None:
    """Publishes the next version of `lines` in a process, as its user would."""
    own = ("--data", folder / "data", "--models-dir", folder / "models", "--size", SIDE)
    settings = ("--epochs", 60, "--batch-size", 8)
    done = subprocess.run(
        [*TRAIN, *map(str, (*own, *settings, *words))], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def give(page: Page, picture: Path, version: int) -> None:
    """Gives the page a picture, and waits for what a version answers."""
    page.get_by_label("Choose a picture").set_input_files(picture)
    expect(answer(page, "lines").get_by_text(f"version {version}")).to_be_visible()
    expect(answer(page, "lines")).to_have_attribute("aria-busy", "false")


def available_versions(service: Service, key: str) -> list[int]:
    """The versions of the model that answer now."""
    headers = {"Authorization": f"Bearer {key}"}
    found = requests.get(f"{service.url}/v1/models/lines", headers=headers, timeout=30).json()
    return [
        int(each["version"])
        for each in found["model_version_status"]
        if each["state"] == "AVAILABLE"
    ]


def test_from_a_wrong_answer_to_a_right_one(
    chromium: str, browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page flags what version 1 answers; version 2 learns it, is served, and answers it."""
    monkeypatch.setenv("VITRINE_CACHE_DIR", str(tmp_path / "cache"))
    for number in range(120):
        name, row = CLASSES[number % 3], (2, 6, 4)[number % 3]
        (tmp_path / "data" / name).mkdir(parents=True, exist_ok=True)
        bright(row, number).save(tmp_path / "data" / name / f"{number}.png")
    odd = tmp_path / "odd.png"
    bright(8, 999).save(odd)  # in a row of no class
    train(tmp_path)
    files = {"feedback_log": tmp_path / "flags.jsonl", "prediction_log": tmp_path / "log.jsonl"}
    key = keys.add(tmp_path / "keys", "ann")
    settings = {**files, "prediction_log_images": 1, "keys_file": tmp_path / "keys"}
    with started_service(tmp_path / "models", tmp_path / "up.log", **settings) as service:
        visit = Visit(browser, service.url, expects=("401",))
        page = visit.open("")
        enter_key(page, key)
        give(page, odd, 1)
        said = verdict(answer(page, "lines")).inner_text()
        right = next(name for name in CLASSES if name not in said)
        expect(flag(page, right, "lines")).to_have_text("Noted. Thank you.")
        noted = files["prediction_log"]
        wait_for(lambda: noted.exists() and "instances" in noted.read_text(), 10, "the picture")
        train(tmp_path, "--with-feedback", files["feedback_log"], "--predictions", noted)
        wait_for(lambda: 2 in available_versions(service, key), 60, "version 2")
        page.reload()
        enter_key(page, key)
        give(page, odd, 2)
        expect(verdict(answer(page, "lines"))).to_contain_text(right)
        visit.finish()
