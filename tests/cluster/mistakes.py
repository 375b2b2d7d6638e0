"""Mistakes that are planted in the rendered manifests, as mistakes.yaml has them."""

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.cluster.manifests import rendering
from tests.cluster.manifests.objects import Object, Objects, title

POD = "spec/template/spec"
PLACES = {
    "pod": POD,
    "gateway": f"{POD}/containers/gateway",
    "sidecar": f"{POD}/initContainers/model-server",
    "server": f"{POD}/containers/model-server",
    "name": "app.kubernetes.io~name",
    "component": "app.kubernetes.io~component",
}


@dataclass(frozen=True)
class Mistake:
    """One change of an object, and words of the finding that refuses it; none where the schemas
    alone do."""

    what: str
    change: Object

    @property
    def said(self) -> str:
        return str(self.change.get("said", ""))

    def planted(self) -> Objects:
        """Returns the objects of its rendered file with the mistake."""
        held = rendering.held(self.change.get("in", "base"))
        objects = Objects(copy.deepcopy(list(held)))
        (one,) = (each for each in objects if title(each) == self.change["object"])
        path = str(self.change.get("path", "")).format(**PLACES)
        if not path:
            objects.remove(one)
            return objects
        *above, last = (key.replace("~", "/") for key in path.split("/"))
        holder: Any = one
        for key in above:
            holder = holder[_place(holder, key)]
        self._change(holder, last)
        return objects

    def _change(self, holder: Any, last: str) -> None:
        if last == "+":
            holder.append(self.change["value"])
            return
        place = _place(holder, last)
        if self.change.get("gone"):
            del holder[place]
        elif self.change.get("turned"):
            holder[place].reverse()
        else:
            holder[place] = self.change["value"]


def _place(holder: Any, key: str) -> Any:
    """Returns the key of a field, or the index of what is in a list, by its name or its index."""
    if isinstance(holder, dict):
        return key
    if key.removeprefix("-").isdigit():
        return int(key)
    return next(i for i, one in enumerate(holder) if one.get("name") == key)


MISTAKES = [
    Mistake(each.pop("what"), each)
    for group in yaml.safe_load(Path(__file__).with_name("mistakes.yaml").read_text()).values()
    for each in group
]
