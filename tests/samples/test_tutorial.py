"""Own pictures, real, from a folder to a URL: the tutorial's commands on drawings in colour."""

import dataclasses
import json
import shutil

import pytest

from tests.e2e.typed_pages import Step, own_terminal, type_own_pictures

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

LONG_S = 1_200
CLASSES = 10
BIRDS = "drawings/birds"
DEMO = "make demo DATA=drawings RECIPES='cnn --size 32 --class-weights --epochs 30'"
THERE = "the folder drawings: 10 classes, 32x32, colour; 910 train, 122 validation, 183 test"
PRINTED = {
    "make demo": (
        "Decoding 1,222 pictures",
        THERE,
        "  published as models/drawings/1 after 70 s",
        "Left out: drawings/flags/… pixels, …",  # one is too large
        "Try it with your own pictures: http://127.0.0.1:8080 (Ctrl-C to stop)",
    ),
    "vitrine predict": ("picture …", "… drawings/1"),
    "vitrine drift": ("version …", "drawings/1 … of 500 …"),
    "vitrine-train evaluate": (THERE,),
}
"""What the commands print of drawings, where the page has what they print of clothes."""


def test_drawings(sample, tmp_path):
    """Trained, published, served, explained, watched for drift, load-tested and evaluated."""
    there = own_terminal(tmp_path)
    cache = {"VITRINE_CACHE_DIR": str(tmp_path / "cache")}
    terminal = dataclasses.replace(there, limit_s=LONG_S, environment=there.environment | cache)
    shutil.copytree(sample("drawings"), terminal.folder / "drawings")
    picture = min((terminal.folder / BIRDS).glob("*.png")).name

    def of_drawings(step: Step) -> Step:
        typed = step.typed.replace("clothes/boots/0000.png", f"{BIRDS}/{picture}")
        typed = typed.replace("clothes/boots", BIRDS).replace("clothes", "drawings")
        typed = typed.replace("make demo DATA=drawings", DEMO)
        printed = (lines for start, lines in PRINTED.items() if typed.startswith(start))
        return Step(typed, next(printed, step.printed))

    printed = type_own_pictures(terminal, tmp_path / "demo.log", of_drawings)
    explained = next(text for typed, text in printed.items() if typed.startswith("vitrine explain"))
    assert "by drawings/1" in explained
    assert "unknown" not in printed["vitrine drift drawings"]
    card = json.loads((terminal.folder / "models/drawings/1/assets.extra/card.json").read_text())
    assert "not_watched" not in card
    assert len(card["baseline"]["confusion"]) == CLASSES
