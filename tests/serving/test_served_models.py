"""Which models `vitrine-serve` serves, with a models.config beside them and without one."""

import os
from pathlib import Path

import pytest

from vitrine_client.store.generated_config import is_named
from vitrine_serving.model_server.repository.config import read_config
from vitrine_serving.served_models import served_models, write_config


@pytest.fixture
def models_dir(tmp_path: Path) -> Path:
    """Two models with a version, one without, and what publishers leave beside them."""
    for name in ("mlp/1", "mlp/2", "softmax/1", "empty", "mlp/.unfinished-3"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "mlp/.lock").touch()
    return tmp_path


def entry(models_dir: Path, name: str, more: str = "") -> str:
    path = models_dir / name
    return f'config {{ name: "{name}" base_path: "{path}" model_platform: "tensorflow" {more} }}'


def write(models_dir: Path, *entries: str) -> None:
    text = f"model_config_list {{ {' '.join(entries)} }}"
    (models_dir / "models.config").write_text(text)


def test_without_a_file_all_that_have_a_version_are_served(models_dir, tmp_path_factory):
    """By a configuration that says so, with absolute paths, beside the models."""
    served = served_models(models_dir)
    assert (served.names, served.config, served.left_out) == (("mlp", "softmax"), None, ())
    path = write_config(models_dir, served.names, tmp_path_factory.mktemp("scratch"))
    assert path == models_dir / "models.config"
    written = read_config(path.read_text())
    assert [(one.name, one.base_path) for one in written] == [
        ("mlp", models_dir / "mlp"),
        ("softmax", models_dir / "softmax"),
    ]


def test_what_was_written_at_a_start_is_no_rule(models_dir):
    """A model that is published later is served at the next start; not so once there are labels."""
    path = write_config(models_dir, ("mlp",), models_dir)
    assert served_models(models_dir).names == ("mlp", "softmax")
    label = 'version_labels { key: "stable" value: 1 } }'
    path.write_text(path.read_text().replace(" }\n}", f" {label}\n}}"))
    assert served_models(models_dir).left_out == ("softmax",)


@pytest.mark.parametrize("name", ['q"uote', "back\\slash", "żółw", "a b"])
def test_odd_names_of_folders(tmp_path, name):
    """They keep nobody from being served, and are known again."""
    models_dir = tmp_path / 'm"x\\y'
    (models_dir / name / "1").mkdir(parents=True)
    path = write_config(models_dir, served_models(models_dir).names, tmp_path)
    (written,) = read_config(path.read_text())
    assert (written.name, written.base_path) == (name, models_dir / name)
    assert is_named(path, name)
    assert not is_named(path, "other")


def test_a_file_that_cannot_be_read(models_dir):
    """A directory of its name, or bytes that are no text, are told as such."""
    config = models_dir / "models.config"
    config.mkdir()
    with pytest.raises(ValueError, match=r"models\.config cannot be read: Is a directory"):
        served_models(models_dir)
    config.rmdir()
    config.write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match=r"models\.config cannot be read: it is not UTF-8"):
        served_models(models_dir)


def test_models_that_cannot_be_written_beside(models_dir, tmp_path):
    """The file is then in the scratch directory: labels cannot be moved, the service runs."""
    missing, scratch = tmp_path / "gone", tmp_path / "scratch"
    scratch.mkdir()
    assert write_config(missing, ("mlp",), scratch) == scratch / "models.config"


def test_a_file_is_the_whole_truth(models_dir):
    """What it names is served, with its labels and policies; what it leaves out is told."""
    write(models_dir, entry(models_dir, "mlp", 'version_labels { key: "stable" value: 1 }'))
    served = served_models(models_dir)
    assert served.names == ("mlp",)
    assert served.config == models_dir / "models.config"
    assert served.left_out == ("softmax",)


def test_what_makes_no_sense_is_told_before_a_start(models_dir, tmp_path_factory):
    """Nothing published, a broken file, an empty one, a model without versions or a directory."""
    with pytest.raises(ValueError, match="There is no model in"):
        served_models(tmp_path_factory.mktemp("nothing"))
    write(models_dir, "config {")
    with pytest.raises(ValueError, match=r"models\.config: 1:"):
        served_models(models_dir)
    write(models_dir)
    with pytest.raises(ValueError, match="names no model"):
        served_models(models_dir)
    write(models_dir, entry(models_dir, "mlp"), entry(models_dir, "empty"))
    with pytest.raises(ValueError, match="No versions of empty found"):
        served_models(models_dir)
    write(models_dir, entry(models_dir, "elsewhere"))
    with pytest.raises(ValueError, match="no versions of elsewhere"):
        served_models(models_dir)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_the_file_stays_its_owners(models_dir, tmp_path_factory):
    """Though root starts a service."""
    scratch = tmp_path_factory.mktemp("scratch")
    config = write_config(models_dir, ("mlp",), scratch)
    os.chown(config, 12345, 54321)
    assert write_config(models_dir, ("mlp", "softmax"), scratch) == config
    assert (config.stat().st_uid, config.stat().st_gid) == (12345, 54321)
    assert "softmax" in config.read_text()
