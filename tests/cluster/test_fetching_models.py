"""fetch.sh, which an init container runs: a web server's files with right checksums, and wrong ones.

It runs with rclone itself, in the shells that are here: images have busybox, Debian has dash.
"""

import functools
import hashlib
import http.server
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from harness.paths import ROOT
from tests.cluster.tools import program

SCRIPT = ROOT / "deploy/kubernetes/components/models-fetch/fetch.sh"
FILES = {
    "mlp/1/saved_model.pb": b"graph" * 1000,
    "mlp/1/variables/variables.index": b"",
    "mlp/2/assets.extra/a card.json": b"{}",
}
SHELLS = [["sh"], ["busybox", "sh"], ["bash", "--posix"]]


class Cutting(http.server.SimpleHTTPRequestHandler):
    """Handler of a server that ends a file's answer early where the server is told to."""

    def copyfile(self, source, outputfile):
        if self.server.cuts:  # type: ignore[attr-defined]
            outputfile.write(source.read(10))
            self.close_connection = True
        else:
            super().copyfile(source, outputfile)

    def log_message(self, *_):
        pass


@dataclass
class Fetch:
    """One run of the script: a web server's folder, a list, and an empty target."""

    folder: Path
    server: http.server.ThreadingHTTPServer
    shell: list[str]
    files: dict[str, bytes] = field(default_factory=lambda: dict(FILES))

    @property
    def target(self) -> Path:
        return self.folder / "target"

    def publish(self) -> None:
        for name, content in self.files.items():
            path = self.folder / "web" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)

    def list(self, lines: list[str] | None = None) -> None:
        sums = [f"{hashlib.sha256(c).hexdigest()}  {name}" for name, c in self.files.items()]
        (self.folder / "SHA256SUMS").write_text("\n".join(sums if lines is None else lines) + "\n")

    def run(self) -> "subprocess.CompletedProcess[str]":
        port = self.server.server_address[1]
        rclone = program("rclone")
        return subprocess.run(
            [*self.shell, SCRIPT],
            env={
                "PATH": f"{rclone.parent}:{os.environ['PATH']}",
                "SOURCE": f":http,url='http://127.0.0.1:{port}/':",
                "SUMS": str(self.folder / "SHA256SUMS"),
                "TARGET": str(self.target),
                "TMPDIR": str(self.folder),
                "HOME": str(self.folder),
                "RETRIES": "1",
                "RCLONE_LOW_LEVEL_RETRIES": "1",
            },
            capture_output=True,
            text=True,
            timeout=120,
        )

    def fetched(self) -> dict[str, bytes]:
        return {
            str(path.relative_to(self.target)): path.read_bytes()
            for path in self.target.rglob("*")
            if path.is_file()
        }


@pytest.fixture(params=SHELLS, ids=lambda shell: shell[0])
def fetch(request, tmp_path) -> Iterator[Fetch]:
    if not shutil.which(request.param[0]):
        pytest.skip(f"no {request.param[0]} here")
    program("rclone")
    for name in ("web", "target"):
        (tmp_path / name).mkdir()
    handler = functools.partial(Cutting, directory=str(tmp_path / "web"))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.cuts = False  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    made = Fetch(tmp_path, server, request.param)
    made.publish()
    made.list()
    yield made
    server.shutdown()
    server.server_close()


def test_all_of_it_comes_and_nothing_else(fetch):
    (fetch.folder / "web/mlp/1/more").write_bytes(b"that nobody asked for")
    done = fetch.run()
    assert done.returncode == 0, done.stderr
    assert fetch.fetched() == FILES
    again = fetch.run()  # as where the pod's sandbox is made again
    assert (again.returncode, again.stdout) == (0, "The models are there\n")


def test_what_is_there_and_is_not_as_listed_is_fetched_again(fetch):
    (fetch.target / "mlp/1").mkdir(parents=True)
    (fetch.target / "mlp/1/saved_model.pb").write_bytes(b"half")
    (fetch.target / "mlp/3").mkdir()
    assert fetch.run().returncode == 0
    assert fetch.fetched() == FILES
    assert not (fetch.target / "mlp/3").exists()


def test_a_wrong_checksum(fetch):
    """Nothing is left that a model server could load."""
    (fetch.folder / "web/mlp/1/saved_model.pb").write_bytes(b"other" * 1000)
    done = fetch.run()
    assert done.returncode == 1
    assert "not as " in done.stderr
    assert "mlp/1/saved_model.pb" in done.stderr
    assert list(fetch.target.iterdir()) == []


def test_a_file_that_is_cut_off(fetch):
    fetch.server.cuts = True
    done = fetch.run()
    assert done.returncode == 1
    assert "does not have all of it" in done.stderr
    assert list(fetch.target.iterdir()) == []


def test_a_file_that_is_shorter_there(fetch):
    (fetch.folder / "web/mlp/1/saved_model.pb").write_bytes(FILES["mlp/1/saved_model.pb"][:-1])
    done = fetch.run()
    assert done.returncode == 1
    assert list(fetch.target.iterdir()) == []


def test_a_file_that_is_missing_there(fetch):
    (fetch.folder / "web/mlp/1/saved_model.pb").unlink()
    done = fetch.run()
    assert done.returncode == 1
    assert list(fetch.target.iterdir()) == []


SUM = "0" * 64


@pytest.mark.parametrize(
    "lines",
    [
        [],
        [""],
        ["mlp/1/saved_model.pb"],
        [f"{SUM} mlp/1/saved_model.pb"],
        [f"{SUM[:-1]}  mlp/1/saved_model.pb"],
        [f"{SUM.replace('0', 'F')}  mlp/1/saved_model.pb"],
        [f"{SUM}  /etc/passwd"],
        [f"{SUM}  ../secret"],
        [f"{SUM}  mlp/../../secret"],
        [f"{SUM}  mlp/.."],
        [f"{SUM}  mlp//1"],
        [f"{SUM}  mlp/./1"],
        [f"{SUM}  mlp/1/"],
        [f"\\{SUM}  mlp\\n1"],
        [f"{SUM}  mlp/1/saved_model.pb", "# and what else"],
    ],
    ids=range(15),
)
def test_a_list_that_is_none(fetch, lines):
    """It is refused before anything is asked for."""
    fetch.list(lines)
    done = fetch.run()
    assert done.returncode == 1
    assert done.stderr.startswith("fetch.sh: ")
    assert "SHA256SUMS" in done.stderr
    assert done.stdout == ""
    assert list(fetch.target.iterdir()) == []


def test_no_list(fetch):
    (fetch.folder / "SHA256SUMS").unlink()
    assert fetch.run().stderr.startswith("fetch.sh: there is no ")
