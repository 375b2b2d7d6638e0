"""README and tutorial as one path: each command in them, typed in a copy of the repository."""

from pathlib import Path

import pytest
from PIL import Image

from tests.docs.pages import PAGES, fences
from tests.e2e.typed_pages import (
    FOLLOWS,
    OWN,
    SERVES,
    TUTORIAL,
    VARIES,
    Terminal,
    compare,
    here,
    interrupt,
    own_terminal,
    steps,
    type_own_pictures,
)
from vitrine_training.data.fashion_mnist import Dataset


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    """A terminal in a copy of what git has."""
    return own_terminal(tmp_path)


@pytest.mark.wide  # beside the next, which has the commands of its last section
@pytest.mark.slow
def test_readme_then_tutorial(terminal: Terminal, tmp_path: Path):
    """`make demo` until it says how to end it; then all of the tutorial in its order, with its
    service in a terminal of its own. Each prints what the page says, but for figures."""
    log = tmp_path / "demo.log"
    before, _ = TUTORIAL.split(OWN)
    demo = terminal.start("make demo", SERVES, log)
    interrupt(demo)
    shown = next(content for _, content in fences(PAGES["README.md"]) if "$ vitrine" in content)
    compare(shown.splitlines()[1:], log.read_text(), "make demo")
    service = None
    try:
        for step in steps(before):
            if step.typed == "vitrine-serve up":
                log = tmp_path / "up.log"
                service = terminal.start(step.typed, SERVES, log)
                compare(step.printed, log.read_text(), step.typed)
            else:
                expected = step.printed[:1] if VARIES in step.typed else step.printed
                if step.typed == FOLLOWS:
                    terminal.run_until(step)
                compare(expected, terminal.run(here(step, terminal)), step.typed)
    finally:
        assert service
        interrupt(service)


@pytest.mark.slow
def test_own_pictures(terminal: Terminal, dataset: Dataset, tmp_path: Path):
    """From a folder to a URL, and what there is to ask of it, as the last section says."""
    _write_clothes(terminal.folder / "clothes", dataset)
    type_own_pictures(terminal, tmp_path / "demo.log")


def _write_clothes(folder: Path, dataset: Dataset) -> None:
    """Writes 600 pictures of each of four classes of Fashion-MNIST, under other names."""
    images, labels = dataset.train.images, dataset.train.labels
    for class_id, name in {1: "trousers", 4: "coats", 8: "bags", 9: "boots"}.items():
        (folder / name).mkdir(parents=True)
        for number, row in enumerate((labels == class_id).nonzero()[0][:600]):
            Image.fromarray(images[row]).save(folder / name / f"{number:04}.png")
