"""Held-out data: which test part a published version is judged by."""

from pathlib import Path
from types import SimpleNamespace

import click

from vitrine_training.cli import held_out, options


def test_fashion_mnist_is_loaded_once(monkeypatch):
    """For all versions, and when the first is judged."""
    loads = []

    def load(data_dir):
        loads.append(data_dir)
        return SimpleNamespace(test=object())

    monkeypatch.setattr(options, "load", load)
    with click.Context(click.Command("evaluate")):
        test_of = held_out.chosen((), Path("data"), None, "first")
    assert loads == []
    assert len({id(test_of(Path(name))) for name in ("mlp/1", "softmax/2", "photo/1")}) == 1
    assert loads == [Path("data")]
