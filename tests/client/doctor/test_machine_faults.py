"""Faults of the machine and its software: limits, disks, Python, packages, container engines."""

import contextlib
import os
import re
import resource
import shutil
import subprocess
import sys
import sysconfig
import time
import venv
from importlib import metadata
from pathlib import Path

import pytest
import requests

from harness.ports import free_port
from harness.processes import after, end
from harness.waiting import wait_for
from tests.unprivileged import unprivileged
from vitrine_client.doctor.installation import Installation
from vitrine_client.doctor.machine.interpreter import Interpreter, examined
from vitrine_client.doctor.machine.machine import (
    check_shared_memory,
    examined_clock,
    examined_platform,
    examined_processor,
)

GB = 10**9
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - another one is mounted there


def limited(kind: int, soft: int, hard: int) -> tuple[str, ...]:
    return after(f"import resource; resource.setrlimit({kind}, ({soft}, {hard}))")


@pytest.mark.parametrize(
    ("soft", "hard", "level", "todo"),
    [
        (64, 64, "problem", "raise the hard limit of 64"),
        (512, 1024, "note", "nofile=1128"),
        (64, 4000, "ok", ""),
    ],
)
def test_descriptors(published, soft, hard, level, todo):
    """The soft limit is raised by whoever needs more."""
    found = published.diagnose(before=limited(resource.RLIMIT_NOFILE, soft, hard))
    found.check(level, "file descriptors", f"{hard} for each process at most", todo)
    assert found.names("problem") == ({"file descriptors"} if level == "problem" else set())


def test_address_space(published):
    """As batch systems limit it."""
    found = published.diagnose(before=limited(resource.RLIMIT_AS, 4 * GB, 4 * GB))
    found.check("problem", "address space", "4.0 GB", "ulimit -v unlimited")


def mounted(size: str, place: Path, *fill: str) -> tuple[str, ...]:
    """Returns what has a command run with a small file system at `place`, which it alone sees."""
    script = f'mount -t tmpfs -o size={size} tmpfs "$0" && shift && {" ".join(fill)} exec "$@"'
    if (
        sys.platform != "linux"
        or subprocess.run(
            ["unshare", "-m", "sh", "-c", f"mount -t tmpfs tmpfs {place}"], capture_output=True
        ).returncode
    ):
        pytest.skip("no file system can be mounted here")
    return ("unshare", "-m", "sh", "-c", script, str(place), "--")


def with_tools(place) -> dict[str, object]:
    """The programs by which a file system is mounted; Docker is none of them."""
    for name in ("sh", "mount", "head", "unshare", "ln"):
        link = place.programs / name
        if not link.exists():
            link.symlink_to(str(shutil.which(name)))
    return {}


def without_shared_memory(folder: Path) -> tuple[str, ...]:
    """Returns what has a command run with a /dev that has no shm, as macOS has none."""
    script = (
        'for name in null zero random urandom; do : > "$0/$name"; '
        'mount --bind "/dev/$name" "$0/$name" || exit; done; '
        'ln -s /proc/self/fd "$0/fd" && mount --rbind "$0" /dev && shift && exec "$@"'
    )
    mounted("1m", SHARED_MEMORY)  # or skips
    folder.mkdir()
    return ("unshare", "-m", "sh", "-c", script, str(folder), "--")


def test_no_shared_memory(published, tmp_path):
    """It is told, and the gateway runs all the same."""
    before = without_shared_memory(tmp_path / "dev")
    command = [*before, sys.executable, "-m", "vitrine_serving", "gateway"]
    published.set(VITRINE_WORKERS=1, VITRINE_MODEL_SERVER=f"127.0.0.1:{free_port()}")
    environment = published.environment | {"PATH": os.environ["PATH"]}
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, text=True)
    try:
        url = f"http://127.0.0.1:{published.port}/metrics"
        wait_for(lambda: answers(url) or process.poll() is not None, 120, "the gateway")
        assert process.poll() is None, (tmp_path / "log").read_text()
    finally:
        end(process)
    found = published.diagnose(
        before=without_shared_memory(tmp_path / "another"), **with_tools(published)
    )
    found.check("note", "shared memory", "is not there", "mount -t tmpfs")


def answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=10).ok
    except requests.RequestException:
        return False


def test_full_disk(published, tmp_path):
    """A models directory on a small disk."""
    disk = tmp_path / "disk"
    disk.mkdir()
    published.set(VITRINE_CACHE_DIR=disk)
    found = published.diagnose(before=mounted("3m", disk), **with_tools(published))
    found.check("problem", "disk of the cache", "3 MB free", f"make room in {disk}")
    assert found.names("problem") == {"disk of the cache"}


def test_shared_memory_that_is_there(tmp_path):
    """A directory that can be written is enough; one that is not there is told."""
    here = Installation({}, url="", models_dir=tmp_path, shared_memory=tmp_path / "none")
    (finding,) = check_shared_memory(here)
    assert "is not there" in finding.seen
    assert "mount" in finding.todo
    here = Installation({}, url="", models_dir=tmp_path, shared_memory=tmp_path)
    (finding,) = check_shared_memory(here)
    assert (finding.seen, finding.todo) == ("can be written", "")


def test_clock_before_the_installation(tmp_path):
    """A machine without a battery begins in 1970."""
    file = tmp_path / "installed"
    file.write_text("")
    (finding,) = examined_clock(0.0, file)
    assert "1970-01-01" in finding.seen
    assert "set the clock" in finding.todo
    assert [each.todo for each in examined_clock(time.time(), file)] == [""]


@pytest.mark.parametrize(
    ("python", "seen"),
    [
        (Interpreter((3, 10), 64, Path("/p"), in_venv=True), "3.10"),
        (Interpreter((3, 14), 64, Path("/p"), in_venv=True), "3.14"),
        (Interpreter((3, 12), 32, Path("/p"), in_venv=True), "32 bits"),
    ],
)
def test_wrong_python(tmp_path, python, seen):
    finding, _ = examined(python, Installation({}, url="", models_dir=tmp_path))
    assert seen in finding.seen
    assert "PYTHON=" in finding.todo


def test_new_python_for_the_client_alone(tmp_path):
    """It needs no TensorFlow, and no library that a new Python is too new for."""
    python = Interpreter((3, 14), 64, Path("/p"), in_venv=True)
    here = Installation({}, url="", models_dir=tmp_path)
    assert [each.level for each in examined(python, here, client_alone=True)] == ["note", "ok"]


@pytest.mark.parametrize(
    ("platform", "todo"),
    [
        (("Windows", "AMD64", ""), "WSL"),
        (("Darwin", "x86_64", ""), "containers"),
        (("Linux", "x86_64", ""), "glibc"),
        (("Darwin", "arm64", ""), ""),
        (("Linux", "aarch64", "glibc"), ""),
    ],
)
def test_platforms(platform, todo):
    (finding,) = examined_platform(*platform)
    assert todo in finding.todo
    assert bool(todo) == bool(finding.todo)


def test_processor_without_avx(tmp_path):
    """TensorFlow would end with a signal, and without a word."""
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("processor\t: 0\nflags\t\t: fpu sse4_2 popcnt\n")
    (finding,) = examined_processor(cpuinfo)
    assert "Illegal instruction" in finding.seen
    cpuinfo.write_text("flags\t\t: fpu avx avx2\n")
    assert not [*examined_processor(cpuinfo)]
    assert not [*examined_processor(tmp_path / "none")]


def test_python_outside_of_a_venv(published):
    """The Python of the system with the packages of ours; and another venv that is active."""
    packages = sysconfig.get_path("purelib")
    published.set(VIRTUAL_ENV="/opt/other")
    found = published.diagnose()
    found.check("note", "venv", "/opt/other is active in this shell", "bin/activate")
    published.python = Path(os.path.realpath(sys.executable))
    published.set(PYTHONPATH=f"{published.environment['PYTHONPATH']}:{packages}")
    found = published.diagnose()
    found.check("note", "venv", "in no virtual environment", "make setup")
    assert found.names("problem") == set()


CLIENT = ("click", "numpy", "pillow", "requests", "rich")


def linked(package: str, folder: Path, done: set[str]) -> None:
    """Lays links to an installed package, and to all that it needs, into another environment."""
    if package in done:
        return
    done.add(package)
    distribution = metadata.distribution(package)
    for path in distribution.files or ():
        top = path.parts[0]
        if top not in ("..", "__pycache__") and not (folder / top).exists():
            (folder / top).symlink_to(distribution.locate_file(top))
    for text in distribution.requires or ():
        if "extra" not in text:
            with contextlib.suppress(metadata.PackageNotFoundError):  # for other Pythons
                linked(re.split(r"[^\w.-]", text)[0], folder, done)


def described(folder: Path, name: str, version: str, *needs: str) -> None:
    """Lays the description of a package into an environment, as pip does."""
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    lines = [f"Requires-Dist: {each}" for each in needs]
    text = "\n".join(["Metadata-Version: 2.4", f"Name: {name}", f"Version: {version}", *lines])
    (info / "METADATA").write_text(f"{text}\n")


@pytest.fixture
def client_only(place):
    """An environment with the client and without its extras."""
    place.models.mkdir()
    venv.create(place.folder / "venv", with_pip=False)
    place.python = place.folder / "venv" / "bin" / "python"
    asked = [str(place.python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    packages = Path(subprocess.run(asked, capture_output=True, text=True).stdout.strip())
    done: set[str] = set()
    for each in CLIENT:
        linked(each, packages, done)
    needs = metadata.requires("vitrine-client") or []
    described(packages, "vitrine-client", metadata.version("vitrine-client"), *needs)
    return place, packages


def test_client_without_extras(client_only):
    """Nothing is wrong; each extra has a line, with what it is for and how to get it."""
    place, _ = client_only
    found = place.diagnose()
    assert found.names("problem") == set()
    found.check("note", "extra grpc", "grpcio", "pip install 'vitrine-client[grpc]'")
    found.check("note", "extra async", "AsyncClient", "pip install 'vitrine-client[async]'")
    found.check("note", "model server", "gRPC is not installed", "vitrine-client[grpc]")
    found.check("ok", "data set", "none is needed", "")
    found.check("ok", "ports", "none is needed", "")


def test_members_of_two_versions_and_libraries(client_only):
    """Members that differ; a library that is not there, is too old, or has lost its files."""
    place, packages = client_only
    described(packages, "vitrine-serving", "0.0.9", "flask>=3.1", "grpcio>=1.70", "click>=99")
    described(packages, "grpcio", "1.60.0")
    found = place.diagnose()
    found.check("problem", "Vitrine", "vitrine-serving 0.0.9", "make setup")
    found.check("problem", "libraries", "flask not installed", "pip install 'flask>=3.1'")
    found.check("problem", "libraries", "grpcio 1.60.0 is installed, and vitrine-ser", "grpcio>=1")
    found.check("problem", "libraries", "and vitrine-serving needs click>=99", "click>=99")
    found.check("problem", "libraries", "its module grpc is not there", "--force-reinstall grpcio")
    assert found.names("problem") == {"Vitrine", "libraries"}


ENGINES = {
    "hangs": ("sleep 600 & sleep 600", "does not answer within 2 s", "restart its daemon"),
    "no daemon": (
        "echo 'Cannot connect to the Docker daemon at unix:///x.' >&2; exit 1",
        "does not answer: Cannot connect",
        "systemctl start docker",
    ),
    "group": ("echo 'permission denied while trying' >&2; exit 1", "permission denied", "usermod"),
    "arm": ("echo '27.1 linux/arm64'", "no image of TensorFlow Serving", "make up EMBEDDED=1"),
}


@pytest.mark.parametrize("fault", ENGINES)
def test_container_engines(published, fault):
    """An engine is needed for `make up` alone, so that one which fails is a note, in time."""
    script, seen, todo = ENGINES[fault]
    published.set(PATH=f"{published.programs}:/usr/bin:/bin")
    published.program("docker", script)
    begun_s = time.monotonic()
    found = published.diagnose(timeout_s="2")
    assert time.monotonic() - begun_s < 60
    found.check("note", "container engine docker", seen, todo)
    assert found.names("problem") == set()


def test_engines_that_answer(published):
    """Podman counts, an engine without Compose is told, a program that can't be run is no end."""
    published.program("podman", "echo '5.2 linux/amd64'")
    found = published.diagnose()
    found.check("ok", "container engine podman", "5.2 linux/amd64", "")
    found.check("note", "Compose", "neither", "plugin")
    published.program(
        "docker", 'case "$1" in version) echo "27.1 linux/amd64";; *) echo 2.29;; esac'
    )
    found = published.diagnose()
    found.check("ok", "Compose", "2.29", "")
    (published.programs / "docker").write_bytes(b"\x7fELF")
    published.diagnose().check("note", "container engine docker", "cannot be started", "install")


def test_no_rights_at_all(published):
    """A user who may read nothing else still gets an answer."""
    assert published.diagnose(before=unprivileged()).names("problem") == set()
