"""The file in which version labels are: what is read, changed and kept of it, and how it is
written."""

import os
import signal
import stat
import subprocess
import sys
import threading

import pytest

from harness.processes import is_running
from harness.waiting import wait_for
from vitrine_client.errors import InvalidRequest, NotFound
from vitrine_client.store import model_configs
from vitrine_client.store.model_configs import ModelConfigs
from vitrine_serving.model_server.repository.config import read_config

TWO = b"""# What is served.
#  Indented, and kept.

model_config_list {
  config { name: "mlp" base_path: "/models/mlp" model_platform: "tensorflow" }
  config {
    name: 'softmax', base_path: '/models/softmax', model_platform: 'tensorflow'
    model_version_policy { specific { versions: 1 versions: 2 } }
    version_labels { key: 'stable' value: 1 }
  }
}
"""


def again(configs: ModelConfigs) -> ModelConfigs:
    """What one reads who reads what was written."""
    return ModelConfigs.parse(str(configs).encode())


def test_a_label_moves_and_nothing_else():
    """What is written is what a model server reads: the label is the one that was promoted, and of
    the other models and the head of the file nothing has changed."""
    old = ModelConfigs.parse(TWO)
    new = str(old.promoted("mlp", "stable", 7))
    head = ["# What is served.", "#  Indented, and kept.", "", '# label stable of "mlp": 7']
    assert new.splitlines()[:5] == [*head, "model_config_list {"]
    before, after = read_config(TWO.decode()), read_config(new)
    assert after[1] == before[1]
    assert (after[0].version_labels, after[0].base_path) == ({"stable": 7}, before[0].base_path)
    assert old.named("mlp", "stable") is None
    assert old.named("softmax", "stable") == 1


def test_what_a_label_named_before():
    """It goes back one by one, through what was read again each time, and then no further; a
    version that is promoted twice is there once."""
    configs = ModelConfigs.parse(TWO)
    for version in (1, 2, 2, 3):
        configs = again(configs.promoted("mlp", "stable", version))
    configs = again(configs.promoted("mlp", "canary", 4))
    assert configs.before("mlp", "stable") == (2, 1)
    assert configs.before("mlp", "canary") == ()
    assert configs.before("softmax", "stable") == ()
    for version in (2, 1):
        configs = again(configs.rolled_back("mlp", "stable"))
        assert configs.named("mlp", "stable") == version
    with pytest.raises(LookupError):
        configs.rolled_back("mlp", "stable")
    assert configs.named("mlp", "canary") == 4
    assert configs.before("mlp", "stable") == ()


def test_a_label_that_was_moved_by_hand():
    """What it was moved from is what it named before; so is a version that it was given by hand."""
    configs = again(ModelConfigs.parse(TWO).promoted("mlp", "stable", 1))
    configs = again(configs.promoted("mlp", "stable", 2))
    by_hand = ModelConfigs.parse(str(configs).replace("value: 2", "value: 5").encode())
    assert by_hand.named("mlp", "stable") == 5
    assert by_hand.before("mlp", "stable") == (2, 1)
    assert again(by_hand.promoted("mlp", "stable", 6)).before("mlp", "stable") == (5, 2, 1)
    assert again(by_hand.rolled_back("mlp", "stable")).before("mlp", "stable") == (1,)
    moved = ModelConfigs.parse(TWO).promoted("softmax", "stable", 2)
    assert again(moved).before("softmax", "stable") == (1,)


def test_no_history_without_end():
    """Ten versions are kept, the newest."""
    configs = ModelConfigs.parse(TWO)
    for version in range(1, 21):
        configs = again(configs.promoted("mlp", "stable", version))
    assert configs.before("mlp", "stable") == tuple(range(19, 10, -1))


@pytest.mark.parametrize(
    ("policy", "kept"),
    [
        (b"", "all"),
        (b"model_version_policy { latest { num_versions: 3 } }", "all"),
        (b"model_version_policy { all {} }", "all"),
        (b"model_version_policy { specific { versions: 4 versions: 7 } }", (4, 7)),
    ],
)
def test_the_policy_keeps_what_is_labelled(policy, kept):
    """`latest` would let it go with the next version that is published; `specific` says itself."""
    model = b'name: "m" base_path: "/m" model_platform: "tensorflow"'
    configs = ModelConfigs.parse(b"model_config_list { config { %s %s } }" % (model, policy))
    new = again(configs.promoted("m", "stable", 4))
    [read] = read_config(str(new))
    assert (read.specific or ("all" if read.latest == 0 else "latest")) == kept
    assert new.serves_all("m") == (kept == "all")
    assert configs.serves_all("m") == (b"all" in policy)


def test_a_version_that_the_policy_leaves_out():
    """The error names the line to add."""
    with pytest.raises(InvalidRequest, match="add `versions: 3` there"):
        ModelConfigs.parse(TWO).promoted("softmax", "stable", 3)


@pytest.mark.parametrize("past", ["2 <-", "x", "9" * 5000, "1 <- 99999999999999999999"])
def test_a_history_that_makes_no_sense_is_a_comment(past):
    """It stays where it is, and a history of ours comes after it."""
    line = f'# label stable of "mlp": {past}'
    configs = again(ModelConfigs.parse(f"{line}\n{TWO.decode()}".encode()))
    assert configs.before("mlp", "stable") == ()
    assert str(configs.promoted("mlp", "stable", 1)).startswith(f"{line}\n")


def test_any_name_can_have_a_history():
    """Quotes, line ends and arrows in a model's name stay in its name."""
    name = 'a "b" <- c\n# label stable of "mlp": 9'
    text = TWO.decode().replace('"mlp"', '"a \\"b\\" <- c\\n# label stable of \\"mlp\\": 9"')
    configs = ModelConfigs.parse(text.encode()).promoted(name, "stable", 1)
    configs = again(again(configs).promoted(name, "stable", 2))
    assert (configs.named(name, "stable"), configs.before(name, "stable")) == (2, (1,))
    assert len(configs.histories) == 1


@pytest.mark.parametrize(
    "content",
    [
        b"\x00\xff\xfe",
        b"model_config_list {",
        b"model_config_list { config { name: 1 } }",
        b"models: 3",
        b'model_config_list { config { name: "m" version_labels { key: "s" value: "1" } } }',
        b'{"model_config_list": {}}',
        b"custom_model_config { [type.googleapis.com/none.Such] { x: 1 } }",
        b"model_config_list {" * 5000,
    ],
)
def test_garbage(content):
    """The error names the file."""
    with pytest.raises(InvalidRequest, match=r"^some\.config is no ModelServerConfig: "):
        ModelConfigs.parse(content, "some.config")


@pytest.mark.parametrize(("content", "names"), [(b"", "none"), (TWO, "mlp, softmax")])
def test_a_model_that_is_not_there(content, names):
    """The error says which are."""
    with pytest.raises(NotFound, match=f"no model linear; it has {names}$"):
        ModelConfigs.parse(content).promoted("linear", "stable", 1)


def test_a_file_keeps_its_permissions_and_its_links(tmp_path):
    """The server may be somebody else, and its file a link to where it is kept; what a write that
    was killed left behind is no obstacle."""
    file, link = tmp_path / "kept" / "real.config", tmp_path / "models.config"
    file.parent.mkdir()
    file.write_bytes(TWO)
    file.chmod(0o664)
    link.symlink_to(file)
    (file.parent / ".real.config.unfinished").write_text("half of")
    model_configs.write(link, b"new")
    assert link.is_symlink()
    assert file.read_bytes() == b"new"
    assert stat.S_IMODE(file.stat().st_mode) == 0o664
    assert [path.name for path in file.parent.iterdir()] == ["real.config"]


WRITE = """
import sys, pathlib
from vitrine_client.store import model_configs
path = pathlib.Path(sys.argv[1])
contents = [letter.encode() * 500_000 for letter in "ab"]
while True:
    for content in contents:
        model_configs.write(path, content)
"""


def test_killed_while_it_writes(tmp_path):
    """Whenever it is killed, the file is the old one or the new one, whole."""
    path = tmp_path / "models.config"
    path.write_bytes(b"a" * 500_000)
    whole = {b"a" * 500_000, b"b" * 500_000}
    process = subprocess.Popen([sys.executable, "-c", WRITE, str(path)])
    try:
        wait_for(lambda: path.read_bytes()[:1] == b"b", 20, "a first write")
        for _ in range(200):
            assert path.read_bytes() in whole
        os.kill(process.pid, signal.SIGKILL)
        process.wait(20)
    finally:
        process.kill()
    assert not is_running(process.pid)
    assert path.read_bytes() in whole
    model_configs.write(path, TWO)
    assert ModelConfigs.parse(path.read_bytes()).named("softmax", "stable") == 1


def test_one_change_at_a_time(tmp_path):
    """Who comes second waits for the first, and reads what that one wrote."""
    path = tmp_path / "models.config"
    path.write_bytes(TWO)
    came, told = threading.Event(), []

    def promote() -> None:
        came.set()
        with model_configs.locked(path):
            told.append(ModelConfigs.parse(path.read_bytes()).named("mlp", "stable"))

    second = threading.Thread(target=promote)
    with model_configs.locked(path):
        second.start()
        assert came.wait(10)
        second.join(0.2)
        assert second.is_alive()
        new = ModelConfigs.parse(TWO).promoted("mlp", "stable", 3)
        model_configs.write(path, str(new).encode())
    second.join(10)
    assert told == [3]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_file_stays_its_owners(tmp_path):
    """Though root promotes a version: the model server reads it as somebody else."""
    path = tmp_path / "models.config"
    path.write_bytes(TWO)
    path.chmod(0o600)
    os.chown(path, 12345, 54321)
    with model_configs.locked(path):
        model_configs.write(path, b"new")
    found = path.stat()
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (12345, 54321, 0o600)
