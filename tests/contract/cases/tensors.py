"""Cases of what Predict takes and answers over gRPC: dtypes, shapes, values."""

from typing import Any

import grpc
from google.protobuf import text_format
from tensorflow.core.framework import tensor_pb2, types_pb2

from tests.contract.case import Answer, Case, Fails, Grpc
from tests.contract.messages import (
    example,
    listed,
    of_no_dtype,
    packed,
    predict,
    predicted,
    spec,
)
from tests.contract.models import DTYPES
from tests.contract.seen import SEEN

INVALID = grpc.StatusCode.INVALID_ARGUMENT
DEFAULT = "serving_default"
NEWEST = spec(signature=DEFAULT, version=2)
PICTURE = [[[1.0] * 28] * 28]
VALUES: dict[str, list[Any]] = {
    **{name: [[1.5, -2.0], [0.0, 1.5]] for name in DTYPES if "float" in name},
    **{name: [[1.5 - 2.0j, 1.0j]] for name in DTYPES if "complex" in name},
    **{f"int{bits}": [[-(2 ** (bits - 1)), 2 ** (bits - 1) - 1, 7]] for bits in (8, 16, 32, 64)},
    **{f"uint{bits}": [[0, 2**bits - 1, 7]] for bits in (8, 16, 32, 64)},
    "bool": [[True], [False]],
    "string": [[b"\xff\x00", b""], [b"caf\xc3\xa9", b"x"]],
}


def over_grpc(name: str, request: Any, answer: Answer, source: str) -> Case:
    """A case of Predict."""
    return Case(f"predict: {name}", Grpc("Predict", request), answer, source)


def serialized(x: float) -> Any:
    """Returns a batch of one Example."""
    return listed([example(x=x).SerializeToString()], "string")


def echo(signature: str) -> Any:
    """What an answer of `echo` says it is from."""
    return spec("echo", signature, version=1)


def _opaque(dtype: int) -> Any:
    """Returns a tensor of one element, which nothing lists."""
    made = tensor_pb2.TensorProto(dtype=dtype)
    made.tensor_shape.dim.add(size=1)
    return made


def _with_content(tensor: Any, content: bytes) -> Any:
    tensor.tensor_content = content
    return tensor


def _streamed(request: Any) -> Any:
    request.predict_streamed_options.SetInParent()
    return request


def packed_strings(content: bytes, count: int) -> Any:
    """Returns a tensor of strings with these bytes in `tensor_content`."""
    return _with_content(listed([], "string", [count]), content)


def _shaped(shape: str, **fields: Any) -> Any:
    """Returns a tensor of one float, with this shape as text, and with other fields."""
    made = tensor_pb2.TensorProto(dtype=types_pb2.DT_FLOAT, float_val=[1.0], **fields)
    text_format.Merge(shape, made.tensor_shape)
    return made


def _wide(*numbers: int) -> Any:
    made = listed([], "uint8", [len(numbers)])
    made.int_val.extend(numbers)
    return made


def _echoes() -> list[Case]:
    made = []
    for dtype in DTYPES:
        answer = predicted(echo(dtype), y=listed(VALUES[dtype], dtype))
        forms = {"list": listed} if dtype == "string" else {"list": listed, "content": packed}
        made += [
            over_grpc(
                f"{dtype} as {form}",
                predict(spec("echo", dtype), x=write(VALUES[dtype], dtype)),
                answer,
                f"tensor.proto, {form}; predict_util.cc PostProcessPredictionResult: answers are "
                "typed lists (kAsProtoField), every value listed",
            )
            for form, write in forms.items()
        ]
    return made


SHAPES = [
    over_grpc(
        "a scalar",
        predict(spec("echo"), x=3.5),
        predicted(echo(DEFAULT), y=3.5),
        "tensor.proto: a shape without dimensions, present in the answer (Tensor::AsProtoField)",
    ),
    over_grpc(
        "an empty batch",
        predict(spec("echo"), x=listed([], shape=[0, 3])),
        predicted(echo(DEFAULT), y=listed([], shape=[0, 3])),
        "tensor.cc FromProto: no elements are no error",
    ),
    over_grpc(
        "an empty batch of pictures",
        predict(spec("images"), images=listed([], shape=[0, 28, 28])),
        predicted(
            spec("images", DEFAULT, version=1),
            logits=listed([], shape=[0, 10]),
            class_ids=listed([], "int64"),
        ),
        "predict_util.cc RunPredict: the kernels take a batch of none",
    ),
    over_grpc(
        "a list of one value stands for all",
        predict(spec("echo"), x=listed([2.5], shape=[3])),
        predicted(echo(DEFAULT), y=[2.5, 2.5, 2.5]),
        "tensor.cc FromProtoField: a short list repeats its last value",
    ),
    over_grpc(
        "a short list of strings repeats its last value",
        predict(spec("echo", "string"), x=listed([b"a", b"b"], "string", [3])),
        predicted(echo("string"), y=listed([b"a", b"b", b"b"], "string")),
        "tensor.cc FromProtoField",
    ),
    over_grpc(
        "a short list of floats repeats its last value",
        predict(spec(), x=listed([1.0, 2.0, 3.0], shape=[5])),
        predicted(NEWEST, y=[3.5, 4.0, 4.5, 4.5, 4.5]),
        SEEN,
    ),
    over_grpc(
        "a dimension more than the signature says",
        predict(spec(), x=[[1.0]]),
        predicted(NEWEST, y=[[3.5]]),
        f"{SEEN}: a session does not look at ranks",
    ),
    over_grpc(
        "content, and a list that is passed over",
        predict(spec(), x=_with_content(listed([7.0, 8.0]), packed([1.0, 2.0]).tensor_content)),
        predicted(NEWEST, y=[3.5, 4.0]),
        SEEN,
    ),
    *(
        over_grpc(name, predict(spec(), x=sent), predicted(NEWEST, y=answered), SEEN)
        for name, sent, answered in (
            ("an unknown rank stands for a scalar", _shaped("unknown_rank: true"), 3.5),
            (
                "another version of the message",
                _shaped("dim { size: 1 }", version_number=99),
                [3.5],
            ),
            ("a dimension with a name", _shaped('dim { size: 1 name: "batch" }'), [3.5]),
        )
    ),
    *(
        over_grpc(
            name, predict(spec("echo"), x=sent), Fails(INVALID, "tensor parsing error: x"), SEEN
        )
        for name, sent in (
            (
                "a shape that no number counts",
                _shaped("dim { size: 4611686018427387904 } dim { size: 4611686018427387904 }"),
            ),
            ("a dtype that there is not", _opaque(77)),
            ("a dtype of references", _opaque(types_pb2.DT_FLOAT_REF)),
        )
    ),
    *(
        over_grpc(
            f"{rank} dimensions, of {dtype} as {form}",
            predict(spec("echo", dtype), x=write([value], dtype, [1] * rank)),
            predicted(echo(dtype), y=listed([value], dtype, [1] * rank))
            if rank <= 254
            else Fails(INVALID, "tensor parsing error: x"),
            "not seen; tensor_shape.h MaxDimensions: 254",
        )
        for rank, dtype, value, form, write in (
            (64, "float32", 1.5, "list", listed),
            (65, "float32", 1.5, "list", listed),
            (254, "float32", 1.5, "content", packed),
            (254, "int64", 7, "list", listed),
            (100, "string", b"a", "list", listed),
            (255, "float32", 1.5, "list", listed),
        )
    ),
    over_grpc(
        "65 dimensions, of which one is empty",
        predict(spec("echo"), x=listed([], shape=[1] * 64 + [0])),
        predicted(echo(DEFAULT), y=listed([], shape=[1] * 64 + [0])),
        "not seen; tensor_shape.h MaxDimensions: 254",
    ),
    over_grpc(
        "65 dimensions, and one of two outputs",
        predict(
            spec("echo", "pair"),
            ["sum"],
            a=listed([1.5], shape=[1] * 65),
            b=listed([2], "int32", [1] * 65),
        ),
        predicted(echo("pair"), sum=listed([3.5], shape=[1] * 65)),
        "not seen; tensor_shape.h MaxDimensions: 254",
    ),
    over_grpc(
        "quantised numbers where plain ones belong",
        predict(spec("echo", "int8"), x=_opaque(types_pb2.DT_QINT8)),
        Fails(INVALID, "Expects arg[0] to be int8 but qint8 is provided"),
        SEEN,
    ),
    over_grpc(
        "options of a stream, which are passed over",
        _streamed(predict(spec(), x=[1.0])),
        predicted(NEWEST, y=[3.5]),
        SEEN,
    ),
    over_grpc(
        "no value at all stands for zeros",
        predict(spec("echo"), x=listed([], shape=[2])),
        predicted(echo(DEFAULT), y=[0.0, 0.0]),
        "tensor.cc FromProtoField: an empty list fills with the type's default",
    ),
    *(
        over_grpc(
            f"values beyond the shape, of {dtype}, are cut off",
            predict(spec("echo", dtype), x=listed(sent, dtype, [2])),
            predicted(echo(dtype), y=listed(sent[:2], dtype)),
            f"{SEEN} (of float32); tensor.cc FromProtoField",
        )
        for dtype, sent in (
            ("float32", [1.5, 2.5, 3.5]),
            ("int8", [1, -2, 3]),
            ("bool", [True, False, True]),
            ("float16", [1.5, 2.5, 3.5]),
            ("complex64", [1.5 - 2.0j, 1.0j, 3.0]),
            ("string", [b"a", b"", b"c"]),
        )
    ),
    over_grpc(
        "a number that its dtype has not keeps its low bits",
        predict(spec("echo", "uint8"), x=_wide(258, -1)),
        predicted(echo("uint8"), y=listed([2, 255], "uint8")),
        "tensor.cc FromProtoField: a cast",
    ),
    over_grpc(
        "packed strings",
        predict(spec("echo", "string"), x=packed_strings(b"\x01\x00\x02axy", 3)),
        predicted(echo("string"), y=listed([b"a", b"", b"xy"], "string")),
        "tensor.cc Helper<tstring> Decode: their lengths, and then their bytes",
    ),
    *(
        over_grpc(
            f"packed strings of {name}",
            predict(spec("echo", "string"), x=packed_strings(content, 3)),
            Fails(INVALID, "tensor parsing error: x"),
            "tensor.cc Helper<tstring> Decode",
        )
        for name, content in (
            ("too few bytes", b"\x01\x00\x02ax"),
            ("too many bytes", b"\x01\x00\x02axyz"),
            ("too few lengths", b"\x01\x00"),
        )
    ),
    over_grpc(
        "an empty batch with bytes that are passed over",
        predict(spec("echo"), x=_with_content(listed([], shape=[0, 3]), b"rubbish")),
        predicted(echo(DEFAULT), y=listed([], shape=[0, 3])),
        "tensor.cc FromProto: where there are no elements",
    ),
    over_grpc(
        "a resource",
        predict(spec("echo"), x=_opaque(types_pb2.DT_RESOURCE)),
        Fails(
            INVALID,
            "Invalid resource type hash code: 0(name:  type: ). Perhaps a resource tensor was "
            "being provided as a feed? That is not currently allowed. Please file an issue at "
            "https://github.com/tensorflow/tensorflow/issues/new, ideally with a short code "
            "snippet that leads to this error message.",
        ),
        f"{SEEN}; direct_session.cc ResourceHandleToInputTensor",
    ),
    over_grpc(
        "a wrong dtype, and an output that is not there",
        predict(spec("echo"), ["nope"], x=listed([1], "int32")),
        Fails(
            INVALID,
            "output tensor alias not found in signature: nope Outputs expected to be in the set "
            "{y}.",
        ),
        "predict_util.cc PreProcessPrediction: a session knows of dtypes, and comes last",
    ),
    over_grpc(
        "an input too many, which nobody reads",
        predict(spec("echo"), x=[1.0], z=of_no_dtype()),
        Fails(
            INVALID,
            "input size does not match signature: 2!=1 len({x,z}) != len({x}). Sent extra: {z}. "
            "Missing but required: {}.",
        ),
        "predict_util.cc VerifyRequestInputsSize comes first",
    ),
    over_grpc(
        "NaN and infinities",
        predict(spec("echo", "log"), x=[0.0, float("inf"), float("nan")]),
        predicted(echo("log"), y=[float("-inf"), float("inf"), float("nan")]),
        "predict_util.cc: outputs are not looked into",
    ),
    over_grpc(
        "pictures in a TensorFlow 2 export",
        predict(spec("images"), images=packed(PICTURE)),
        predicted(
            spec("images", DEFAULT, version=1),
            logits=[[float(j) for j in range(10)]],
            class_ids=listed([9], "int64"),
        ),
        "api: prediction_service.proto Predict",
    ),
    over_grpc(
        "a signature without inputs",
        predict(spec("images", "describe")),
        predicted(
            spec("images", "describe", version=1),
            labels=listed([b"a", b"b", b"c"], "string"),
            card=listed(b'{"model": "images"}', "string"),
        ),
        "seen on 2.19.1: it answers over gRPC",
    ),
    over_grpc(
        "two inputs, two outputs",
        predict(spec("echo", "pair"), a=[1.5, 2.0], b=listed([2, 3], "int32")),
        predicted(echo("pair"), sum=[3.5, 5.0], product=[3.0, 6.0]),
        "api: prediction_service.proto Predict",
    ),
    over_grpc(
        "an input that is left out has its default",
        predict(spec("echo", "defaulted"), a=[1.5]),
        predicted(echo("defaulted"), sum=[11.5]),
        "predict_util.cc VerifyRequestInputsSize, cc/saved_model/util.cc GetInputValues: "
        "SignatureDef.defaults",
    ),
    over_grpc(
        "Predict on a classify signature",
        predict(spec(signature="classify_both"), ["scores"], inputs=serialized(2.0)),
        predicted(spec(signature="classify_both", version=2), scores=[[4.0, 8.0]]),
        "predict_util.cc VerifySignature: method_name may be that of classify and regress, too",
    ),
]


CASES = [*_echoes(), *SHAPES]
