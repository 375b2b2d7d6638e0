"""Box option: where the item of a picture is."""

import click

Box = tuple[float, ...]


def _read(_: click.Context, __: click.Parameter, text: str | None) -> Box | None:
    if text is None:
        return None
    try:
        x, y, width, height = map(float, text.split(","))
    except ValueError:
        raise click.BadParameter(f"{text!r} is none; write four numbers, 120,40,300,300") from None
    return tuple(int(side) if side.is_integer() else side for side in (x, y, width, height))


box = click.option(
    "--box",
    metavar="X,Y,W,H",
    callback=_read,
    help="Where the item is, in pixels of the upright picture; of one picture alone.  [default: it "
    "is looked for]",
)
