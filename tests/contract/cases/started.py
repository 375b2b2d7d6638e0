"""Cases of servers that are started for them: files of batching parameters, packed answers, and
one that is given no models and nothing else."""

from dataclasses import dataclass

import grpc
from tensorflow.core.framework import tensor_pb2

from tests.contract.case import Case, Fails, Grpc
from tests.contract.cases import life, warm_up
from tests.contract.cases.reload import label
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
    without_models: bool = False
    """Whether there is an empty list of models, and no flag that lets labels name any version."""


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


def _unlabelled(version: int) -> Case:
    return Case(
        f"a label of version {version}",
        Grpc(
            "HandleReloadConfigRequest",
            lambda base: life.reload(base, ("bare", label("z", version))),
        ),
        Fails(
            grpc.StatusCode.FAILED_PRECONDITION,
            f"Request to assign label to version {version} of model bare, which is not currently "
            "available for inference",
        ),
        SEEN,
    )


BARE = (
    Case(
        "no model",
        life.status("bare"),
        Fails(grpc.StatusCode.NOT_FOUND, "Could not find any versions of model bare"),
        SEEN,
    ),
    Case("a model", life.half("bare"), life.answered("bare", 1, 3.0), SEEN, life.one("bare")),
    _unlabelled(0),
    _unlabelled(-1),
    Case(
        "a label that was refused",
        life.half("bare", label="z"),
        Fails(INVALID, "Unrecognized servable version label: z"),
        SEEN,
    ),
    Case(
        "a warm-up that would fail",
        life.half("cold"),
        life.answered("cold", 1, 3.0),
        SEEN,
        warm_up.before("cold", lambda _: b"rubbish" * 9, "AVAILABLE"),
    ),
    Case(
        "rows of a batch",
        Grpc("Predict", predict(spec("rows"), x=ROWS)),
        predicted(spec("rows", "serving_default", version=1), y=ROWS),
        SEEN,
        life.one("rows", "echo"),
    ),
)
"""Cases of a server that is given no models, which bring their own; in this order."""

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
        "no models, no file of batching, no warm-up",
        BARE,
        flags=("--enable_batching=true", "--enable_model_warmup=false"),
        without_models=True,
    ),
    Started(
        "packed answers",
        (
            Case(
                "a line",
                Grpc("Predict", predict(spec(), x=[1.0, 2.0])),
                predicted(spec(signature="serving_default", version=2), y=packed([3.5, 4.0])),
                SEEN,
            ),
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
