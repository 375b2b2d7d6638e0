"""`make k8s`: renders the manifests, checks and validates them, and shows where they differ from
the rendered files that the tests hold."""

import difflib
import sys
from collections.abc import Iterator
from pathlib import Path

from harness.paths import ROOT
from tests.cluster.manifests import rendering
from tests.cluster.manifests.checks import findings
from tests.cluster.manifests.objects import Objects


def main(environment: Path, record: bool) -> int:
    """Returns the exit code: 0 where all is well, 69 where it could not be looked at."""
    kubectl = environment / "bin/kubectl"
    if not kubectl.exists():
        print(
            "No kubectl here: requirements/cluster.txt cannot be installed. Only the rendered "
            "files in tests/cluster/rendered are checked, and by no schema"
        )
        faults = [
            said for name in rendering.all_names() for said in _found(name, rendering.held(name))
        ]
        return _end(faults, 69)
    try:
        rendered = {
            name: Objects.read(rendering.render(kubectl, name)) for name in rendering.all_names()
        }
    except ValueError as error:
        return _end([str(error)], 1)
    faults = [said for name, objects in rendered.items() for said in _found(name, objects)]
    every = [one for objects in rendered.values() for one in objects]
    faults += rendering.validate(environment / "bin/python", every)
    faults += list(_differences(rendered, record))
    print(
        f"{len(rendered)} kustomizations, {len(every)} objects, by the schemas of Kubernetes "
        f"{', '.join(version.rpartition('.')[0] for version in rendering.VERSIONS)}; "
        "objects of no built-in kind by the fields in tests/cluster/manifests/custom.py"
    )
    return _end(faults, 0)


def _found(name: str, objects: Objects) -> Iterator[str]:
    return (f"{name}: {said}" for said in findings(objects))


def _differences(rendered: dict[str, Objects], record: bool) -> Iterator[str]:
    for name, objects in rendered.items():
        file, now = rendering.file_of(name), rendering.shown(name, objects, rendered)
        before = file.read_text() if file.exists() else ""
        shown = file.relative_to(ROOT)
        if now == before:
            continue
        lines = difflib.unified_diff(
            before.splitlines(), now.splitlines(), f"{shown}", "now", lineterm=""
        )
        print("\n".join(lines))
        if record:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(now)
        else:
            yield f"{shown} is out of date: make k8s RECORD=1, if that is meant"


def _end(faults: list[str], code: int) -> int:
    for said in faults:
        print(said)
    return 1 if faults else code


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), "--record" in sys.argv))
