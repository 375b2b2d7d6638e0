"""start.sh: TensorFlow Serving is told of the models that have a version, and of no other.

The server in its place writes down how it was started.
"""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.paths import ROOT
from harness.processes import children_of, end, is_running
from harness.waiting import wait_for
from vitrine_client.store.model_configs import ModelConfigs
from vitrine_serving.model_server.repository.config import read_config

START = ROOT / "deploy/tensorflow_serving/start.sh"
FILE = (ROOT / "deploy/tensorflow_serving/models.config").read_text()
SERVER = """#!/bin/sh
for flag in "$@"; do echo "$flag"; done > "$TMPDIR/started.new"
mv "$TMPDIR/started.new" "$TMPDIR/started"
exec sleep 600
"""
LONGEST_S = 30.0
OWN_PROCESSES = ("unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child")
"""Runs a command as the first process of a namespace, as a container's runtime does."""


@dataclass
class Container:
    """What start.sh finds in its container: models, a models.config, and a folder to write to."""

    folder: Path
    process: "subprocess.Popen[str] | None" = None

    @property
    def config(self) -> Path:
        return self.folder / "models.config"

    @property
    def copy(self) -> Path:
        return self.folder / "tmp/served.config"

    def write(self, text: str) -> None:
        """Replaces the file as `vitrine promote` does."""
        unfinished = self.folder / ".unfinished"
        unfinished.write_text(text.replace("/models/", f"{self.folder}/models/"))
        unfinished.replace(self.config)

    def publish(self, *names: str) -> None:
        for name in names:
            (self.folder / "models" / name / "1").mkdir(parents=True)

    def run(self, *within: str) -> None:
        command = ["bash", str(START), "--port=1", f"--model_config_file={self.config}", "--x=a b"]
        with (self.folder / "log").open("w") as log:
            self.process = subprocess.Popen(
                [*within, *command],
                env=os.environ
                | {"PATH": f"{self.folder}/bin:{os.environ['PATH']}"}
                | {"TMPDIR": str(self.folder / "tmp")},
                stdout=log,
                stderr=subprocess.STDOUT,
                text=True,
            )

    def start(self, *within: str) -> list[str]:
        """Runs it, by the command `within` if there is one, until the server is started; returns
        the server's flags."""
        self.run(*within)
        wait_for((self.folder / "tmp/started").exists, LONGEST_S, "the server")
        return (self.folder / "tmp/started").read_text().splitlines()

    def log(self) -> list[str]:
        return (self.folder / "log").read_text().splitlines()

    def served(self) -> list[str]:
        """The models in the copy."""
        return [each.name for each in read_config(self.copy.read_text())]


@pytest.fixture
def container(tmp_path: Path) -> Iterator[Container]:
    made = Container(tmp_path)
    for name in ("bin", "tmp", "models"):
        (tmp_path / name).mkdir()
    server = tmp_path / "bin/tensorflow_model_server"
    server.write_text(SERVER)
    server.chmod(0o755)
    made.write(FILE)
    yield made
    if made.process:
        end(made.process)


def test_where_all_are_published(container):
    """The server reads the file itself, and the script is gone."""
    container.publish("softmax", "mlp", "photo")
    assert container.start() == [f"--model_config_file={container.config}", "--port=1", "--x=a b"]
    assert not container.copy.exists()
    assert container.log() == []
    assert children_of(container.process.pid) == []


def test_models_of_before_there_was_photo(container):
    """It is left out, which is said once; when it is published it is served, too."""
    container.publish("softmax", "mlp")
    (container.folder / "models/photo/.unfinished-1").mkdir(parents=True)
    assert container.start() == [f"--model_config_file={container.copy}", "--port=1", "--x=a b"]
    assert container.served() == ["softmax", "mlp"]
    container.publish("photo")
    wait_for(lambda: container.served() == ["softmax", "mlp", "photo"], LONGEST_S, "photo")
    assert container.copy.read_text() == container.config.read_text()
    assert container.log() == [
        "Not served, as there is no version of it: photo",
        "Not served, as there is no version of it: none any more",
    ]


def test_the_copy_follows_the_file(container):
    """Labels that `vitrine promote` writes reach it, and no comment or text is taken for more."""
    container.publish("softmax", "mlp")
    container.start()
    head = "# models { like \"this and\n# label stable of 'mlp': 1 }\n"
    configs = ModelConfigs.parse((head + FILE).encode())
    moved = configs.promoted("mlp", "stable", 1).promoted("photo", "a name: {", 7)
    container.write(str(moved))
    wait_for(lambda: "version_labels" in container.copy.read_text(), LONGEST_S, "the label")
    expected = [each for each in read_config(container.config.read_text()) if each.name != "photo"]
    assert read_config(container.copy.read_text()) == expected
    assert expected[1].version_labels == {"stable": 1}


def test_nothing_is_published_yet(container):
    """It says so and waits, and the server is started with what comes first."""
    container.run()
    wait_for(lambda: bool(container.log()), LONGEST_S, "the reason")
    assert container.log()[0].endswith("softmax, mlp, photo")
    assert not (container.folder / "tmp/started").exists()
    container.publish("mlp")
    wait_for((container.folder / "tmp/started").exists, LONGEST_S, "the server")
    assert container.served() == ["mlp"]


@pytest.mark.parametrize(
    "text", ["model_config_list {", "", "model_config_list { config { name: 'a } }", "\0{"]
)
def test_a_file_that_makes_no_sense_is_the_servers_affair(container, text):
    """It is told of the file as it is, and says what is wrong."""
    container.write(text)
    assert f"--model_config_file={container.config}" in container.start()


def test_models_elsewhere(container):
    """Of those that are on no disk here, nobody knows whether they have a version."""
    entries = "".join(
        f'config {{ name: "{name}" base_path: "{path}" model_platform: "tensorflow" }}\n'
        for name, path in (("far", "gs://there/far"), ("near", f"file://{container.folder}/near"))
    )
    container.write(f"model_config_list {{ {entries} }}")
    container.start()
    assert "far" in container.copy.read_text()
    assert "near" not in container.copy.read_text()


def test_it_ends_with_the_server(container):
    """Told to end, the server ends, and nothing is left that looks after its file."""
    container.publish("mlp")
    container.start()
    helpers = children_of(container.process.pid)
    assert helpers
    container.process.send_signal(signal.SIGTERM)
    assert container.process.wait(LONGEST_S) == -signal.SIGTERM
    wait_for(lambda: not any(map(is_running, helpers)), LONGEST_S, "the end of the rest")


@pytest.fixture
def first_process() -> tuple[str, ...]:
    if not shutil.which("unshare") or subprocess.run([*OWN_PROCESSES, "true"]).returncode:
        pytest.skip("no process namespace can be made here")
    return OWN_PROCESSES


@pytest.mark.parametrize("published", [["softmax", "mlp", "photo"], ["mlp"]])
def test_as_the_first_process_it_ends_with_the_server(container, first_process, published):
    """TensorFlow Serving would be the first one, and not end on SIGTERM, for which it has no
    handler."""
    container.publish(*published)
    assert container.start(*first_process)[1:] == ["--port=1", "--x=a b"]
    first, *_ = children_of(container.process.pid)
    os.kill(first, signal.SIGTERM)
    assert container.process.wait(LONGEST_S) == 128 + signal.SIGTERM


def test_as_the_first_process_it_ends_while_it_waits_for_versions(container, first_process):
    container.run(*first_process)
    wait_for(lambda: bool(container.log()), LONGEST_S, "the reason")
    first, *_ = children_of(container.process.pid)
    os.kill(first, signal.SIGTERM)
    assert container.process.wait(LONGEST_S) == 128 + signal.SIGTERM


def test_as_the_first_process_it_ends_as_the_server_does(container, first_process):
    """By itself, with its code."""
    container.publish("mlp")
    (container.folder / "bin/tensorflow_model_server").write_text("#!/bin/sh\nexit 7\n")
    container.run(*first_process)
    assert container.process.wait(LONGEST_S) == 7
