"""Page of a sweep: a dot for each seed, in one file, whatever names and reasons are."""

import re

from tests.training.sweep.made_results import results
from vitrine_client.look import reports
from vitrine_training.sweep import page
from vitrine_training.sweep.ranking import ranked
from vitrine_training.sweep.results import ACCURACY

TOLD = {
    "source": "/pictures/<b>fruit</b>",
    "conclusion": "mlp is the best",
    "at": "2026-11-30T12:00",
}


def written(tmp_path, found, command="vitrine-train train mlp"):
    standings = ranked(found, ACCURACY)
    path = page.write(tmp_path / "sweep.html", standings, ACCURACY, command=command, **TOLD)
    return path.read_text()


def test_a_dot_for_every_seed(tmp_path):
    """Equal ones too."""
    text = written(tmp_path, results("mlp", (0.8, 0.8, 0.9)) + results("softmax", (0.7, None)))
    dots = re.findall(r'<use [^>]*y="([\d.]+)" style="fill: var\(--(accent|violet)\)', text)
    assert [colour for _, colour in dots] == ["accent"] * 3 + ["violet"]
    assert len({y for y, _ in dots}) == 4
    assert "validation accuracy" in text
    assert "Training diverged" in text
    assert "1 of 2" in text


def test_it_asks_for_nothing_and_is_a_report(tmp_path):
    text = written(tmp_path, results("mlp", (0.8, 0.9)))
    assert not re.search(r'(src|href)="(?!#)', text)
    assert "<script" not in text
    assert "<b>fruit" not in text
    about = reports.about(tmp_path / "sweep.html")
    assert (about.kind, about.figure) == ("sweep", "mlp: 0.8500")


def test_nothing_is_done(tmp_path):
    text = written(tmp_path, results("mlp", (None,)), command=None)
    assert "<svg" in text  # the icon
    assert "Every seed" not in text
