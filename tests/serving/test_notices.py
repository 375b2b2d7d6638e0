"""Progress notices: when they are due, and which versions they name."""

from itertools import pairwise
from pathlib import Path

from tests.serving.clock import Clock
from vitrine_serving.model_server.repository.config import VersionDirectory
from vitrine_serving.model_server.repository.lifecycle import Failure, Model
from vitrine_serving.notices import Notices


def test_ever_more_rarely(clock: Clock):
    """After 3 s, then at twice the pause, up to a minute; the reason is asked for then alone."""
    told: list[float] = []
    notices = Notices(lambda _: told.append(clock.s), now=clock)
    for _ in range(2400):
        clock.s += 0.1
        notices.waiting_for(lambda: "")
    pauses = [round(after - before) for before, after in pairwise([1000.0, *told])]
    assert pauses == [3, 6, 12, 24, 48, 60, 60]
    assert 0 < notices.due_in_s <= 60


def test_versions_that_load():
    """Those that are wanted and have neither loaded nor failed for good."""
    model = Model("mlp")
    model.aspire({number: VersionDirectory(Path(str(number)), number, 0) for number in (1, 2, 3)})
    model.versions[1].begin_load()
    model.versions[2].fail(Failure(2, "broken"), model.versions[2].directory, None)
    assert model.loading() == ["mlp/1", "mlp/3"]
