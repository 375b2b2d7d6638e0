"""The demo's choice of models, those that pictures can be sent to, the default model first; and of
pictures."""

import pytest

from tests.client.cli_gateway import PROFILE
from tests.client.fake_gateway import (
    BAD,
    EMPTY,
    STATUS_OK,
    Asked,
    FakeGateway,
    Reply,
    problem,
    seeing,
)
from vitrine_client.errors import ServerError
from vitrine_client.results.profiles.profile import FASHION_MNIST
from vitrine_serving.demonstration import DemoModels, pictures_of, refused


@pytest.mark.parametrize(
    ("classifiers", "left_out", "asked"),
    [
        (["mlp", "photo", "softmax"], [], [[], ["mlp"], ["softmax"]]),
        (["mlp", "softmax"], ["linear"], [[], ["softmax"]]),
        (["cnn", "softmax"], [], [["cnn"], ["softmax"]]),
        (["mlp", "softmax"], ["photo"], [["mlp"], ["softmax"]]),  # it would be asked by default
        ([], ["linear"], []),
    ],
)
def test_the_default_model_comes_first(classifiers, left_out, asked):
    """Asked without a name, where that is the one that answers then."""
    models = DemoModels(classifiers, classifiers, dict.fromkeys(left_out, "no"))
    assert models.asked() == [("--model", *each) if each else () for each in asked]


def test_past_the_gateway_our_own_are_asked():
    """The client makes pictures for no others there."""
    models = DemoModels(["cnn", "mlp", "softmax"], {"softmax"}, {})
    assert models.asked(past_gateway=True) == [("--model", "softmax")]


def answering(asked: Asked) -> Reply:
    """Four models: one of ours, a foreign one, one that takes no pictures, and one that fails."""
    ours = FASHION_MNIST.to_dict() | {"labels": ["Bag", "Coat"]}
    profiles = {"mlp": PROFILE | {"profile": ours}, "cnn": PROFILE}
    if asked.model:
        return Reply(content=profiles[asked.model])
    said = {
        "mlp": {"classifier": True},
        "cnn": {"classifier": True},
        "rows": {"classifier": False, "reason": "it takes rows"},
        "broken": {"reason": "it fails"},
        "empty": {},
    }
    state = {"version": "3", "state": "AVAILABLE", "status": STATUS_OK}
    models = [
        {"name": name, "model_version_status": [state] * (name != "empty"), **each}
        for name, each in said.items()
    ]
    return Reply(content={"models": models})


def test_a_gateway_says_which_there_are():
    """Each model has a reason why it is left out, but for one without a version."""
    with FakeGateway(answering) as gateway:
        models = DemoModels.found(gateway.url)
    assert (models.classifiers, models.own) == (["mlp", "cnn"], {"mlp"})
    assert models.left_out == {"rows": "it takes rows", "broken": "it fails"}
    assert models.asked(past_gateway=True) == [()]


def test_one_model_alone():
    """Or why it cannot be asked."""
    models = DemoModels(["cnn", "mlp"], {"mlp"}, {"rows": "it takes rows"})
    assert models.alone("cnn") == (["cnn"], {"mlp"}, {})
    for name, reason in {"rows": "it takes rows", "new": "it is not served"}.items():
        with pytest.raises(LookupError, match=reason):
            models.alone(name)


@pytest.mark.parametrize(
    ("classes", "each", "taken"),
    [
        (2, 9, ["a/0.png", "a/1.png", "a/2.png", "b/0.png", "b/1.png", "b/2.png"]),
        (9, 2, ["a/0.png", "c/0.png", "e/0.png", "g/0.png", "i/0.png", "a/1.png"]),
        (1, 1, ["a/0.png"]),
    ],
)
def test_a_few_pictures_of_a_folder(tmp_path, classes, each, taken):
    """Of as many classes as there is room for; hidden folders and other files are no pictures."""
    for name in "abcdefghi"[:classes]:
        (tmp_path / name).mkdir()
        for number in range(each):
            (tmp_path / name / f"{number}.png").touch()
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "x.png").touch()
    (tmp_path / "a" / "notes.txt").touch()
    assert pictures_of([tmp_path]) == sorted(str(tmp_path / name) for name in taken)


def test_files_and_folders_without_pictures(tmp_path):
    (tmp_path / "x.jpg").touch()
    assert pictures_of([tmp_path / "x.jpg"]) == [str(tmp_path / "x.jpg")]
    (tmp_path / "none").mkdir()
    with pytest.raises(ValueError, match="none has no pictures in it"):
        pictures_of([tmp_path / "none"])


def test_pictures_that_are_refused(tmp_path):
    """Each has its reason: garbage, nothing to see, a body that is too large, a file that is gone;
    the others are answered all the same."""
    content = {"bad": BAD, "coat": b"Coat", "empty": EMPTY, "large": b"large", "shirt": b"Shirt"}
    for name, each in content.items():
        (tmp_path / name).write_bytes(each)

    def answer(asked: Asked) -> Reply:
        return problem(413, "5 bytes are too many") if asked.body == b"large" else seeing(asked)

    paths = [str(tmp_path / name) for name in (*content, "gone")]
    with FakeGateway(answer) as gateway:
        reasons = refused(paths, gateway.url, "", "mlp")
    assert [name.rpartition("/")[2] for name in reasons] == ["bad", "empty", "large", "gone"]
    assert "5 bytes are too many" in reasons[paths[3]]
    assert "No such file" in reasons[paths[-1]]


def test_a_failure_that_is_not_for_a_picture(tmp_path):
    """No picture is blamed for it."""
    (tmp_path / "coat").write_bytes(b"Coat")
    with FakeGateway(lambda _: problem(500, "a bug")) as gateway, pytest.raises(ServerError):
        refused([str(tmp_path / "coat")], gateway.url, "", "mlp")
