"""Check of containers: an engine that answers, its platform, Compose. All of it is optional."""

import shutil
from collections.abc import Iterator

from vitrine_client.doctor.finding import Finding, note, ok
from vitrine_client.doctor.installation import Installation
from vitrine_client.doctor.machine import commands

_OPTIONAL = "needed for `make build up` alone; `make serve` runs the same without containers"
_FORMAT = "{{.Server.Version}} {{.Server.Os}}/{{.Server.Arch}}"


def check(here: Installation) -> Iterator[Finding]:
    """Looks for docker or podman, whether it answers, and for Compose."""
    found = [name for name in ("docker", "podman") if _path_of(name, here)]
    if not found:
        yield ok("container engine", f"neither docker nor podman: {_OPTIONAL}")
        return
    engine = _examined_engine(found[0], here)
    yield engine
    yield _examined_compose(here)


def _path_of(name: str, here: Installation) -> str | None:
    return shutil.which(name, path=here.environment.get("PATH"))


def _examined_engine(name: str, here: Installation) -> Finding:
    title = f"container engine {name}"
    try:
        ran = commands.run([name, "version", "--format", _FORMAT], here.environment, here.wait_s)
    except OSError as error:
        return note(
            title, f"cannot be started ({error.strerror})", f"install it again; {_OPTIONAL}"
        )
    if ran.code is None:
        return note(
            title,
            f"does not answer within {here.wait_s:g} s",
            f"restart its daemon (`systemctl restart {name}`, or its desktop program); {_OPTIONAL}",
        )
    if ran.code:
        return note(title, f"does not answer: {ran.last_line}", _mended(name, ran.errors, here))
    version, _, system = ran.output.strip().partition(" ")
    if system and not system.endswith("/amd64"):
        return note(
            title,
            f"{version} on {system}, for which there is no image of TensorFlow Serving",
            "`make up EMBEDDED=1` takes the embedded model server in its place",
        )
    return ok(title, f"{version} {system}".strip())


def _mended(name: str, errors: str, here: Installation) -> str:
    if "permission denied" in errors.lower():
        return f"have your user in its group: `sudo usermod -aG {name} $USER`, and log in again"
    if here.names("DOCKER_HOST"):
        return f"is DOCKER_HOST={here.environment['DOCKER_HOST']} right? {_OPTIONAL}"
    return f"start its daemon: `sudo systemctl start {name}`, or its desktop program; {_OPTIONAL}"


def _examined_compose(here: Installation) -> Finding:
    for command in (["docker", "compose", "version", "--short"], ["docker-compose", "--version"]):
        if not _path_of(command[0], here):
            continue
        try:
            ran = commands.run(command, here.environment, here.wait_s)
        except OSError:
            continue
        if ran.code == 0:
            return ok("Compose", ran.output.strip() or "there")
    return note(
        "Compose",
        "neither `docker compose` nor docker-compose",
        f"install Docker's plugin compose; {_OPTIONAL}",
    )
