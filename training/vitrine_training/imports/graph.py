"""Graph search: operations that draw at random or keep state, in all functions that a function
calls.

Keras' `export()` leaves random layers on, and a model that was exported in training mode changes
its averages with each request: the one answers a picture now this, now that, the other becomes
worse by being served.
"""

import math
import re
from collections.abc import Iterator
from typing import Any

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


def random_operations(graph_def: Any) -> list[str]:
    """Returns the operations of a graph that draw at random, sorted."""
    return sorted(name for name in set(_operations(graph_def)) if _RANDOM.fullmatch(name))


def changing_operations(graph_def: Any) -> list[str]:
    """Returns the operations of a graph that change what is kept between calls, sorted."""
    return sorted(name for name in set(_operations(graph_def)) if _CHANGES.fullmatch(name))


def large_tensors(graph: Any) -> list[str]:
    """Returns the tensors of a graph that take more than `MOST_BYTES` for a picture, in words."""
    found = []
    for operation in graph.get_operations():
        for tensor in operation.outputs:
            sides = tensor.shape.as_list() if tensor.shape.rank is not None else []
            size = math.prod(side or 1 for side in sides) * max(tensor.dtype.size or 1, 1)
            if size > MOST_BYTES:
                found.append(f"{size:,} bytes in `{operation.name[:80]}`")
    return found


def _operations(graph_def: Any) -> Iterator[str]:
    """Yields the operations of a graph, and of the functions that it calls, whatever the depth."""
    functions = {each.signature.name: each for each in graph_def.library.function}
    waiting = [list(graph_def.node)]
    seen: set[str] = set()
    while waiting:
        for node in waiting.pop():
            yield node.op
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
