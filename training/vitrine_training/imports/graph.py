"""Graph search: operations that draw at random or keep state, and tensors that are too large, in
all functions that a function calls.

Keras' `export()` leaves random layers on, and a model that was exported in training mode changes
its averages with each request: the one answers a picture now this, now that, the other becomes
worse by being served.
"""

import math
import re
from collections.abc import Iterator
from typing import Any

import tensorflow as tf
from tensorflow.core.framework import types_pb2

_RANDOM = re.compile(
    r"(Stateless|Stateful)?(Random\w*|TruncatedNormal|ParameterizedTruncatedNormal|Multinomial"
    r"|StandardNormal(V2)?|Uniform(FullInt|Int)?|SampleDistortedBoundingBox(V2)?)"
    r"|Rng(ReadAnd)?Skip|NonDeterministicInts|AnonymousRandomSeedGenerator"
)
_CHANGES = re.compile(
    r"Assign(Add|Sub)?(VariableOp)?|Scatter(Add|Sub|Mul|Div|Update|Min|Max|NdUpdate|NdAdd|NdSub)"
    r"|Resource(Scatter\w+|StridedSliceAssign|Apply\w+|SparseApply\w+|CountUpTo)"
    r"|LookupTable(Insert|Import|Remove)(V2)?|AssignVariableXlaConcatND"
)

MOST_BYTES = 1 << 30
"""Bytes of a tensor, at most, where those sides count 1 that the graph leaves free."""

_SHAPES = "_output_shapes"
"""Attribute of nodes with the shapes of their outputs."""


def random_operations(graph_def: Any) -> list[str]:
    """Returns the operations of a graph that draw at random, sorted."""
    return _operations(graph_def, _RANDOM)


def changing_operations(graph_def: Any) -> list[str]:
    """Returns the operations of a graph that change what is kept between calls, sorted."""
    return _operations(graph_def, _CHANGES)


def large_tensors(graph_def: Any) -> list[str]:
    """Returns the tensors of a graph with shapes (`as_graph_def(add_shapes=True)`), and of the
    functions that it calls, that take more than `MOST_BYTES` for a picture, in words."""
    found = []
    for node in _nodes(graph_def):
        shapes = node.attr[_SHAPES].list.shape if _SHAPES in node.attr else ()
        for shape in shapes:
            size = _bytes(shape, _widest(node))
            if size > MOST_BYTES:
                found.append(f"{size:,} bytes in `{node.name[:80]}`")
    return found


def constant_bytes(graph_def: Any) -> int:
    """Returns the bytes that all constants of a graph and its functions take in memory, whichever
    operations they belong to: one with a single number in the file may be of any size."""
    functions = (each.node_def for each in graph_def.library.function)
    attributes = (
        attribute
        for nodes in (graph_def.node, *functions)
        for node in nodes
        for attribute in node.attr.values()
    )
    return sum(
        _bytes(each.tensor_shape, _width(each.dtype))
        for attribute in attributes
        for each in (attribute.tensor, *attribute.list.tensor)
        if each.dtype != types_pb2.DT_INVALID
    )


def _bytes(shape: Any, width: int) -> int:
    sizes = () if shape.unknown_rank else (each.size for each in shape.dim)
    return math.prod(size if size > 0 else 1 for size in sizes) * width


def _widest(node: Any) -> int:
    """Returns the most bytes that a number of a node's outputs may have, by its dtypes."""
    dtypes = {each.type for each in node.attr.values()}
    dtypes |= {dtype for each in node.attr.values() for dtype in each.list.type}
    return max(map(_width, dtypes - {types_pb2.DT_INVALID}), default=1)


def _width(dtype: int) -> int:
    try:
        return int(tf.as_dtype(dtype).size or 1)
    except TypeError:  # none that this TensorFlow knows: it loads no such model
        return 1


def _operations(graph_def: Any, kind: re.Pattern[str]) -> list[str]:
    return sorted({node.op for node in _nodes(graph_def) if kind.fullmatch(node.op)})


def _nodes(graph_def: Any) -> Iterator[Any]:
    """Yields the nodes of a graph, and of the functions that it calls, whatever the depth."""
    functions = {each.signature.name: each for each in graph_def.library.function}
    waiting = [list(graph_def.node)]
    seen: set[str] = set()
    while waiting:
        for node in waiting.pop():
            yield node
            for name in {node.op, *_named(node)} & functions.keys() - seen:
                seen.add(name)
                waiting.append(list(functions[name].node_def))


def _named(node: Any) -> Iterator[str]:
    """Yields the functions that a node has as attributes: those of branches, loops and calls."""
    for attribute in node.attr.values():
        if attribute.HasField("func"):
            yield attribute.func.name
        for each in attribute.list.func:
            yield each.name
