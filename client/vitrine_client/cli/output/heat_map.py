"""Heat map in a terminal: colours in half blocks, or characters where there are no colours."""

import numpy as np
from rich.color import Color
from rich.console import Console
from rich.style import Style
from rich.text import Text

from vitrine_client.results.explanations import Explanation

_STRONG, _WEAK = 0.6, 0.2
"""Weights from which a pixel is written with the stronger and with the weaker character; weights
are lifted (`Explanation.weights`), so these are a good third and a fourteenth of the strongest."""

_COLOURFUL = ("256", "truecolor")
"""Colour systems with enough shades; of 16 colours, most would come out black or grey."""

LEGEND = "# strongly for it, + for it, - against it, = strongly against it"


def shown(explanation: Explanation, console: Console) -> Text:
    """Returns the map for a console: 28 columns and 14 lines in colours, orange for the class and
    blue against it, or 56 columns and 28 lines of characters, and what they mean."""
    if console.color_system not in _COLOURFUL or console.options.ascii_only:
        return Text("\n").join([*_in_characters(explanation), Text(f"({LEGEND})", "dim")])
    return Text("\n").join(_in_colours(explanation))


def _in_colours(explanation: Explanation) -> list[Text]:
    pixels = np.asarray(explanation.heat_map(scale=1))
    lines = []
    for upper, lower in zip(pixels[::2], pixels[1::2], strict=True):
        line = Text()
        for above, below in zip(upper.tolist(), lower.tolist(), strict=True):
            line.append("▀", Style(color=Color.from_rgb(*above), bgcolor=Color.from_rgb(*below)))
        lines.append(line)
    return lines


def _in_characters(explanation: Explanation) -> list[Text]:
    weights = explanation.weights()
    characters = np.full(weights.shape, " ")
    for character, there in (
        ("+", weights >= _WEAK),
        ("#", weights >= _STRONG),
        ("-", weights <= -_WEAK),
        ("=", weights <= -_STRONG),
    ):
        characters[there] = character
    # Twice each, as a character is about twice as high as it is wide.
    return [Text("".join(row).rstrip()) for row in characters.repeat(2, axis=1).tolist()]
