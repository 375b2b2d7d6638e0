"""Specifications of a model's tensors: names, datatypes, and shapes as a signature has them."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from vitrine_client.open_inference import tensorflow

Json = dict[str, Any]


class TensorSpec(NamedTuple):
    """Specification of a tensor. In `shape` -1 is a dimension of any size; None is any shape, of
    any rank. `datatype` is TensorFlow's name where the protocol has none."""

    name: str
    datatype: str
    shape: tuple[int, ...] | None

    @property
    def has_rows(self) -> bool:
        """Whether the first dimension may be of any size, so that it can count the rows of a
        batch."""
        return self.shape is not None and self.shape[:1] == (-1,)

    @property
    def metadata(self) -> Json:
        """As the protocol's metadata has it, which has no word for any rank but no dimensions."""
        return {"name": self.name, "datatype": self.datatype, "shape": list(self.shape or ())}


def of_infos(infos: Mapping[str, Any]) -> list[TensorSpec]:
    """Returns the specifications of a signature's inputs or outputs, in the order of their names;
    `infos` are TensorFlow's messages `TensorInfo`, official or ours."""
    return [
        TensorSpec(name, tensorflow.datatype_of(infos[name]), _shape(infos[name]))
        for name in sorted(infos)
    ]


def count_rows(specs: Sequence[TensorSpec]) -> bool:
    """Says whether the first dimension of each tensor may be of any size: the rows of a batch."""
    return bool(specs) and all(spec.has_rows for spec in specs)


def _shape(info: Any) -> tuple[int, ...] | None:
    if info.tensor_shape.unknown_rank:
        return None
    return tuple(tensorflow.shape_of(info))
