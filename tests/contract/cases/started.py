"""Cases of servers that are started for them: files of batching parameters, and packed answers."""

from dataclasses import dataclass

import grpc
from tensorflow.core.framework import tensor_pb2

from tests.contract.case import Case, Fails, Grpc
from tests.contract.cases.tensors import PICTURE, packed_strings
from tests.contract.messages import listed, packed, predict, predicted, spec
from tests.contract.seen import SEEN

INVALID = grpc.StatusCode.INVALID_ARGUMENT
ROWS = [float(row) for row in range(9)]
SPLIT = """
max_batch_size { value: 8 }
enable_large_batch_splitting { value: true }
max_execution_batch_size { value: 4 }
"""


@dataclass(frozen=True)
class Started:
    """A server with these flags, and with this file of batching parameters where there is one, of
    which cases are asked; it has the models of `server.fill`."""

    name: str
    cases: tuple[Case, ...]
    flags: tuple[str, ...] = ()
    batching: str = ""


def _echo(name: str, rows: list[float], answer: Fails | None = None) -> Case:
    request = predict(spec("echo"), x=rows)
    echoed = predicted(spec("echo", "serving_default", version=1), y=rows)
    return Case(name, Grpc("Predict", request), answer or echoed, SEEN)


def _packed(name: str, signature: str = "", **inputs: object) -> Case:
    outputs = inputs.pop("outputs")
    assert isinstance(outputs, dict)
    answer = predicted(spec("images", signature or "serving_default", version=1), **outputs)
    request = predict(spec("images", signature), **inputs)
    return Case(name, Grpc("Predict", request), answer, SEEN)


def _scalar(tensor: tensor_pb2.TensorProto) -> tensor_pb2.TensorProto:
    tensor.tensor_shape.ClearField("dim")
    return tensor


ONE = _echo("one row", ROWS[:1])
TOO_MANY = Fails(INVALID, "Task size 9 is larger than maximum input batch size 8")

STARTED = [
    Started(
        "allowed sizes twice, and no batch that may wait",
        (ONE, _echo("as many as there may be", ROWS[:8]), _echo("too many", ROWS, TOO_MANY)),
        batching="max_batch_size { value: 8 } max_enqueued_batches { value: 0 } "
        "allowed_batch_sizes: 8 allowed_batch_sizes: 8",
    ),
    Started(
        "a negative bound, padding, and a pool with a name",
        (ONE, _echo("many", ROWS)),
        batching="max_enqueued_batches { value: -1 } pad_variable_length_inputs: true "
        'thread_pool_name { value: "x" }',
    ),
    Started(
        "splitting",
        (ONE, _echo("more than run together", ROWS[:7]), _echo("too many", ROWS, TOO_MANY)),
        batching=SPLIT,
    ),
    Started(
        "splitting, and sizes that end as the bound of requests",
        (ONE, _echo("more than run together", ROWS[:7])),
        batching=f"{SPLIT} allowed_batch_sizes: 2 allowed_batch_sizes: 8",
    ),
    Started(
        "packed answers",
        (
            _packed(
                "numbers",
                images=packed(PICTURE),
                outputs={
                    "logits": packed([[float(j) for j in range(10)]]),
                    "class_ids": packed([9], "int64"),
                },
            ),
            _packed(
                "strings",
                "describe",
                outputs={
                    "labels": packed_strings(b"\x01\x01\x01abc", 3),
                    "card": _scalar(packed_strings(b'\x13{"model": "images"}', 1)),
                },
            ),
            Case(
                "no values",
                Grpc("Predict", predict(spec("echo"), x=listed([], shape=[0, 3]))),
                predicted(spec("echo", "serving_default", version=1), y=listed([], shape=[0, 3])),
                "tensor.cc AsProtoTensorContent",
            ),
        ),
        flags=("--enable_serialization_as_tensor_content=true",),
    ),
]

LAST = (
    "INVALID_ARGUMENT: Last entry in allowed_batch_sizes must match max_batch_size; "
    "last entry was 4"
)
REFUSED = [
    ("max_batch_size { value: 8 } allowed_batch_sizes: 4", f"{LAST}; expected 8"),
    (f"{SPLIT} allowed_batch_sizes: 2 allowed_batch_sizes: 4", f"{LAST}; expected 8"),
    ("allowed_batch_sizes: 4", f"{LAST}; expected 1000"),
]
"""Files of batching parameters with which no server starts, and why; seen on 2.20.0, November 2026,
but for the last, which is of bundle_factory_util.cc."""
