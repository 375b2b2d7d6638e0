"""Somebody who asks a classifier about test images while a watch looks on."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from vitrine_client.errors import NotFound
from vitrine_client.results.predictions import VersionStatus
from vitrine_client.results.profiles.description import Description


@dataclass
class Asked:
    """Shows random test images to `answer`; `change` is what becomes of them before."""

    answer: Any
    description: Description
    test: Any
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))

    def show(self, watch, count, change=None, *, model="m", version=1, batch=8, of=None):
        """Shows `count` images, of all classes or of those given, `batch` at a time."""
        among = np.flatnonzero(np.isin(self.test.labels, range(10) if of is None else of))
        images = self.test.images[self.rng.choice(among, count)]
        images = change(images) if change else images
        outputs = self.answer(images)
        for start in range(0, count, batch):
            part = slice(start, start + batch)
            watch.note(model, version, self.description, images[part], outputs[part])


def inverted(images):
    """Black is white."""
    return 255 - images


class FakeServers:
    """Has the versions of `described`, by number; None stands for one without `describe`."""

    def __init__(self, described):
        self.described = described

    async def status(self, model, *, version=None, label=None, timeout_s):
        if version is not None and version not in self.described:
            raise NotFound(f"{model} has no version {version}")
        states = dict.fromkeys(self.described, "AVAILABLE") | {99: "END"}
        return [VersionStatus(n, s) for n, s in states.items() if version in (None, n)]

    async def describe(self, model, version, *, timeout_s, first=None):
        if self.described[version] is None:
            raise NotFound("no signature describe")
        return self.described[version]


class FakeFleet:
    """What each model server says of a model's versions: `says` has for each server the states of
    the versions by model, or None for a server that does not answer."""

    def __init__(self, *says):
        self.says = list(says)

    async def all_statuses(self, model, *, timeout_s):
        return [
            None
            if each is None
            else [VersionStatus(n, state) for n, state in each.get(model, {}).items()]
            for each in self.says
        ]
