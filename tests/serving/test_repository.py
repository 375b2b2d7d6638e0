"""Versions come and go as their directories do; loading is faked, directories are real."""

from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest

from vitrine_serving.model_server.errors import ServingError
from vitrine_serving.model_server.repository import ModelConfig, Repository, read_config


@dataclass(frozen=True)
class FakeServable:
    name: str
    version: int
    path: Path


def load(name: str, version: int, path: Path) -> FakeServable:
    if (path / "broken").exists():
        raise ValueError("no graph")
    return FakeServable(name, version, path)


def publish(base: Path, version: int, *, broken: bool = False) -> None:
    (base / str(version)).mkdir(parents=True)
    if broken:
        (base / str(version) / "broken").touch()


@pytest.fixture
def base(tmp_path: Path) -> Path:
    publish(tmp_path / "mlp", 1)
    return tmp_path / "mlp"


def repository(base: Path, **policy) -> Repository:
    made = Repository([ModelConfig("mlp", base, **policy)], load)
    made.refresh()
    return made


def states(repo: Repository) -> dict[int, str]:
    return {version.number: version.state for version in repo.versions("mlp")}


def test_the_newest_version_answers_and_the_old_one_ends(base):
    """A new directory is loaded at the next look, and then the old version is unloaded."""
    repo = repository(base)
    assert repo.servable("mlp").version == 1
    publish(base, 2)
    repo.refresh()
    assert repo.servable("mlp").version == 2
    assert states(repo) == {2: "AVAILABLE", 1: "END"}
    with pytest.raises(ServingError, match=r"Specific\(mlp, 1\)"):
        repo.servable("mlp", 1)


def test_a_broken_version_does_not_take_the_good_one_down(base):
    """The old version serves on, and the new one tells its error."""
    repo = repository(base)
    publish(base, 2, broken=True)
    repo.refresh()
    assert repo.servable("mlp").version == 1
    assert states(repo) == {2: "END", 1: "AVAILABLE"}
    assert "no graph" in repo.versions("mlp", 2)[0].error


def test_removing_the_newest_brings_the_older_back(base):
    """A rollback is the removal of a directory."""
    publish(base, 2)
    repo = repository(base)
    (base / "2").rmdir()
    repo.refresh()
    assert repo.servable("mlp").version == 1
    assert states(repo) == {2: "END", 1: "AVAILABLE"}


def test_what_is_no_version_is_ignored(base):
    """Half-written versions, locks and stray files have no integer name."""
    (base / ".unfinished-2").mkdir()
    (base / ".lock").touch()
    (base / "3").touch()
    assert states(repository(base)) == {1: "AVAILABLE"}


@pytest.mark.parametrize(
    ("policy", "served"),
    [
        ({}, {3}),
        ({"latest": 2}, {2, 3}),
        ({"latest": 0}, {1, 2, 3}),
        ({"specific": (1, 3, 9)}, {1, 3}),
    ],
)
def test_policies(base, policy, served):
    """`latest`, `all` and `specific` decide what is loaded."""
    publish(base, 2)
    publish(base, 3)
    assert set(states(repository(base, **policy))) == served


def test_numbers_sort_as_numbers(base):
    """10 is newer than 9."""
    publish(base, 9)
    publish(base, 10)
    assert repository(base).servable("mlp").version == 10


def test_unknown_names_and_versions(base):
    """TensorFlow Serving's words and codes for what is not there."""
    repo = repository(base)
    for call, message in (
        (lambda: repo.servable("x"), "Servable not found for request: Latest(x)"),
        (lambda: repo.servable("mlp", 9), "Servable not found for request: Specific(mlp, 9)"),
        (lambda: repo.versions("x"), "Could not find any versions of model x"),
    ):
        with pytest.raises(ServingError) as caught:
            call()
        assert str(caught.value) == message
        assert caught.value.code is grpc.StatusCode.NOT_FOUND


def test_config_files():
    """`models.config` has TensorFlow Serving's syntax, policies included."""
    configs = read_config(
        """
        model_config_list {
          config { name: "a" base_path: "/models/a" model_platform: "tensorflow" }
          config { name: "b" base_path: "/models/b" model_version_policy { all {} } }
          config { name: "c" base_path: "/models/c"
                   model_version_policy { specific { versions: 4 versions: 7 } } }
          config { name: "d" base_path: "/models/d"
                   model_version_policy { latest { num_versions: 3 } } }
        }
        """
    )
    assert configs == [
        ModelConfig("a", Path("/models/a")),
        ModelConfig("b", Path("/models/b"), latest=0),
        ModelConfig("c", Path("/models/c"), specific=(4, 7)),
        ModelConfig("d", Path("/models/d"), latest=3),
    ]


def test_a_bad_config_says_where():
    """A typing error in the file names its line."""
    with pytest.raises(ValueError, match=r"models\.config: 1:"):
        read_config("model_config_lst {}")
