"""Explain command: prints a heat map of the pixels that speak for a class, in colours in half
blocks, or in characters where there are no colours."""

import sys
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.color import Color
from rich.console import Console
from rich.style import Style
from rich.text import Text

from vitrine_client.cli import options, sources
from vitrine_client.cli.gateway import GatewayOptions, gateway_options
from vitrine_client.cli.options import Box, box, which_version
from vitrine_client.cli.output import tables
from vitrine_client.errors import EmptyPicture, InvalidImage
from vitrine_client.process.visible import visible
from vitrine_client.results.explanations import Explanation

_PNG_SIDE = 448
"""Pixels of a PNG's longer side, or nearly as many."""

_STRONG, _WEAK = 0.6, 0.2
"""Weights from which a pixel is written with the stronger and with the weaker character; weights
are lifted (`Explanation.weights`), so these are a good third and a fourteenth of the strongest."""

_COLOURFUL = ("256", "truecolor")
"""Colour systems with enough shades; of 16 colours, most would come out black or grey."""

LEGEND = "# strongly for it, + for it, - against it, = strongly against it"


@click.command(short_help="Show which pixels speak for a class.")
@click.argument("picture", type=click.Path(allow_dash=True))
@click.option(
    "--class",
    "class_id",
    metavar="NAME|ID",
    help="Which class to explain, by its name or number.  [default: the one that is answered]",
)
@options.model
@which_version
@box
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a heat map.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Also write the heat map as a PNG file, 448x448 pixels for a model of 28x28.",
)
@gateway_options
def explain(
    picture: str,
    class_id: str | None,
    model: str | None,
    version: int | None,
    label: str | None,
    box: Box | None,
    as_json: bool,
    out: Path | None,
    gateway: GatewayOptions,
) -> None:
    """Show which pixels of PICTURE speak for a class, and which against it.

    \b
    vitrine explain shoe.png                       the class that is answered
    vitrine explain shoe.png --class Sandal        why it is not a sandal
    vitrine explain - --model softmax < shoe.png   the same, from standard input
    vitrine explain shoe.png --out why.png --json > why.json

    PICTURE is a file, or - for standard input. The heat map has the pixels that the model sees,
    such as 28x28: orange ones speak for the class, blue ones against it. Where the console is too
    narrow, squares of them are one. Where there are no colours, it is made of characters. With
    --json, attributions are a list for each row of pixels: what each pixel adds to the class's
    logit.

    Exit code 1: the picture cannot be read or shows nothing, or there is no such model.
    """
    _check_output(out)
    with options.friendly(), options.default_model_noted():
        names = sources.named([picture])
        if len(names) != 1:
            raise click.UsageError(f"{picture} names {len(names)} pictures; explain takes one")
        asked: dict[str, Any] = {"version": version, "label": label, "box": box}
        with gateway.client() as client:
            try:
                found = client.explain(sources.read(names[0]), model, class_id=class_id, **asked)
            except InvalidImage as error:
                sys.exit(_refused(names[0], error, as_json))
        if out:
            scale = max(1, _PNG_SIDE // max(found.attributions.shape))
            found.heat_map(scale).save(out, "PNG")
            options.note(f"Written to {out}")
    if as_json:
        tables.print_json({"picture": names[0]} | found.to_dict())
    else:
        _print(names[0], found)


def _check_output(out: Path | None) -> None:
    """Raises `click.BadParameter` for a path that no PNG file can be written to, before anybody is
    asked."""
    if out and out.suffix.lower() != ".png":
        raise click.BadParameter(f"{out} is no PNG file; name it .png", param_hint="--out")
    if out and not out.parent.is_dir():
        raise click.BadParameter(f"there is no folder {out.parent}", param_hint="--out")


def _print(name: str, found: Explanation) -> None:
    console, label = options.console, visible(found.label)
    console.print(
        f"{name}: {label}, probability {found.probability:.3f}, by {found.version_name}",
        markup=False,
        soft_wrap=True,
    )
    console.print(heat_map(found, console), soft_wrap=True)
    console.print(visible(found.summary()), markup=False, soft_wrap=True)
    if found.warnings:
        options.note("; ".join(found.warnings))


def _refused(name: str, error: InvalidImage, as_json: bool) -> int:
    """Says why there is no explanation, as `vitrine predict` does, and returns the exit code."""
    if as_json and isinstance(error, EmptyPicture):
        tables.print_json({"picture": name, "empty": True, "warnings": error.warnings})
    elif as_json:
        tables.print_json({"picture": name, "error": str(error)})
    else:
        click.echo(f"Error: {name}: {error}", err=True)
    return 1


def heat_map(explanation: Explanation, console: Console) -> Text:
    """Returns a heat map for a console: for 28x28 pixels 28 columns, 14 lines in colours, orange
    for the class and blue against it, or 56 columns and 28 lines of characters, and a legend."""
    if console.color_system not in _COLOURFUL or console.options.ascii_only:
        fitted = explanation.coarser(console.width // 2)
        return Text("\n").join([*_in_characters(fitted), Text(f"({LEGEND})", "dim")])
    return Text("\n").join(_in_colours(explanation.coarser(console.width)))


def _in_colours(explanation: Explanation) -> list[Text]:
    pixels = np.asarray(explanation.heat_map(scale=1))
    pixels = np.pad(pixels, ((0, len(pixels) % 2), (0, 0), (0, 0)))
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
