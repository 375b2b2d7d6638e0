"""The kind of a picture: how people come by it, and how one is drawn."""

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType

import numpy as np

from vitrine_training.data.idx import Pixels


@dataclass(frozen=True)
class Kind:
    """A kind of pictures that people send, each drawn round an item of the data set.

    `photograph` takes an item, uint8 [28, 28], white on black, and a generator, and returns an
    encoded file; where the kind is `with_others` it also takes the items beside it, uint8
    [n, 28, 28]. `leaves_item_visible` is False where tones of the item are lost on the way, so that
    nobody could name the class as surely as from the row.
    """

    name: str
    photograph: Callable[..., bytes]
    group: str
    leaves_item_visible: bool = True
    with_others: bool = False

    def draw(self, item: Pixels, rng: np.random.Generator, others: Pixels | None = None) -> bytes:
        """Returns a picture of `item` as an encoded file; the same `rng` gives the same bytes.

        Without `others`, uint8 [n, 28, 28], the items beside it are the item itself, turned.
        """
        if not self.with_others:
            return self.photograph(item, rng)
        if others is None:
            others = np.stack([item[:, ::-1], item[::-1], np.rot90(item)])
        return self.photograph(item, rng, others)

    def generator(self, number: int) -> np.random.Generator:
        """Returns the random generator of the picture of this kind with this number."""
        return np.random.default_rng([zlib.crc32(self.name.encode()), number])


def kind(
    group: str, *, leaves_item_visible: bool = True, with_others: bool = False
) -> Callable[[Callable[..., bytes]], Kind]:
    """Decorator: makes a kind of the function that photographs it, and has its name."""

    def made(photograph: Callable[..., bytes]) -> Kind:
        name = photograph.__name__.replace("_", "-")
        return Kind(name, photograph, group, leaves_item_visible, with_others)

    return made


def kinds_of(module: ModuleType) -> list[Kind]:
    """Returns the kinds of a module in the order in which they stand there."""
    return [one for one in vars(module).values() if isinstance(one, Kind)]
