"""Explanation: the pixels of a picture that speak for a class, and those against it."""

import io
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vitrine_client.results import notebook
from vitrine_client.results.strict_json import JsonRecord

Floats = NDArray[np.float32]

FOR = (255, 150, 30)
AGAINST = (70, 140, 255)
"""Colours of a heat map, RGB: orange and blue, as on the gateway's page. People with any colour
vision tell them apart, also by brightness against black."""

_GAMMA = 0.6  # weak ones would hardly be seen, and most are weak
_SHOWN_PX = 224


@dataclass(frozen=True, eq=False)
class Explanation(JsonRecord):
    """Explanation of one class for one picture.

    `attributions`, float32 of the model's height and width, [28, 28] for Fashion-MNIST, is the
    contribution of each pixel to the class's logit: the gradient times the pixel. Above zero it
    speaks for the class, below zero against it, and a black pixel says nothing. `label`, `class_id`
    and `probability` are those of the class that is explained; `model`, `version`, `box` and
    `warnings` are a `Prediction`'s. Notebooks show it as a heat map.
    """

    label: str
    class_id: int
    probability: float
    attributions: Floats
    model: str
    version: int
    box: tuple[int, int, int, int] | None = None
    warnings: tuple[str, ...] = ()

    @property
    def sum_for(self) -> float:
        """Sum of the pixels that speak for the class, in its logit."""
        return float(self.attributions[self.attributions > 0].sum())

    @property
    def sum_against(self) -> float:
        """Sum of the pixels against the class, in its logit, 0 or less."""
        return float(self.attributions[self.attributions < 0].sum())

    def weights(self) -> Floats:
        """Returns the strengths that a heat map shows, float32 in -1..1: of the strongest pixel 1
        or -1, and weak ones lifted so that they are seen."""
        strongest = float(np.abs(self.attributions).max(initial=0.0)) or 1.0
        shares = np.abs(self.attributions) / np.float32(strongest)
        lifted = shares.astype(np.float32) ** np.float32(_GAMMA)
        weights: Floats = np.copysign(lifted, self.attributions)
        return weights

    def coarser(self, columns: int) -> "Explanation":
        """Returns it with at most so many columns: squares of pixels are summed to one."""
        height, width = self.attributions.shape
        side = -(-width // max(columns, 1))
        padded = np.pad(self.attributions, ((0, -height % side), (0, -width % side)))
        squares = padded.reshape(padded.shape[0] // side, side, padded.shape[1] // side, side)
        return replace(self, attributions=squares.sum((1, 3), dtype=np.float32))

    def heat_map(self, scale: int = 8) -> Image.Image:
        """Returns a picture, orange for the class and blue against it, on black; each pixel of the
        instance becomes a square of `scale` by `scale` pixels."""
        weights = self.weights()[..., np.newaxis]
        colours = np.where(weights > 0, np.array(FOR), np.array(AGAINST))
        pixels = np.rint(np.abs(weights) * colours).astype(np.uint8)
        return Image.fromarray(pixels.repeat(scale, 0).repeat(scale, 1))

    def summary(self) -> str:
        """Returns the sums of the heat map in a sentence.

        The sum need not be above zero: a bias is added to it, and the other classes have theirs.
        """
        return (
            f"Pixels add {self.sum_for:+.2f} and {self.sum_against:+.2f} to the logit of "
            f"{self.label}; the answer is the class with the highest logit"
        )

    def _repr_html_(self) -> str:
        png = io.BytesIO()
        self.heat_map(scale=1).save(png, "PNG")
        title = f"Why {self.label}, {notebook.per_cent(self.probability)}, says {self.version_name}"
        shown = notebook.picture(png.getvalue(), f"Heat map: {self.summary()}", _SHOWN_PX)
        told = f"Orange speaks for it, blue against it. {self.summary()}."
        return notebook.paragraph(title) + shown + notebook.paragraph(told)

    @property
    def version_name(self) -> str:
        """The model and the version that are explained, such as mlp/3."""
        return f"{self.model}/{self.version}"
