"""Validation of objects by Kubernetes' own schemas, strictly: unknown fields are refused.

Runs in the environment of requirements/cluster.txt, and imports nothing else: `python validation.py
VERSION…` reads a JSON list of objects, and writes one of what is wrong with them.
"""

import json
import sys
from collections.abc import Iterator
from typing import Any

import kubernetes_validate

_RUNTIMES = ("ClusterServingRuntime", "ServingRuntime")


def faults(one: dict[str, Any], version: str) -> Iterator[str]:
    """Yields what is wrong with an object. Those of no built-in kind are passed over, which another
    check looks at (custom.py), but for KServe's runtimes, whose containers are Kubernetes'."""
    name = f"{one.get('kind')}/{one.get('metadata', {}).get('name')}"
    if one.get("kind") in _RUNTIMES:
        pod = {key: one["spec"][key] for key in ("containers", "volumes") if key in one["spec"]}
        one = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "of-runtime"}, "spec": pod}
    try:
        kubernetes_validate.validate(one, version, strict=True)
    except kubernetes_validate.ValidationError as error:
        yield f"{name}: {version}: {'.'.join(map(str, error.path))}: {error.message}"
    except kubernetes_validate.utils.SchemaNotFoundError:
        return


def main() -> None:
    """Validates what comes, for each version in turn."""
    objects = json.load(sys.stdin)
    print(json.dumps([said for v in sys.argv[1:] for one in objects for said in faults(one, v)]))


if __name__ == "__main__":
    main()
