"""Explanations: what both clients ask and read, and what notebooks show of them."""

import json
import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest

from harness.paths import SAMPLES
from tests.client.fake_gateway import BOX, KINDS, STRAY, Asked, FakeGateway, Kind, Reply, problem
from vitrine_client import Explanation, InvalidImage, errors
from vitrine_client.errors import EmptyPicture
from vitrine_client.results.explanations import AGAINST, FOR

both = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)

LABELS = ("42", "Bag", "7", "0")
BAG = SAMPLES[1].read_bytes()
ATTRIBUTIONS = [[0.0] * 28 for _ in range(28)]
ATTRIBUTIONS[3][4], ATTRIBUTIONS[5][6], ATTRIBUTIONS[7][8] = 2.0, -0.5, 0.25


def explaining(asked: Asked) -> Reply:
    """Explains any class by the same three pixels, and predicts the class 1."""
    path = urlsplit(asked.path)
    if path.path.endswith(":predict"):
        entry = {"label": "Bag", "class_id": 1, "probability": 0.4}
        entry["probabilities"] = dict.fromkeys(LABELS, 0.2)
        return _answer("predictions", entry)
    class_id = int(parse_qs(path.query).get("class_id", ["1"])[0])
    if class_id >= len(LABELS):
        return problem(400, f"class_id={class_id} is no class of mlp")
    if asked.body == b"garbage":
        return problem(400, "This is no picture")
    if asked.body == b"empty":
        return _answer("explanations", {"empty": True, "warnings": [STRAY]})
    entry = {"label": LABELS[class_id], "class_id": class_id, "probability": 0.4}
    beside = {"attributions": ATTRIBUTIONS, "box": BOX, "warnings": [STRAY]}
    return _answer("explanations", entry | beside)


def _answer(name: str, entry: dict) -> Reply:
    spec = {"name": "mlp", "version": "12", "signature_name": "explain"}
    return Reply(content={name: [entry], "model_spec": spec})


@pytest.fixture
def gateway():
    with FakeGateway(explaining) as running:
        yield running


@pytest.fixture
def explanation() -> Explanation:
    return Explanation(
        label="<b>Bag</b>",
        class_id=1,
        probability=0.4,
        attributions=np.array(ATTRIBUTIONS, np.float32),
        model="mlp",
        version=12,
    )


@both
def test_an_explanation_has_everything(kind: Kind, gateway):
    """What the gateway answers becomes an `Explanation`, attributions an array."""
    found = kind.ask(gateway.url, "explain", BAG, "mlp", label="stable", box=(1, 2, 20, 20))
    assert (found.label, found.class_id, found.probability) == ("Bag", 1, 0.4)
    assert (found.version_name, found.box, found.warnings) == ("mlp/12", tuple(BOX), (STRAY,))
    assert (found.attributions.shape, found.attributions.dtype) == ((28, 28), np.float32)
    assert (found.sum_for, found.sum_against) == (2.25, -0.5)
    (asked,) = gateway.asked
    assert asked.path == "/v1/models/mlp/labels/stable:explain?box=1,2,20,20"
    assert asked.body == BAG


@both
@pytest.mark.parametrize(
    ("class_id", "asked_for"), [(3, 3), ("Bag", 1), ("7", 2), ("0", 3), ("1", 1), (0, 0)], ids=repr
)
def test_a_class_by_name_or_number(kind: Kind, gateway, class_id, asked_for):
    """A name counts before a number, as labels may look like numbers; an int is an index."""
    found = kind.ask(gateway.url, "explain", BAG, class_id=class_id)
    assert (found.class_id, found.label) == (asked_for, LABELS[asked_for])


@both
@pytest.mark.parametrize("class_id", ["Bagg", "4", "", "-1", 99], ids=repr)
def test_a_class_that_is_none(kind: Kind, gateway, class_id):
    """The error says which there are, or what the gateway says."""
    with pytest.raises(errors.InvalidRequest, match="class") as caught:
        kind.ask(gateway.url, "explain", BAG, class_id=class_id)
    assert not isinstance(caught.value, InvalidImage)
    if isinstance(class_id, str):
        assert str(caught.value).endswith("there are 42, Bag, 7, 0")


@both
def test_pictures_that_cannot_be_explained(kind: Kind, gateway, tmp_path: Path):
    """Garbage is told from a request that makes no sense; nothing to see is an `EmptyPicture`."""
    with pytest.raises(InvalidImage, match="This is no picture"):
        kind.ask(gateway.url, "explain", b"garbage")
    with pytest.raises(EmptyPicture) as caught:
        kind.ask(gateway.url, "explain", b"empty")
    assert caught.value.warnings == (STRAY,)
    with pytest.raises(FileNotFoundError):
        kind.ask(gateway.url, "explain", tmp_path / "gone.png")


@both
@pytest.mark.parametrize(
    "changes",
    [
        {"attributions": [[0.0], [1, 2]]},
        {"attributions": [[]]},
        {"attributions": None},
        {"label": None, "box": [1]},
    ],
    ids=str,
)
def test_answers_that_are_not_whole(kind: Kind, changes):
    """They are the gateway's fault."""

    def answer(asked: Asked) -> Reply:
        whole = explaining(asked).content
        whole["explanations"][0].update(changes)
        return Reply(content=whole)

    with FakeGateway(answer) as gateway, pytest.raises(errors.ServerError, match="no sense"):
        kind.ask(gateway.url, "explain", BAG)


@both
def test_a_model_of_another_size(kind: Kind):
    """Higher than wide, with an odd number of rows."""

    def answer(asked: Asked) -> Reply:
        whole = explaining(asked).content
        whole["explanations"][0]["attributions"] = [[0.5] * 32 for _ in range(33)]
        return Reply(content=whole)

    with FakeGateway(answer) as gateway:
        found = kind.ask(gateway.url, "explain", BAG)
    assert found.attributions.shape == (33, 32)
    assert found.heat_map(scale=2).size == (64, 66)
    coarse = found.coarser(20)
    assert coarse.attributions.shape == (17, 16)
    assert coarse.sum_for == pytest.approx(found.sum_for)
    assert found.coarser(32).attributions.shape == (33, 32)


def test_the_heat_map(explanation):
    """The strongest pixel has the full colour, those against it the other, and black says
    nothing."""
    pixels = np.asarray(explanation.heat_map(scale=3))
    assert pixels.shape == (84, 84, 3)
    assert pixels[3 * 3, 4 * 3].tolist() == list(FOR)
    against = pixels[5 * 3 + 2, 6 * 3 + 2].astype(float)
    np.testing.assert_allclose(against / against.max(), np.array(AGAINST) / max(AGAINST), atol=0.02)
    assert against.max() < max(AGAINST)
    assert np.count_nonzero(pixels.any(axis=2)) == 3 * 9


def test_black_explains_nothing():
    """No division by zero."""
    nothing = Explanation("Bag", 1, 0.4, np.zeros((28, 28), np.float32), "mlp", 1)
    assert not np.asarray(nothing.heat_map()).any()
    assert not np.isnan(nothing.weights()).any()


def test_json(explanation):
    """`to_dict` is what JSON holds, without NaN."""
    told = explanation.to_dict()
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    assert told["attributions"][3][4] == 2.0
    assert list(told)[:4] == ["label", "class_id", "probability", "attributions"]


def test_notebooks(explanation):
    """The heat map is a picture in the page, with a text beside it; labels are text."""
    shown = explanation._repr_html_()
    assert "&lt;b&gt;Bag&lt;/b&gt;" in shown
    assert "<b>" not in shown
    assert re.search(r'<img src="data:image/png;base64,\w', shown)
    assert "Pixels add +2.25" in shown
