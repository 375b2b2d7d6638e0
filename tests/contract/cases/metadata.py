"""Cases of GetModelMetadata over gRPC and REST."""

from functools import partial
from typing import Any

from google.protobuf.any_pb2 import Any as Packed
from grpc import StatusCode
from tensorflow_serving.apis import get_model_metadata_pb2

from tests.contract.case import Answer, Case, Fails, Grpc, contains
from tests.contract.cases.status import get
from tests.contract.messages import spec
from tests.contract.models import CLASSIFY, DTYPES, PREDICT
from tests.contract.seen import SEEN

INVALID, NOT_FOUND = StatusCode.INVALID_ARGUMENT, StatusCode.NOT_FOUND
HALF = "/v1/models/half_plus_two"
METADATA = "get_model_metadata_impl.cc"


def _metadata(name: str, model: Any, fields: list[str], answer: Answer, source: str) -> Case:
    request = get_model_metadata_pb2.GetModelMetadataRequest(
        model_spec=model, metadata_field=fields
    )
    return Case(f"GetModelMetadata: {name}", Grpc("GetModelMetadata", request), answer, source)


def _unpacked(packed: Packed) -> Any:
    made = get_model_metadata_pb2.SignatureDefMap()
    assert packed.Unpack(made), packed.type_url
    return made.signature_def


def _of_half_plus_two(response: Any, version: int = 2) -> None:
    assert response.model_spec == spec(version=version)
    assert list(response.metadata) == ["signature_def"]
    signatures = _unpacked(response.metadata["signature_def"])
    assert signatures["serving_default"].method_name == PREDICT
    assert signatures["classify_both"].method_name == CLASSIFY
    x = signatures["serving_default"].inputs["x"]
    assert (x.name, x.dtype, [dim.size for dim in x.tensor_shape.dim]) == ("x:0", 1, [-1])
    assert set(signatures["classify_both"].outputs) == {"classes", "scores"}


def _of_echo(response: Any) -> None:
    signatures = _unpacked(response.metadata["signature_def"])
    assert signatures.keys() >= {*DTYPES, "pair", "log"}
    assert signatures["string"].inputs["x"].tensor_shape.unknown_rank


FIELD = ["signature_def"]
X = {
    "dtype": "DT_FLOAT",
    "tensor_shape": {"dim": [{"size": "-1", "name": ""}], "unknown_rank": False},
    "name": "x:0",
}


CASES = [
    _metadata(
        "the signatures of the newest version",
        spec(),
        FIELD,
        _of_half_plus_two,
        f"{METADATA} SavedModelGetSignatureDef: name and version, no signature_name",
    ),
    _metadata(
        "every signature, unknown ranks too",
        spec("echo", version=1),
        FIELD,
        _of_echo,
        f"{METADATA} SavedModelGetSignatureDef",
    ),
    _metadata(
        "no field",
        spec(),
        [],
        Fails(INVALID, "GetModelMetadataRequest must specify at least one metadata_field"),
        f"{METADATA} ValidateGetModelMetadataRequest",
    ),
    _metadata(
        "an unknown field",
        spec(),
        ["nope"],
        Fails(INVALID, "Metadata field nope is not supported"),
        f"{METADATA} ValidateGetModelMetadataRequest; {SEEN}",
    ),
    *(
        _metadata(name, spec(), fields, Fails(INVALID, f"Metadata field {named}"), SEEN)
        for name, fields, named in (
            ("a field that is known and one that is not", [*FIELD, "foo"], "foo is not supported"),
            ("an empty field", [""], " is not supported"),
            ("a field in capitals", ["SIGNATURE_DEF"], "SIGNATURE_DEF is not supported"),
        )
    ),
    _metadata(
        "the first of two unknown fields",
        spec(),
        ["foo", *FIELD, "bar"],
        Fails(INVALID, "Metadata field foo is not supported"),
        f"not seen; {METADATA} ValidateGetModelMetadataRequest: in their order",
    ),
    _metadata("a field twice", spec(), FIELD * 2, _of_half_plus_two, SEEN),
    _metadata(
        "a signature, which changes nothing",
        spec(signature="classify_both"),
        FIELD,
        _of_half_plus_two,
        SEEN,
    ),
    _metadata(
        "a version label",
        spec(label="stable"),
        FIELD,
        partial(_of_half_plus_two, version=1),
        SEEN,
    ),
    *(
        _metadata(
            name,
            model,
            FIELD,
            Fails(NOT_FOUND, f"Servable not found for request: Specific(half_plus_two, {version})"),
            SEEN,
        )
        for name, model, version in (
            ("an unknown version", spec(version=9), 9),
            ("a label of a version that is not there", spec(label="gone"), 7),
        )
    ),
    _metadata(
        "an empty name", spec(""), FIELD, Fails(INVALID, "ModelSpec has no name specified."), SEEN
    ),
    _metadata("neither model nor field", None, [], Fails(INVALID, "Missing ModelSpec"), SEEN),
    _metadata(
        "an unknown model",
        spec("nope"),
        FIELD,
        Fails(NOT_FOUND, "Servable not found for request: Latest(nope)"),
        f"{METADATA} SavedModelGetSignatureDef; manager",
    ),
    _metadata(
        "an unknown label",
        spec(label="nope"),
        FIELD,
        Fails(INVALID, "Unrecognized servable version label: nope"),
        "server_core.cc GetModelVersionForLabel",
    ),
    _metadata(
        "no model_spec",
        None,
        FIELD,
        Fails(INVALID, "Missing ModelSpec"),
        f"{METADATA} GetModelMetadata",
    ),
    get(
        "metadata",
        f"{HALF}/metadata",
        contains(
            {
                "model_spec": {"name": "half_plus_two", "signature_name": "", "version": "2"},
                "metadata": {
                    "signature_def": {
                        "signature_def": {
                            "serving_default": {"inputs": {"x": X}, "method_name": PREDICT}
                        }
                    }
                },
            }
        ),
        "api_rest.md, Model Metadata API; http_rest_api_util.cc ToJsonString",
    ),
    get(
        "metadata of a label",
        f"{HALF}/labels/stable/metadata",
        contains({"model_spec": {"version": "1"}}),
        "api_rest.md, Model Metadata API",
    ),
    get(
        "metadata of unknown ranks",
        "/v1/models/echo/versions/1/metadata",
        contains(
            {
                "metadata": {
                    "signature_def": {
                        "signature_def": {
                            "string": {
                                "outputs": {
                                    "y": {
                                        "dtype": "DT_STRING",
                                        "tensor_shape": {"dim": [], "unknown_rank": True},
                                    }
                                }
                            }
                        }
                    }
                }
            }
        ),
        "http_rest_api_util.cc ToJsonString: fields of no value are printed",
    ),
    get(
        "metadata of an unknown model",
        "/v1/models/nope/metadata",
        Fails(404, "Servable not found for request: Latest(nope)"),
        "manager; issue 4",
    ),
    get(
        "metadata of an unknown version",
        f"{HALF}/versions/9/metadata",
        Fails(404, "Servable not found for request: Specific(half_plus_two, 9)"),
        "seen on 2.19.1",
    ),
]
