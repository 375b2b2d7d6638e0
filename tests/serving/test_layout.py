"""Wrong layouts of a models directory are named, each with what to do."""

from pathlib import Path

import pytest

from vitrine_client.store.layout import misplaced_models, without_graph
from vitrine_serving.served_models import served_models


def made(root: Path, *files: str) -> Path:
    for name in files:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


@pytest.mark.parametrize(
    ("file", "said"),
    [
        (
            "x/saved_model.pb",
            "x has a saved_model.pb outside of its versions: move what is in it to {}/x/1",
        ),
        ("x/v1/saved_model.pb", "versions are integers: `mv {}/x/v1 {}/x/1`"),
        ("x/1.0/saved_model.pb", "versions are integers: `mv {}/x/1.0 {}/x/1`"),
        ("x/model.keras", '`keras.models.load_model("{}/x/model.keras").export("{}/x/1")`'),
        ("x.h5", '`keras.models.load_model("{}/x.h5").export("{}/x/1")`'),
        ("group/x/1/saved_model.pb", "`--models-dir {}/group`"),
        ("a,b/1/saved_model.pb", "a name without commas"),
        ("a\nb/1/saved_model.pb", "a\\nb' is passed over"),
        ("1/saved_model.pb", "is one model, with version 1"),
        ("saved_model.pb", "move what is in it to {}/NAME/1"),
    ],
)
def test_misplaced(tmp_path, file, said):
    """Alone, where it ends the start, and beside a good model where it can be so."""
    made(tmp_path, file)
    expected = said.replace("{}", str(tmp_path))
    assert expected in "; ".join(map(str, misplaced_models(tmp_path)))
    with pytest.raises(ValueError, match="There is no model in") as caught:
        served_models(tmp_path)
    assert expected in str(caught.value)
    if file not in ("1/saved_model.pb", "saved_model.pb"):
        served = served_models(made(tmp_path, "good/1/saved_model.pb"))
        assert served.names == ("good",)
        assert expected in "; ".join(served.misplaced)


def test_one_level_too_deep(tmp_path):
    """The directory of a version is named like that of a model."""
    made(tmp_path, "models/x/3/saved_model.pb")
    for deep in (tmp_path / "models/x", tmp_path / "models/x/3"):
        (said,) = misplaced_models(deep)
        assert f"`--models-dir {tmp_path / 'models'}`" in str(said)


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("model.keras", '`keras.models.load_model("{}/model.keras").export("{}")`'),
        ("a.weights.h5", '`model.load_weights("{}/a.weights.h5")`'),
        ("mine/saved_model.pb", "move what is in it to {}"),
        ("model.zip", "unpack it, so that {}/saved_model.pb is there"),
        ("variables/variables.index", "has no saved_model.pb: export a SavedModel there, `model.e"),
    ],
)
def test_a_version_without_a_graph(tmp_path, file, said):
    """Part of the reason why its load fails."""
    assert said.replace("{}", str(tmp_path)) in str(without_graph(made(tmp_path, file)))


def test_what_is_right_is_not_named(tmp_path):
    """Nor what publishers leave, links to elsewhere, or files of others."""
    made(tmp_path, "x/1/saved_model.pb", "x/.unfinished-2/saved_model.pb", "x/report/a.png")
    (tmp_path / "elsewhere").symlink_to(tmp_path / "x")
    (tmp_path / "models.config").touch()
    assert misplaced_models(tmp_path) == []
    assert "is empty" in str(without_graph(tmp_path / "nothing"))


def test_folders_without_a_version(tmp_path):
    """Packed, empty, of another library, a link to a disk that is not mounted: each is named, and
    not what a publisher or the disk itself has there."""
    made(tmp_path, "good/1/saved_model.pb", "packed/model.zip", "torch/model.pt", "x.tar.gz")
    made(tmp_path, "new/.unfinished-1/a", "old/.retired-1/saved_model.pb", ".git/config")
    for name in ("empty", "lost+found"):
        (tmp_path / name).mkdir()
    (tmp_path / "gone").symlink_to("/nowhere/gone")
    (tmp_path / "good/2").symlink_to("/nowhere/2")
    (tmp_path / "good/3").touch()
    told = dict(served_models(tmp_path).misplaced and map(tuple, misplaced_models(tmp_path)))
    assert {Path(seen.split()[0]).relative_to(tmp_path).as_posix() for seen in told} == {
        *("packed/model.zip", "torch", "x.tar.gz", "empty", "gone", "good/2", "good/3")
    }
    assert told[f"{tmp_path}/gone leads nowhere, to /nowhere/gone"].startswith("restore or mount")
    assert f"{tmp_path}/empty/1" in told[f"{tmp_path}/empty is empty"]


def test_a_directory_that_is_given_as_a_dot(tmp_path, monkeypatch):
    """It is named by its name."""
    monkeypatch.chdir(made(tmp_path, "1/saved_model.pb"))
    for folder in (Path(), Path("1/..")):
        with pytest.raises(ValueError, match=f"There is no model in {tmp_path}"):
            served_models(folder)
