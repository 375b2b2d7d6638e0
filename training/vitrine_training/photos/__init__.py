"""Pictures as people send them, drawn round items of Fashion-MNIST.

A kind takes an item (uint8 [28, 28], white on black) and a random generator, and returns an
encoded file; the same seed gives the same bytes. Each file states the ranges that it draws from.
None of them knows how pictures are read. The item keeps its pose: how a model fares with one that
is mirrored, moved or turned is another question.
"""

from vitrine_training.photos import (
    catalogue,
    depths,
    dirt,
    drawings,
    formats,
    frames,
    light,
    overlays,
    placing,
    screens,
    surfaces,
)
from vitrine_training.photos.kinds import Kind, kinds_of
from vitrine_training.photos.unseen import new_strangers, strangers

__all__ = ["CATALOGUE", "KINDS", "STRANGERS", "Kind"]

_GROUPS = (
    catalogue,
    dirt,
    overlays,
    frames,
    screens,
    light,
    surfaces,
    placing,
    depths,
    drawings,
    formats,
    strangers,
    new_strangers,
)

KINDS: dict[str, Kind] = {kind.name: kind for group in _GROUPS for kind in kinds_of(group)}
"""Every kind of picture by its name."""

CATALOGUE = kinds_of(catalogue)
"""Ordinary photos."""

STRANGERS = ("strangers", "new-strangers")
"""The groups of ten kinds each that somebody drew who had not seen how pictures are read. Faults
that the first ones showed were mended after they were measured; the new ones came after that."""
