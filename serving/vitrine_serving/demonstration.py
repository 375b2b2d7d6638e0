"""Demo of a service: the models that it asks, and the pictures that it asks them about."""

import os
import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple, Self

from vitrine_client import Client
from vitrine_client.errors import InvalidImage, PayloadTooLarge
from vitrine_client.http.default_model import FALLBACK, PREFERRED, DefaultModelWarning
from vitrine_client.images.pictures import in_folder
from vitrine_client.results.profiles.profile import DESCRIBE, FASHION_MNIST, ModelProfile

MOST_PICTURES = 6
"""Pictures that are taken of a folder, most of them of different folders in it."""


def pictures_of(paths: Sequence[Path]) -> list[str]:
    """Returns the files among `paths`, and a few pictures of each folder: the first one in every
    folder below it, in turn. Raises `OSError`, and `ValueError` for a folder without pictures."""
    return [name for path in paths for name in ([str(path)] if path.is_file() else _few(path))]


def _few(folder: Path) -> list[str]:
    below = [Path(where) for where, _, _ in _walk(folder)]
    by_folder = [found for each in below if (found := in_folder(each))]
    if not by_folder:
        raise ValueError(f"{folder} has no pictures in it")
    spread = by_folder[:: -(-len(by_folder) // MOST_PICTURES)]
    turns = chain.from_iterable(zip(*map(_cycled, spread), strict=False))
    return sorted({str(path) for path in islice(turns, MOST_PICTURES)})


def _cycled(paths: list[Path]) -> Iterator[Path]:
    while True:
        yield from paths


def _walk(folder: Path) -> Iterator[tuple[str, list[str], list[str]]]:
    """Walks through the folders that are not hidden, by name."""
    for found in os.walk(folder):
        found[1][:] = sorted(name for name in found[1] if not name.startswith((".", "__")))
        yield found


def refused(
    pictures: Sequence[str], url: str, key: str, model: str | None = None
) -> dict[str, str]:
    """Returns the pictures that a gateway's model does not answer, such as one that is too large,
    and why. Raises `VitrineError` where that is not for the picture."""
    reasons = {}
    with Client(url, api_key=key) as gateway, warnings.catch_warnings():
        warnings.simplefilter("ignore", DefaultModelWarning)  # it is noted where they are shown
        for picture in pictures:
            try:
                gateway.predict(picture, model)
            except (InvalidImage, PayloadTooLarge) as error:
                reasons[picture] = str(error)
            except OSError as error:
                reasons[picture] = f"the file cannot be read: {error}"
    return reasons


class DemoModels(NamedTuple):
    """Models of a demo: those that take pictures, those of Vitrine's own among them, which clients
    also ask past the gateway, and the reasons for which others are left out."""

    classifiers: Sequence[str]
    own: Collection[str]
    left_out: Mapping[str, str]

    def asked(self, *, past_gateway: bool = False) -> list[tuple[str, ...]]:
        """Returns the options of `vitrine predict` for each model; the default model, which it asks
        without any, comes first."""
        served = {*self.classifiers, *self.left_out}
        default = next((name for name in (PREFERRED, FALLBACK) if name in served), None)
        names = [name for name in self.classifiers if name in self.own or not past_gateway]
        named: list[tuple[str, ...]] = [("--model", name) for name in names if name != default]
        return [(), *named] if default in names else named

    def alone(self, model: str) -> Self:
        """Returns one of the models. Raises `LookupError` where pictures cannot be sent to it."""
        if model not in self.classifiers:
            reason = self.left_out.get(
                model, "it is not served; where there is a models.config, add it there"
            )
            raise LookupError(f"{model} cannot be asked: {reason}")
        return self._replace(classifiers=[model], left_out={})

    @classmethod
    def found(cls, url: str, key: str = "") -> Self:
        """Asks a gateway for its models. Raises `VitrineError`."""
        classifiers, own, left_out = [], set(), {}
        with Client(url, api_key=key) as gateway:
            for name, versions in gateway.models().items():
                for status in versions:
                    if status.classifier:
                        classifiers.append(name)
                        if _is_own(gateway.profile(name, version=status.version).profile):
                            own.add(name)
                    elif status.reason:
                        left_out[name] = status.reason
        return cls(classifiers, own, left_out)


def _is_own(profile: ModelProfile | None) -> bool:
    return (
        profile is not None
        and profile.takes_the_same(FASHION_MNIST)
        and {*profile.sources.values()} == {DESCRIBE}
    )
