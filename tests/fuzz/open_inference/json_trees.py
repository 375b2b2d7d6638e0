"""JSON that is nearly a request: a tree with one thing in it that is another."""

import copy
import random
from collections.abc import Callable
from typing import Any

from tests.contract.open_inference import arithmetic

ODD_TEXTS = (
    *(
        "",
        "\0",
        "é",
        "\ud800",
        "x" * 3000,
        "x" * 50_000,
        "-1",
        "1e5",
        "%s",
        "../..",
        "in",
        "out",
        "sum",
        "a",
    ),
    *("images", "image_bytes", "probabilities", "class_ids", "mlp", "base64", "NaN", "null"),
    *("fp32", "TYPE_FP32", "FP8", *arithmetic.DATATYPES.values()),
)
ODD_NUMBERS = (
    *(0, 1, -1, 2, 28, 255, 256, 784, 2**31 - 1, 2**31, 2**32, 2**53 + 1, 2**62, 2**63 - 1, 2**63),
    *(-(2**63), -(2**63) - 1, 2**64 - 1, 2**64, 10**30, 10**400, 0.5, 1.0, -0.0, 1e308, 1e-320),
    *(float("nan"), float("inf"), float("-inf")),
)
_OTHERS = (
    *(None, True, False, [], {}, [[]], [{}], [1, [2]], [[1, 2], [3]], [None], {"": 0}),
    *({"b64": "AAEC"}, {"b64": "%%%"}, {"b64": 1}, {"b64": "AAEC", "c": 1}, [{"b64": ""}]),
)
_SHAPES = (
    *([], [0], [-1], [1], [2], [1, 2], [2, 1], [1, 1, 2], [0, 2], [2, 0], [28, 28], [1, 784]),
    *([784], [1, 28, 28, 1], [1] * 64, [1] * 65, [2**31, 2**31], [2**63 - 1], [2**63], [2**64]),
    *([2**62, 0], [2**40, 2**40, 0], [1.0], ["2"], [True], [None], [[2]], [10**30], 2, "2", None),
)
_KEYS = (
    *("id", "model_name", "inputs", "outputs", "parameters", "name", "shape", "datatype", "data"),
    *("binary_data_size", "binary_data_output", "binary_data", "classification", "timeout"),
    *("priority", "sequence_id", "sequence_start", "content_type", "signature_name", "b64"),
    *("shared_memory_region", "shared_memory_byte_size", "headers", "", "\ud800", "x" * 500),
)
_DEPTHS = (1, 2, 10, 63, 64, 65, 200)


def mutated(chance: random.Random, tree: Any) -> Any:
    """Returns another tree, in which one thing is another, is missing, or is there twice."""
    root = [copy.deepcopy(tree)]
    container, key = chance.choice(_places(root))
    chance.choice(_MUTATIONS)(chance, container, key, root)
    return root[0] if root else None


def odd(chance: random.Random) -> Any:
    """Returns a value that may be anything."""
    kind = chance.randrange(4)
    if kind == 0:
        return chance.choice(ODD_TEXTS)
    return copy.deepcopy(chance.choice(ODD_NUMBERS if kind < 3 else _OTHERS))


def _places(root: list[Any]) -> list[tuple[Any, Any]]:
    """Returns where something is, as container and key; of long lists the ends alone."""
    found, left = list[tuple[Any, Any]](), [root]
    while left:
        container = left.pop()
        if isinstance(container, dict):
            keys: list[Any] = list(container)
        else:
            keys = list(range(len(container)))
            keys = keys if len(keys) < 5 else [*keys[:2], keys[-1]]
        for key in keys:
            found.append((container, key))
            if isinstance(container[key], list | dict):
                left.append(container[key])
    return found


Mutate = Callable[[random.Random, Any, Any, list[Any]], None]


def _replace(chance: random.Random, container: Any, key: Any, _: list[Any]) -> None:
    container[key] = odd(chance)


def _shape(chance: random.Random, container: Any, key: Any, root: list[Any]) -> None:
    """Another shape, anywhere there is one."""
    shaped = [place for place in _places(root) if place[1] == "shape"]
    container, key = chance.choice(shaped or [(container, key)])
    container[key] = copy.deepcopy(chance.choice(_SHAPES))


def _datatype(chance: random.Random, container: Any, key: Any, root: list[Any]) -> None:
    typed = [place for place in _places(root) if place[1] == "datatype"]
    container, key = chance.choice(typed or [(container, key)])
    container[key] = chance.choice(list(arithmetic.DATATYPES.values()))


def _delete(_: random.Random, container: Any, key: Any, __: list[Any]) -> None:
    del container[key]


def _other(chance: random.Random, container: Any, key: Any, root: list[Any]) -> None:
    """What is somewhere else."""
    other, place = chance.choice(_places(root))
    container[key] = copy.deepcopy(other[place])


def _again(chance: random.Random, container: Any, key: Any, root: list[Any]) -> None:
    """The same things more often, in a list of them."""
    lists = [each[place] for each, place in _places(root) if isinstance(each[place], list)]
    if not lists:
        return _replace(chance, container, key, root)
    chosen = chance.choice(lists)
    chosen.extend(copy.deepcopy(chosen[:50]) * chance.choice((1, 1, 2, 9)))
    return None


def _wrap(chance: random.Random, container: Any, key: Any, _: list[Any]) -> None:
    value = container[key]
    container[key] = chance.choice(([value], {"b64": value}, [value, value], str(value)[:999]))


def _nest(chance: random.Random, container: Any, key: Any, _: list[Any]) -> None:
    value, name = container[key], chance.choice(_KEYS)
    is_list = chance.random() < 0.7
    for _depth in range(chance.choice(_DEPTHS)):
        value = [value] if is_list else {name: value}
    container[key] = value


def _add(chance: random.Random, container: Any, key: Any, root: list[Any]) -> None:
    objects = [each for each, _ in _places(root) if isinstance(each, dict)]
    if not objects:
        return _replace(chance, container, key, root)
    chance.choice(objects)[chance.choice(_KEYS)] = odd(chance)
    return None


def _rename(chance: random.Random, container: Any, key: Any, _: list[Any]) -> None:
    if isinstance(container, dict):
        container[chance.choice((*_KEYS, str(key).upper(), f"{key} "))] = container.pop(key)


_MUTATIONS: tuple[Mutate, ...] = (
    *(_replace, _replace, _shape, _shape, _datatype, _delete, _other, _again, _wrap, _nest, _add),
    *(_add, _rename),
)
