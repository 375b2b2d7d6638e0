"""Own pictures, real, from a folder to a URL: the tutorial's commands on drawings in colour."""

import dataclasses
import json
import shutil

import pytest

from tests.e2e.typed_pages import Step, own_terminal, type_own_pictures

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

CLASSES = 10
DEMO = "make demo DATA=drawings RECIPES='cnn --size 32 --class-weights'"
PRINTED = {
    "make demo": (
        "Decoding 1,222 pictures",
        "the folder drawings: 10 classes, 32x32, colour; 910 train, 122 validation, 183 test",
        "  published as models/drawings/1 after 190 s",
        "Try it with your own pictures: http://127.0.0.1:8080 (Ctrl-C to stop)",
    ),
    "vitrine predict": ("picture …", "… drawings/1"),
    "vitrine drift": ("version …", "drawings/1 … of 500 …"),
    "vitrine-train evaluate": ("the folder drawings: 10 classes, 32x32, colour; …",),
}
"""What the commands print of drawings, where the page has what they print of clothes."""


def test_tutorial_with_drawings(sample, tmp_path):
    """Trained, published, served, explained, watched for drift, load-tested and evaluated."""
    terminal = dataclasses.replace(own_terminal(tmp_path), limit_s=1_200)
    drawings = terminal.folder / "drawings"
    shutil.copytree(sample("drawings"), drawings)
    picture = min(path.name for path in (drawings / "birds").glob("*.png"))

    def of_drawings(step: Step) -> Step:
        typed = step.typed.replace("clothes/boots/0000.png", f"drawings/birds/{picture}")
        typed = typed.replace("clothes/boots", "drawings/birds").replace("clothes", "drawings")
        if typed == "make demo DATA=drawings":
            return Step(DEMO, PRINTED["make demo"])
        printed = [one for start, one in PRINTED.items() if typed.startswith(start)]
        return Step(typed, printed[0] if printed else step.printed)

    printed = type_own_pictures(terminal, tmp_path / "demo.log", of_drawings)
    assert "unknown" not in printed["vitrine drift drawings"]
    card = json.loads((terminal.folder / "models/drawings/1/assets.extra/card.json").read_text())
    assert "not_watched" not in card
    assert len(card["baseline"]["confusion"]) == CLASSES
