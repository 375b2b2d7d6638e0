"""The Makefile's recipes where something is missing, half-made or interrupted.

They run in copies, with programs that note how they are called in the place of the real ones.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from harness.paths import ROOT

NEEDED = (
    "sh",
    "make",
    "uname",
    "tail",
    "rm",
    "find",
    "touch",
    "mkdir",
    "cp",
    "dirname",
    "basename",
)
REQUIREMENTS = (
    "requirements/dev.txt",
    "requirements/samples.txt",
    "requirements/triton.txt",
    *(f"{m}/pyproject.toml" for m in ("client", "serving")),
)
PYTHON = """#!/bin/sh
echo "${PIP_REQUIRE_VIRTUALENV:-0} $0 $*" >> calls
case "$*" in
    *version_info*) echo "(3, 11)" ;;
    "-m venv"*) for to; do :; done; mkdir -p $to/bin && cp "$0" $to/bin/python ;;
    *"pip install"*) test ! -e no-network ;;
esac
"""


class Copy:
    """A copy of the Makefile in `folder`, and a PATH with few programs."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.path = folder, folder / "path"
        for name in (*REQUIREMENTS, "training/pyproject.toml", "docker-compose.yml"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).touch()
        for name in ("Makefile", "requirements/lock.sh", "deploy/docker-compose.embedded.yml"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
        self.path.mkdir()
        for name in NEEDED:
            (self.path / name).symlink_to(str(shutil.which(name)))
        self.program("python3", PYTHON)

    def program(self, name: str, text: str) -> None:
        """Puts a program into the PATH."""
        (self.path / name).unlink(missing_ok=True)
        (self.path / name).write_text(text)
        (self.path / name).chmod(0o755)

    def make(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """Runs it, with no variable of this environment."""
        return subprocess.run(
            ["make", *words],
            cwd=self.folder,
            env={"PATH": str(self.path)},
            capture_output=True,
            text=True,
            timeout=60,
        )

    @property
    def calls(self) -> str:
        """How Python was called since the last time."""
        path = self.folder / "calls"
        text = path.read_text() if path.exists() else ""
        path.unlink(missing_ok=True)
        return text

    @property
    def is_ready(self) -> bool:
        return (self.folder / ".venv/.ready").exists()


@pytest.fixture
def copy(tmp_path):
    return Copy(tmp_path)


def test_setup(copy):
    """pip may write into a virtual environment alone. What is there is left alone."""
    done = copy.make("setup")
    assert (done.returncode, copy.is_ready) == (0, True), done.stderr
    calls = copy.calls.splitlines()
    pip = [call for call in calls if "pip install" in call]
    assert len(pip) == 2
    assert all(call.startswith("1 .venv/bin/python ") for call in pip)
    assert copy.make("setup").returncode == 0
    assert copy.calls == ""


def test_a_half_made_environment_is_made_again(copy):
    """One without .ready is cleared; one that is whole and old is brought up to date."""
    (copy.folder / ".venv/bin").mkdir(parents=True)
    copy.make("setup")
    assert "-m venv --clear .venv" in copy.calls
    later = (copy.folder / ".venv/.ready").stat().st_mtime + 5
    os.utime(copy.folder / "requirements/dev.txt", (later, later))
    (copy.folder / "no-network").touch()
    assert copy.make("setup").returncode == 2
    assert "-m venv .venv" in copy.calls
    assert not copy.is_ready
    (copy.folder / "no-network").unlink()
    assert copy.make("setup").returncode == 0
    assert "-m venv --clear .venv" in copy.calls


def test_another_python_than_that_of_the_environment(copy):
    """PYTHON is not taken and ignored."""
    copy.make("setup")
    assert copy.make("setup", "PYTHON=python3").returncode == 0
    copy.program("python3.12", '#!/bin/sh\necho "(3, 12)"\n')
    done = copy.make("setup", "PYTHON=python3.12")
    assert done.returncode == 2
    assert ".venv is of another Python than python3.12; `make clean` first" in done.stdout
    (copy.path / "python3.12").unlink()
    done = copy.make("setup", "PYTHON=python3.12")
    assert done.returncode == 2
    assert "There is no python3.12 here" in done.stdout
    assert "make clean" not in done.stdout


def test_an_interrupted_clean(copy):
    """What is half-removed is not taken for ready."""
    copy.make("setup")
    real = shutil.which("rm")
    copy.program(
        "rm", f'#!/bin/sh\n[ "$1" = -rf ] && kill -INT $PPID && exit 130\nexec {real} "$@"\n'
    )
    assert copy.make("clean").returncode != 0
    assert ((copy.folder / ".venv/bin").exists(), copy.is_ready) == (True, False)


NOTED = """#!/bin/sh
echo "$0 $*" >> calls
"""


@pytest.fixture
def ready(copy):
    """A copy that is set up, whose commands note how they are called."""
    copy.make("setup")
    for name in ("vitrine-train", "vitrine-serve"):
        (copy.folder / ".venv/bin" / name).write_text(NOTED)
        (copy.folder / ".venv/bin" / name).chmod(0o755)
    assert copy.calls
    return copy


OWN = {
    "demo": (
        ["demo", "DATA=my photos/"],
        "train --data my photos/ --as my photos --if-missing",
        "demo my photos/ --model my photos",
    ),
    "demo of a recipe": (
        ["demo", "DATA=my photos", "RECIPES=softmax", "MODEL=mine", "ONCE=1"],
        "train softmax --data my photos --as mine --if-missing",
        "demo my photos --model mine --once",
    ),
    "demo of a recipe with options": (
        ["demo", "DATA=my photos", "RECIPES=cnn --size 32"],
        "train cnn --size 32 --data my photos --as my photos --if-missing",
        "demo my photos --model my photos",
    ),
    "train": (["train", "DATA=my photos"], "train --data my photos"),
    "train as": (
        ["train", "DATA=x.csv", "RECIPES=mlp", "MODEL=x"],
        "train mlp --data x.csv --as x",
    ),
    "no data": (
        ["demo", "ONCE=1", "IMAGES=a.png"],
        "train softmax mlp photo --if-missing",
        "demo a.png --once",
    ),
}


@pytest.mark.parametrize(("words", "calls"), [(w, c) for w, *c in OWN.values()], ids=OWN)
def test_own_data(ready, words, calls):
    """One recipe, Vitrine's own for such data unless RECIPES says which; the folder's name."""
    (ready.folder / "my photos").mkdir()
    done = ready.make(*words)
    assert done.returncode == 0, done.stderr
    noted = [" ".join(call.split()[1:]) for call in ready.calls.splitlines()]
    assert noted == list(calls)


def test_a_folder_that_is_missing(ready):
    done = ready.make("--no-print-directory", "demo", "DATA=my photos")
    assert (done.returncode, ready.calls) == (2, "")
    assert done.stdout.startswith("There is no folder my photos: DATA is one that has a folder of")


def test_samples_that_cannot_be_had(ready):
    """What wants them is skipped, and the next time they are tried again."""
    (ready.folder / "no-network").touch()
    done = ready.make("test-samples")
    assert (done.returncode, "They cannot be had here" in done.stdout) == (0, True), done.stderr
    fetched, tested = ready.calls.splitlines()[-2:]
    assert fetched.endswith(".venv-samples/bin/python -m tests.samples.fetching data/samples")
    assert tested.endswith(".venv/bin/python -m pytest tests/samples")
    (ready.folder / "no-network").unlink()
    assert "cannot be had" not in ready.make("test-samples").stdout
    assert (ready.folder / ".venv-samples/.ready").exists()


def test_a_triton_that_cannot_be_had(ready):
    """The comparison says itself that it is skipped, and the next time it is tried again."""
    (ready.folder / "no-network").touch()
    done = ready.make("test-triton")
    assert (done.returncode, "It cannot be had here" in done.stdout) == (0, True), done.stderr
    compared = ready.calls.splitlines()[-1]
    assert compared.endswith("tests.contract.open_inference.comparison .venv-triton/bin/python")
    (ready.folder / "no-network").unlink()
    assert "cannot be had" not in ready.make("test-triton").stdout
    assert (ready.folder / ".venv-triton/.ready").exists()


def test_samples_of_which_none_could_be_had(tmp_path):
    """All is skipped, which is no success."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", "tests/samples"]
    environment = os.environ | {"VITRINE_SAMPLES": str(tmp_path)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 1, done.stdout
    assert "Nothing was tested: none of the samples could be had" in done.stdout


CONTAINERS = ("build", "up", "down", "logs")


@pytest.mark.parametrize("target", CONTAINERS)
def test_no_compose(copy, target):
    """One sentence says what to do, whether there is a docker without it or none."""
    for _ in range(2):
        done = copy.make("--no-print-directory", target)
        assert done.returncode == 2
        assert done.stdout == (
            "No Docker Compose here; install it, or `make serve` runs the same without containers\n"
        )
        assert "not found" not in done.stderr
        copy.program("docker", "#!/bin/sh\nexit 1\n")


@pytest.mark.parametrize("target", CONTAINERS)
def test_no_engine(copy, target):
    """What the engine's client says, and what to do; then nothing else is tried."""
    copy.program(
        "docker",
        '#!/bin/sh\necho "$*" >> calls\ncase "$*" in *version) ;; '
        "*) echo trace >&2; echo 'Cannot connect to the daemon' >&2; exit 1 ;; esac\n",
    )
    done = copy.make(target)
    assert done.returncode == 2
    assert "No container engine answers: Cannot connect to the daemon\n" in done.stdout
    assert "`make serve` runs the same without containers" in done.stdout
    assert copy.calls.splitlines()[-1].endswith(" ps")


@pytest.mark.parametrize("target", CONTAINERS)
def test_with_an_engine(copy, target):
    """Compose is called."""
    copy.program("docker", '#!/bin/sh\necho "$*" >> calls\n')
    done = copy.make(target)
    assert done.returncode == 0, done.stderr
    assert target in copy.calls.splitlines()[-1]


def test_lock_without_uv(copy):
    """It says how to get it."""
    done = copy.make("lock")
    assert done.returncode == 2
    assert "No uv here: `pipx install uv` gets it" in done.stderr
