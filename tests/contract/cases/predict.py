"""Cases of what Predict is asked for over gRPC: outputs, versions, and what does not fit."""

from grpc import StatusCode

from tests.contract.case import Fails, found, starts_with
from tests.contract.cases.tensors import DEFAULT, PICTURE, echo, over_grpc
from tests.contract.messages import listed, of_no_dtype, packed, predict, predicted, spec
from tests.contract.seen import SEEN

INVALID, NOT_FOUND = StatusCode.INVALID_ARGUMENT, StatusCode.NOT_FOUND
NEWEST = spec(signature=DEFAULT, version=2)
PAIR = {"a": listed([1.0]), "b": listed([2], "int32")}
FILTERS = [
    over_grpc(
        "output_filter",
        predict(spec("echo", "pair"), ["product"], a=[1.5], b=listed([2], "int32")),
        predicted(echo("pair"), product=[3.0]),
        "predict.proto output_filter",
    ),
    over_grpc(
        "output_filter with an unknown name",
        predict(spec(), ["z"], x=[2.0]),
        Fails(
            INVALID,
            "output tensor alias not found in signature: z Outputs expected to be in the set {y}.",
        ),
        "predict_util.cc PreProcessPrediction",
    ),
    over_grpc(
        "output_filter with a name twice",
        predict(spec(), ["y", "y"], x=[2.0]),
        Fails(INVALID, "duplicate output tensor alias: y"),
        "predict_util.cc PreProcessPrediction",
    ),
    *(
        over_grpc(
            f"output_filter with {name}",
            predict(spec("echo", "pair"), wanted, **PAIR),
            answer,
            SEEN,
        )
        for name, wanted, answer in (
            ("two names", ["sum", "product"], predicted(echo("pair"), sum=[3.0], product=[2.0])),
            (
                "a name that neither of two outputs has",
                ["zzz"],
                Fails(
                    INVALID,
                    "output tensor alias not found in signature: zzz Outputs expected to be in the "
                    "set {product,sum}.",
                ),
            ),
            (
                "an empty name",
                [""],
                Fails(
                    INVALID,
                    "output tensor alias not found in signature:  Outputs expected to be in the "
                    "set {product,sum}.",
                ),
            ),
        )
    ),
]


VERSIONS = [
    over_grpc(
        "the newest version, and its spec in the answer",
        predict(spec(), x=[2.0]),
        predicted(NEWEST, y=[4.0]),
        "tensorflow_model_server_test.py VerifyPredictRequest: name, version, signature_name",
    ),
    over_grpc(
        "a version",
        predict(spec(version=1), x=[2.0]),
        predicted(spec(signature=DEFAULT, version=1), y=[3.0]),
        "model.proto version_choice",
    ),
    over_grpc(
        "a version label",
        predict(spec(label="stable"), x=[2.0]),
        predicted(spec(signature=DEFAULT, version=1), y=[3.0]),
        "model.proto version_label",
    ),
    over_grpc(
        "an unknown label",
        predict(spec(label="nope"), x=[2.0]),
        Fails(INVALID, "Unrecognized servable version label: nope"),
        "server_core.cc GetModelVersionForLabel; issue 4",
    ),
    over_grpc(
        "a label of a version that is not there",
        predict(spec(label="gone"), x=[2.0]),
        Fails(NOT_FOUND, "Servable not found for request: Specific(half_plus_two, 7)"),
        "seen on 2.19.1",
    ),
    over_grpc(
        "an unknown model",
        predict(spec("nope"), x=[2.0]),
        Fails(NOT_FOUND, "Servable not found for request: Latest(nope)"),
        "manager; issue 4",
    ),
    over_grpc(
        "an unknown version",
        predict(spec(version=9), x=[2.0]),
        Fails(NOT_FOUND, "Servable not found for request: Specific(half_plus_two, 9)"),
        "seen on 2.19.1",
    ),
    *(
        over_grpc(
            f"a version {version}",
            predict(spec(version=version), x=[2.0]),
            Fails(NOT_FOUND, f"Servable not found for request: Specific(half_plus_two, {version})"),
            SEEN,
        )
        for version in (0, -1)
    ),
    over_grpc(
        "a version, and then a label in its place",
        predict(spec(version=2, label="stable"), x=[2.0]),
        predicted(spec(signature=DEFAULT, version=1), y=[3.0]),
        f"{SEEN}; model.proto version_choice: one of them",
    ),
    *(
        over_grpc(
            name,
            predict(spec(model), x=[2.0]),
            Fails(NOT_FOUND, f"Servable not found for request: Latest({model})"),
            SEEN,
        )
        for name, model in (("a long name", "x" * 1000), ("a name with a slash", "a/b"))
    ),
    over_grpc(
        "no model_spec",
        predict(None, x=[2.0]),
        Fails(INVALID, "Missing ModelSpec"),
        "predict_impl.cc Predict",
    ),
    over_grpc(
        "a model_spec without a name",
        predict(spec(""), x=[2.0]),
        Fails(INVALID, "ModelSpec has no name specified."),
        "server_core.cc ServableRequestFromModelSpec",
    ),
    over_grpc(
        "an unknown signature",
        predict(spec(signature="nope"), x=[2.0]),
        Fails(StatusCode.FAILED_PRECONDITION, 'Serving signature key "nope" not found.'),
        "seen on 2.19.1: the code; predict_util.cc RunPredict: the text",
    ),
]


MISMATCHES = [
    over_grpc(
        "a wrong input name",
        predict(spec("images"), pixels=packed(PICTURE)),
        Fails(INVALID, found(r"^Signature input alias: images\(.+\) not found in request")),
        "seen on 2.19.1",
    ),
    over_grpc(
        "an input too many",
        predict(spec(), x=[2.0], z=[1.0]),
        Fails(
            INVALID,
            "input size does not match signature: 2!=1 len({x,z}) != len({x}). "
            "Sent extra: {z}. Missing but required: {}.",
        ),
        "seen on 2.19.1: its beginning; predict_util.cc VerifyRequestInputsSize: the rest",
    ),
    over_grpc(
        "an input too few",
        predict(spec("echo", "pair"), a=[2.0]),
        Fails(
            INVALID,
            "input size does not match signature: 1!=2 len({a}) != len({a,b}). "
            "Sent extra: {}. Missing but required: {b}.",
        ),
        "seen on 2.19.1: its beginning; predict_util.cc VerifyRequestInputsSize: the rest",
    ),
    over_grpc(
        "an input where there is none",
        predict(spec("images", "describe"), x=[2.0]),
        Fails(INVALID, found(r"^input size does not match signature: 1!=0 ")),
        "predict_util.cc VerifyRequestInputsSize",
    ),
    *(
        over_grpc(
            name,
            predict(spec("echo", "pair") if expected == "a,b" else spec(), **inputs),
            Fails(
                INVALID,
                f"input size does not match signature: {len(inputs)}!={len(expected.split(','))} "
                f"len({{{','.join(inputs)}}}) != len({{{expected}}}). Sent extra: {{{extra}}}. "
                f"Missing but required: {{{missing}}}.",
            ),
            SEEN,
        )
        for name, inputs, expected, extra, missing in (
            ("no input", {}, "x", "", "x"),
            ("neither of two inputs", {}, "a,b", "", "a,b"),
            ("one input of another name for two", {"c": [1.0]}, "a,b", "c", "a,b"),
            ("three inputs for two", {**PAIR, "c": [1.0]}, "a,b", "c", ""),
        )
    ),
    over_grpc(
        "an input of another name",
        predict(spec(), z=[2.0]),
        Fails(
            INVALID,
            starts_with(
                "Signature input alias: x(feed name: x:0) not found in request and no default "
                "value provided. Inputs expected to be in the request {z}, or default "
            ),
        ),
        SEEN,
    ),
    *(
        over_grpc(name, request, Fails(INVALID, starts_with(words)), SEEN)
        for name, request, words in (
            (
                "dtypes that are swapped",
                predict(spec("echo", "pair"), a=listed([1], "int32"), b=[2.0]),
                "Expects arg[0] to be float but int32 is provided",
            ),
            (
                "whole numbers where floats belong",
                predict(spec(), x=listed([2], "int32")),
                "Expects arg[0] to be float but int32 is provided",
            ),
            (
                "floats where examples belong",
                predict(spec(signature="regress_x_to_y"), inputs=[2.0]),
                "Expects arg[0] to be string but float is provided",
            ),
            (
                "an example without its feature",
                predict(spec(signature="regress_x_to_y"), inputs=listed([b""], "string")),
                "Name: <unknown>, Feature: x (data type: float) is required but could not be "
                "found.\n\t [[{{node ParseExample/ParseExampleV2",
            ),
            (
                "a picture of one dimension",
                predict(spec("images"), images=[1.0]),
                "Input to reshape is a tensor with 1 values, but the requested shape requires a "
                "multiple of 784\n\t [[{{function_node __inference_",
            ),
            (
                "a picture of one dimension, for as many rows as it has",
                predict(spec("images", "flatten"), images=[1.0]),
                "Input to reshape is a tensor with 1 values, but the requested shape has 784"
                "\n\t [[{{function_node __inference_",
            ),
        )
    ),
    over_grpc(
        "an output that is no tensor",
        predict(spec("images", "__saved_model_init_op")),
        Fails(INVALID, found("^Tried to fetch data for 'NoOp', which produces no output. ")),
        "not seen; subgraph.cc FetchOutputs",
    ),
    over_grpc(
        "a wrong shape",
        predict(spec("images"), images=listed([0.0], shape=[1, 27, 28])),
        Fails(INVALID, found("756 values, but the requested shape requires a multiple of 784")),
        "seen on 2.19.1: INVALID_ARGUMENT from the kernel",
    ),
    over_grpc(
        "a wrong size of a matrix",
        predict(spec("echo", "matrix"), x=[[1.0, 2.0, 3.0]]),
        Fails(INVALID, found(r"^Matrix size-incompatible: In\[0\]: \[1,3\], In\[1\]: \[2,1\]")),
        "seen on 2.19.1: INVALID_ARGUMENT from the kernel",
    ),
    over_grpc(
        "a wrong dtype",
        predict(spec("images"), images=packed(PICTURE, "float64")),
        Fails(INVALID, found(r"^Expects arg\[0\] to be float but double is provided")),
        "seen on 2.19.1",
    ),
    over_grpc(
        "a string where floats belong",
        predict(spec(), x=listed([b"2"], "string")),
        Fails(INVALID, found(r"^Expects arg\[0\] to be float but string is provided")),
        "seen on 2.19.1: the text, with another dtype",
    ),
    over_grpc(
        "truncated tensor_content",
        predict(spec("images"), images=packed([1.0], shape=[1, 28, 28])),
        Fails(INVALID, "tensor parsing error: images"),
        "seen on 2.19.1",
    ),
    over_grpc(
        "tensor_content that is too long",
        predict(spec(), x=packed([1.0, 2.0], shape=[1])),
        Fails(INVALID, "tensor parsing error: x"),
        "tensor.cc FromProto: Helper::Decode wants the exact size",
    ),
    over_grpc(
        "a tensor without a dtype",
        predict(spec(), x=of_no_dtype()),
        Fails(INVALID, "tensor parsing error: x"),
        "tensor.cc FromProto",
    ),
    over_grpc(
        "a negative dimension",
        predict(spec(), x=listed([1.0], shape=[-1])),
        Fails(INVALID, "tensor parsing error: x"),
        "tensor.cc FromProto: TensorShape::IsValid",
    ),
]


CASES = [*FILTERS, *VERSIONS, *MISMATCHES]
