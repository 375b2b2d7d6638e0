"""Generated models.config: what is written again at a start, and how a new model is served."""

from pathlib import Path

import pytest

from vitrine_client.errors import NotFound
from vitrine_client.store.generated_config import MARK, how_to_serve, is_generated, is_named
from vitrine_client.store.model_configs import ModelConfigs

ENTRY = 'config { name: "mlp" base_path: "/models/mlp" model_platform: "tensorflow" %s }'


def text(more: str = "", mark: str = MARK) -> str:
    return f"{mark}model_config_list {{ {ENTRY % more} }}\n"


@pytest.mark.parametrize(
    ("content", "generated"),
    [
        (text(), True),
        (text('version_labels { key: "stable" value: 1 }'), False),
        (text(mark=""), False),
        (text(mark="# mine\n"), False),
        ("", False),
    ],
)
def test_a_label_or_a_hand_makes_it_stay(content: str, generated: bool):
    """Only what vitrine-serve wrote, and nobody labelled, is written again."""
    assert is_generated(content) == generated


def test_how_a_new_model_is_served(tmp_path: Path):
    """By the next start, or by an entry where the file decides; without a file all are served."""
    config = tmp_path / "models.config"
    assert is_named(config, "new")
    config.write_text(text())
    assert is_named(config, "mlp")
    assert not is_named(config, "new")
    assert "next start" in how_to_serve(config, "new")
    config.write_text(text(mark=""))
    told = how_to_serve(config, "new")
    assert str(config) in told
    added = f"model_config_list {{ {told.partition('list: ')[2]} }}"
    assert ModelConfigs.parse(added.encode()).models == ("new",)


def test_a_label_for_a_model_that_is_not_served_yet(tmp_path: Path):
    """promote tells a published model from one that nobody knows."""
    config = tmp_path / "models.config"
    config.write_text(text())
    (tmp_path / "new" / "1").mkdir(parents=True)
    configs = ModelConfigs.parse(config.read_bytes(), str(config))
    with pytest.raises(
        NotFound, match=r"has no model new; it has mlp\. It is published; .*next start"
    ):
        configs.promoted("new", "stable", 1)
    with pytest.raises(NotFound, match=r"has no model other; it has mlp\Z"):
        configs.promoted("other", "stable", 1)
