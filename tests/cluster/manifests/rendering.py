"""Rendering of deploy/kubernetes and deploy/kserve by kubectl, and the rendered files that the
tests hold."""

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import yaml

from harness.paths import ROOT
from tests.cluster.manifests.objects import Object, Objects, namespace

DEPLOY = ROOT / "deploy/kubernetes"
RENDERED = ROOT / "tests/cluster/rendered"
VERSIONS = ("1.34.0", "1.35.0", "1.36.0", "1.37.0")
"""Kubernetes' versions that the manifests are for."""

PROFILES = {"base": "base", "split": "overlays/split"}
NEED_AN_OVERLAY = {"models-account", "models-fetch"}
"""Components without which an overlay's own files make no sense, and the other way round."""

_VALIDATION = Path(__file__).with_name("validation.py")
_HEADER = "# Written by `make k8s RECORD=1`: "


def folders() -> dict[str, Path]:
    """Returns the kustomizations by the names of their rendered files."""
    overlays = sorted(path.parent for path in (DEPLOY / "overlays").glob("*/kustomization.yaml"))
    return (
        {"base": DEPLOY / "base"}
        | {path.name: path for path in overlays}
        | {"kserve": ROOT / "deploy/kserve/example"}
    )


def combinations() -> dict[str, tuple[str, str]]:
    """Returns each component with each profile, by the names of their rendered files."""
    components = {path.parent.name for path in (DEPLOY / "components").glob("*/kustomization.yaml")}
    return {
        f"components/{profile}-{component}": (PROFILES[profile], component)
        for profile in PROFILES
        for component in sorted(components - NEED_AN_OVERLAY)
    }


def built_on(name: str) -> str:
    """Returns the profile that something is built on; "" where it is rendered whole."""
    if name in ("base", "split", "kserve", "production"):
        return ""
    if name.startswith("components/"):
        return name.partition("/")[2].partition("-")[0]
    text = (folders()[name] / "kustomization.yaml").read_text()
    return "split" if "../split" in text else "base"


def render(kubectl: Path, name: str) -> str:
    """Returns what kubectl renders. Raises `ValueError` with its words."""
    if name in folders():
        return _kustomize(kubectl, folders()[name])
    profile, component = combinations()[name]
    with tempfile.TemporaryDirectory() as folder:
        deploy = os.path.relpath(DEPLOY, Path(folder).resolve())
        made = {
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "resources": [f"{deploy}/{profile}"],
            "components": [f"{deploy}/components/{component}"],
        }
        (Path(folder) / "kustomization.yaml").write_text(yaml.safe_dump(made))
        return _kustomize(kubectl, Path(folder))


def _kustomize(kubectl: Path, folder: Path) -> str:
    done = subprocess.run(
        [kubectl, "kustomize", folder], capture_output=True, text=True, timeout=60
    )
    if done.returncode:
        raise ValueError(f"{folder}: {done.stderr.strip()}")
    return done.stdout


def all_names() -> list[str]:
    """Returns the names of everything that is rendered."""
    return [*folders(), *combinations()]


def file_of(name: str) -> Path:
    """Returns the rendered file that the tests hold."""
    return RENDERED / f"{name}.yaml"


def shown(name: str, objects: Objects, profiles: dict[str, Objects]) -> str:
    """Returns the text of a rendered file: all objects, or those that are not as in its profile."""
    profile = built_on(name)
    before = profiles[profile] if profile else Objects()
    changed = [one for one in objects if one not in before]
    gone = [one for one in before if not any(_is_same(one, other) for other in objects)]
    lines = [f"{_HEADER}{f'beside what {profile}.yaml has' if profile else 'everything'}\n"]
    lines += [f"# not there: {one['kind']} {one['metadata']['name']}\n" for one in gone]
    return "".join(lines) + yaml.dump_all(changed, Dumper=_Dumper, width=1000)


class _Dumper(yaml.SafeDumper):
    """Dumper that keeps the lines of texts, for whoever reads a difference."""


_Dumper.add_representer(
    str,
    lambda dumper, text: dumper.represent_scalar(
        "tag:yaml.org,2002:str", text, style="|" if "\n" in text else None
    ),
)


def _is_same(one: Object, other: Object) -> bool:
    keys = [(each["kind"], namespace(each), each["metadata"]["name"]) for each in (one, other)]
    return keys[0] == keys[1]


@cache
def held(name: str) -> Objects:
    """Returns the objects of a rendered file, with those of its profile."""
    text = file_of(name).read_text()
    objects = Objects.read(text)
    profile = built_on(name)
    if not profile:
        return objects
    gone = set(_gone(text))
    rest = [
        one
        for one in held(profile)
        if f"{one['kind']} {one['metadata']['name']}" not in gone
        and not any(_is_same(one, other) for other in objects)
    ]
    return Objects([*rest, *objects])


def _gone(text: str) -> Iterator[str]:
    prefix = "# not there: "
    return (line.removeprefix(prefix) for line in text.splitlines() if line.startswith(prefix))


def validate(python: Path, objects: list[Object]) -> list[str]:
    """Returns what is wrong with objects by the schemas of each version, in the environment that
    has them."""
    distinct = list({json.dumps(one, sort_keys=True): one for one in objects}.values())
    done = subprocess.run(
        [python, _VALIDATION, *VERSIONS],
        input=json.dumps(distinct),
        capture_output=True,
        text=True,
        timeout=240,
    )
    if done.returncode:
        raise ValueError(done.stderr.strip())
    found: list[str] = json.loads(done.stdout)
    return found
