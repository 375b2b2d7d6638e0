"""Building: both builders, what travels to the engine, and training as a one-off."""

import io
import os
import shutil
import subprocess
import tarfile

import pytest

from harness.paths import ROOT
from tests.containers.conftest import BUILD_S, call

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

ARGUMENTS = [
    word
    for name in ("PYTHON_IMAGE", "PIP_NO_INDEX", "PIP_INDEX_URL")
    if name in os.environ
    for word in ("--build-arg", name)
]
OFFLINE = ["--network", "none"] if os.environ.get("PIP_NO_INDEX") else []


@pytest.mark.parametrize("buildkit", ["0", "1"], ids=["legacy builder", "BuildKit"])
def test_either_builder_builds_the_gateway(engine, buildkit):
    """The same Dockerfile serves both; with a wheelhouse, without a network."""
    image = f"vitrine-test:{os.getpid()}"  # by its id it may be that of another test as well
    dockerfile = ["-f", "deploy/serving.Dockerfile", "--target", "gateway", "--tag", image]
    done = subprocess.run(
        ["docker", "build", *dockerfile, *ARGUMENTS, *OFFLINE, "."],
        cwd=ROOT,
        env=os.environ | {"DOCKER_BUILDKIT": buildkit},
        capture_output=True,
        text=True,
        timeout=BUILD_S,
    )
    if "buildx component is missing" in done.stderr:
        pytest.skip("this engine's client has no BuildKit")
    assert done.returncode == 0, done.stdout + done.stderr
    told = call("docker", "run", "--rm", "--entrypoint", "vitrine", image, "--help")
    call("docker", "rmi", image)
    assert "vitrine predict" in told


def test_no_data_and_no_models_travel_to_the_engine(engine, tmp_path):
    """What .dockerignore lets through is sources and requirements."""
    context = tmp_path / "context"
    for name in ("client", "serving", "training", "requirements"):
        shutil.copytree(
            ROOT / name, context / name, ignore=shutil.ignore_patterns("*.egg-info", "*_pb2*")
        )
    for name in ("models/mlp/1/saved_model.pb", "data/x.gz", "reports/x", ".env", "notes.txt"):
        path = context / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("secret")
    shutil.copy(ROOT / ".dockerignore", context)
    (tmp_path / "Dockerfile").write_text('FROM scratch\nCOPY . /\nCMD ["x"]\n')
    image = call("docker", "build", "--quiet", "-f", f"{tmp_path}/Dockerfile", str(context)).strip()
    container = call("docker", "create", image).strip()
    try:
        exported = subprocess.run(["docker", "export", container], capture_output=True, check=True)
    finally:
        call("docker", "rm", container)
        call("docker", "rmi", image)
    with tarfile.open(fileobj=io.BytesIO(exported.stdout)) as archive:
        files = [entry.name for entry in archive if entry.size]
    assert "serving/vitrine_serving/cli.py" in files
    sources = ("client/", "serving/", "training/", "requirements/")
    assert [name for name in files if not name.startswith(sources)] == []


def test_training_is_a_one_off(engine, compose, tmp_path):
    """`docker compose run train` publishes into the mounted directory, as the user who asks."""
    models_dir = tmp_path / "models"
    models_dir.mkdir()
    models_dir.chmod(0o777)
    user = os.getuid() or 12345
    project = [*compose, "--project-name", f"vitrine-test-train-{os.getpid()}"]
    environment = {"VITRINE_MODELS_DIR": str(models_dir)}
    try:
        call(*project, "build", "train", timeout_s=BUILD_S, **environment)
        words = ["run", "--rm", "--user", f"{user}:{user}", "train", "train", "linear"]
        call(*project, *words, timeout_s=300, **environment)
    finally:
        call(*project, "down", "--volumes", **environment)
    published = models_dir / "linear" / "1" / "saved_model.pb"
    assert published.stat().st_uid == user
