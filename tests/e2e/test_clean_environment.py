"""The gateway and the client as others install them: from their own locks, without TensorFlow."""

import os
import re
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
import requests

from harness.paths import ROOT, SAMPLES
from harness.ports import free_port
from harness.processes import end
from harness.waiting import wait_for

pytestmark = pytest.mark.slow

FORBIDDEN = ("tensorflow", "keras", "tensorflow_serving")
EXTRAS = ("aiohttp", "google.protobuf", "grpc", "hdrh", "httptools", "jinja2", "matplotlib")


def wheel(folder: Path, member: str) -> Path:
    """A member as a wheel, built by the tools that the lock pins."""
    build = ["wheel", "--quiet", "--no-deps", "--no-build-isolation", f"--wheel-dir={folder}"]
    source = folder / member  # not in place: a build leaves files behind
    shutil.copytree(ROOT / member, source, ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run([sys.executable, "-m", "pip", *build, str(source)], check=True)
    (made,) = folder.glob(f"vitrine_{member}-*.whl")
    return made


@pytest.fixture(scope="module")
def client_wheel(tmp_path_factory) -> Path:
    return wheel(tmp_path_factory.mktemp("wheels"), "client")


@pytest.fixture(scope="module")
def client(client_wheel, tmp_path_factory) -> Path:
    """The programs of an environment that has `pip install ./client` alone."""
    folder = tmp_path_factory.mktemp("client") / "environment"
    return make_environment(folder, "client.txt", client_wheel)


def make_environment(folder: Path, lock: str, *wheels: Path) -> Path:
    """Makes a virtual environment from a lock and wheels, and returns its `bin`. It has no pip,
    which takes seconds to install: ours can do its work."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    install(folder / "bin", "--require-hashes", "-r", str(ROOT / "requirements" / lock))
    install(folder / "bin", "--no-deps", *map(str, wheels))
    return folder / "bin"


def install(bin_: Path, *what: str) -> None:
    """Installs without compiling, which takes longer than what is run here."""
    pip = [sys.executable, "-m", "pip", "--python", str(bin_ / "python"), "install"]
    options = ("--quiet", "--disable-pip-version-check", "--no-compile")
    subprocess.run([*pip, *options, *what], check=True)


def versions(folder: Path) -> Path:
    """Writes the versions that are tested, without their hashes: pip wants one of each wheel, and
    that of the client has none yet."""
    lock = (ROOT / "requirements" / "dev.txt").read_text()
    constraints = folder / "constraints.txt"
    constraints.write_text("\n".join(re.findall(r"(?m)^[\w.-]+==[^\\\n]+", lock)))
    return constraints


def python(bin_: Path, code: str) -> str:
    done = subprocess.run(
        [str(bin_ / "python"), "-c", code], capture_output=True, text=True, timeout=60, cwd="/"
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def installed(bin_: Path) -> set[str]:
    code = "import importlib.util as u; print(*[n for n in {!r} if u.find_spec(n)])"
    names = (*FORBIDDEN, "aiohttp", "flask", "grpc", "matplotlib", "requests")
    return set(python(bin_, code.format(names)).split())


def test_a_gateway_without_tensorflow_answers(client_wheel, service, tmp_path):
    """Only `requirements/gateway.txt`: no TensorFlow to import, and predictions all the same."""
    wheels = client_wheel, wheel(tmp_path, "serving")
    bin_ = make_environment(tmp_path / "gateway", "gateway.txt", *wheels)
    assert installed(bin_) == {"grpc", "flask", "requests"}
    port = free_port()
    gateway = subprocess.Popen(
        [str(bin_ / "vitrine-serve"), "gateway"],
        env=os.environ | {"VITRINE_PORT": str(port), "VITRINE_MODEL_SERVER": service.grpc_address},
        text=True,
        cwd=tmp_path,
    )
    url = f"http://127.0.0.1:{port}"
    vitrine = str(bin_ / "vitrine")
    try:
        wait_for(lambda: is_ready(url), 120, "the gateway")
        done = subprocess.run(
            [vitrine, "predict", "--url", url, "--json", str(SAMPLES[0])],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert '"label": "Ankle boot"' in done.stdout
        assert gateway.poll() is None
    finally:
        end(gateway)


def is_ready(url: str) -> bool:
    with suppress(requests.ConnectionError):
        return requests.get(f"{url}/readyz?models=1", timeout=60).ok
    return False


def test_a_client_predicts(client, service):
    """Neither TensorFlow nor Flask nor gRPC is there, and HTTP works."""
    assert installed(client) == {"requests"}
    code = (
        "from vitrine_client import Client\n"
        f"print(Client({service.url!r}).predict({str(SAMPLES[0])!r}).label)"
    )
    assert python(client, code) == "Ankle boot"
    done = subprocess.run(
        [str(client / "vitrine"), "predict", "--model-server", "127.0.0.1:1", str(SAMPLES[0])],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert "pip install 'vitrine-client[grpc]'" in done.stderr


@pytest.mark.wide
def test_a_client_grows_by_its_extras(client, client_wheel, service, tmp_path):
    """With all of them there is still no TensorFlow, and what needs them works."""
    extras = f"{client_wheel}[async,loadtest]"
    install(client, "--constraint", str(versions(tmp_path)), extras)
    assert installed(client) == {"aiohttp", "grpc", "matplotlib", "requests"}
    code = (
        "import asyncio\n"
        "from vitrine_client.aio import AsyncClient\n"
        "from vitrine_client.model_server import ModelServerClient\n"
        f"picture = {str(SAMPLES[0])!r}\n"
        "async def ask():\n"
        f"    async with AsyncClient({service.url!r}) as client:\n"
        "        return await client.predict(picture)\n"
        "print(asyncio.run(ask()).label)\n"
        f"print(ModelServerClient({service.grpc_address!r}).predict(picture).label)"
    )
    assert python(client, code).splitlines() == ["Ankle boot"] * 2


@pytest.mark.parametrize("module", ["vitrine_serving.gateway.application", "vitrine_serving.cli"])
def test_imports_stay_light(module):
    """Even where TensorFlow is installed, importing the gateway does not import it."""
    code = f"import sys, {module}; print(*set(sys.modules) & set({FORBIDDEN!r}))"
    assert python(Path(sys.executable).parent, code) == ""


@pytest.mark.parametrize(
    "start",
    [
        "import vitrine_client",
        "from vitrine_client.cli import main; main(['--help'], standalone_mode=False)",
    ],
    ids=["import", "--help"],
)
def test_a_client_starts_without_its_extras(start):
    """Even where they are installed, nothing loads them before they are needed."""
    code = f"{start}\nimport sys; print('loaded', *set(sys.modules) & {{*{EXTRAS + FORBIDDEN!r}}})"
    assert python(Path(sys.executable).parent, code).splitlines()[-1] == "loaded"
