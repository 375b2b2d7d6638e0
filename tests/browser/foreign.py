"""A model that Vitrine did not train, as the fake API answers for it."""

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from PIL import Image

from vitrine_client.results.profiles.profile import FASHION_MNIST, ModelProfile

COLOUR = replace(FASHION_MNIST, shape=(24, 32, 3), fit="stretch", sources={})


def profiled(
    profile: ModelProfile, labels: Sequence[str], assumptions: Sequence[str] = ()
) -> dict[str, Any]:
    """What the address `profile` answers of a model."""
    told = profile.to_dict() | {"labels": list(labels)}
    return {"model": "any", "version": "1", "profile": told, "assumptions": list(assumptions)}


@dataclass(frozen=True)
class Foreign:
    """Takes pictures as its profile says, and answers `best` most of all.

    `grid` is the size of its attributions, that of its pictures unless given; one that `explains`
    nothing is refused as the gateway does it. `empty` has it see nothing in any picture.
    """

    profile: ModelProfile = COLOUR
    labels: Sequence[str] = ("cat", "dog", "bird")
    best: int = 1
    highest: float = 0.7
    explains: bool = True
    grid: tuple[int, int] | None = None
    warnings: tuple[str, ...] = ()
    assumptions: tuple[str, ...] = ()
    empty: bool = False

    def told(self) -> dict[str, Any]:
        """What the address `profile` answers."""
        return profiled(self.profile, self.labels, self.assumptions)

    def levels(self, picture: bytes, box: tuple[int, ...] | None) -> np.ndarray:
        """What it sees of a picture, or of a box on it, uint8 [h, w] or [h, w, c]."""
        height, width, *channels = self.profile.shape
        with Image.open(io.BytesIO(picture)) as file:
            shown = file.convert({3: "RGB", 4: "RGBA"}.get(self.profile.channels, "L"))
        if box:
            x, y, wide, high = box
            shown = shown.crop((x, y, x + wide, y + high))
        levels = np.asarray(shown.resize((width or 40, height or 40), Image.Resampling.NEAREST))
        return levels[..., None] if channels == [1] else levels

    def instances(self, picture: bytes, box: tuple[int, ...] | None) -> dict[str, Any]:
        """What the address `instances` answers."""
        levels = self.levels(picture, box)
        return {
            "instances": [(levels / 255).tolist()],
            "boxes": [None if self.empty else box or [0, 0, *levels.shape[1::-1]]],
            "warnings": [list(self.warnings)],
        }

    def prediction(self) -> dict[str, Any]:
        """What `predict` answers of a picture; shares that sum to 1, unless they are scores."""
        others = [1 / (2 + index) for index in range(len(self.labels))]
        scale = 1 if self.profile.kind == "scores" else (1 - self.highest) / sum(others)
        shares = [scale * each for each in others]
        shares[self.best] = self.highest
        return {
            "label": self.labels[self.best],
            "class_id": self.best,
            "probability": self.highest,
            "probabilities": dict(zip(self.labels, shares, strict=True)),
        }

    def explanation(self, class_id: int) -> dict[str, Any]:
        """What `explain` answers: the upper half speaks for a class, the lower against it."""
        height, width = self.grid or (self.profile.height, self.profile.width)
        rows = np.where(np.arange(height) < height / 2, 1.0, -0.5)
        return {
            "label": self.labels[class_id],
            "class_id": class_id,
            "probability": list(self.prediction()["probabilities"].values())[class_id],
            "attributions": np.repeat(rows[:, None], width, axis=1).tolist(),
        }
