"""Cases of what Predict refuses over REST: bodies, models and outputs."""

from tests.contract.case import Fails, found
from tests.contract.cases.rest import HALF, IMAGES, JSON, columns, over_rest, rows
from tests.contract.seen import SEEN

FILL = f"{JSON} FillPredictRequestFromJson"
CASES = [
    over_rest("no body", None, Fails(400, "JSON Parse error: The document is empty"), JSON),
    over_rest(
        "no JSON",
        b"instances = [1.0]",
        Fails(400, "JSON Parse error: Invalid value. at offset: 0"),
        f"{JSON} ParseJson; http_rest_api_handler_test.cc PredictErrors",
    ),
    over_rest("half a JSON", b'{"instances": [1.0', Fails(400, found("^JSON Parse error: ")), JSON),
    over_rest(
        "a list",
        b"[]",
        Fails(400, "JSON Value: [] Is not object"),
        f"{JSON} ParseJson",
    ),
    over_rest(
        "no JSON, for an unknown model",
        b"instances = [1.0]",
        Fails(400, "JSON Parse error: Invalid value. at offset: 0"),
        f"{FILL}: the body is read first",
        "/v1/models/nope",
    ),
    over_rest(
        "both `instances` and `inputs`",
        {"instances": [1.0], "inputs": [1.0]},
        Fails(
            400,
            found(
                r"^JSON Value: .* Not formatted correctly expecting only one of 'inputs' or "
                r"'instances' keys to exist $"
            ),
        ),
        FILL,
    ),
    over_rest(
        "neither `instances` nor `inputs`",
        {"signature_name": "float32"},
        Fails(400, "Missing 'inputs' or 'instances' key"),
        FILL,
    ),
    over_rest(
        "`instances` that are no list",
        {"instances": 1.0},
        Fails(400, found(r"^JSON Value: .* Expecting 'instances' to be an list/array$")),
        f"{FILL}; {SEEN}",
    ),
    over_rest(
        "`instances` of none",
        {"instances": []},
        Fails(400, found(r"^JSON Value: .* No values in 'instances' array$")),
        FILL,
    ),
    over_rest(
        "a signature_name that is no string",
        {"signature_name": 100},
        Fails(
            400,
            found(
                r"^JSON Value: .* not formatted correctly\. 'signature_name' key must be a string "
                r"value\.$"
            ),
        ),
        f"{JSON} FillSignature; http_rest_api_handler_test.cc PredictErrors",
    ),
    over_rest(
        "an unknown signature",
        rows("nope", 1.0),
        Fails(400, 'Serving signature name: "nope" not found in signature def'),
        "http_rest_api_handler.cc GetInfoMap; seen on 2.19.1: the status",
    ),
    over_rest(
        "a signature without inputs",
        rows("describe", 1.0),
        Fails(400, "Failed to get input map for signature: describe"),
        "seen on 2.19.1",
        IMAGES,
    ),
    over_rest(
        "an unknown model",
        {"instances": [1.0]},
        Fails(404, "Servable not found for request: Latest(nope)"),
        "api_rest.md, Example; issue 4",
        "/v1/models/nope",
    ),
    over_rest(
        "an unknown version",
        {"instances": [1.0]},
        Fails(404, "Servable not found for request: Specific(half_plus_two, 9)"),
        "seen on 2.19.1",
        f"{HALF}/versions/9",
    ),
    over_rest(
        "an unknown label",
        {"instances": [1.0]},
        Fails(400, "Unrecognized servable version label: nope"),
        "http_rest_api_handler_test.cc PredictErrors; issue 4",
        f"{HALF}/labels/nope",
    ),
    over_rest(
        "a label of a version that is not there",
        {"instances": [1.0]},
        Fails(404, "Servable not found for request: Specific(half_plus_two, 7)"),
        "seen on 2.19.1",
        f"{HALF}/labels/gone",
    ),
    over_rest(
        "a wrong shape",
        {"instances": [[[1.0] * 28] * 27]},
        Fails(400, found("756 values, but the requested shape requires a multiple of 784")),
        "seen on 2.19.1: the kernel's error",
        IMAGES,
    ),
    over_rest(
        "an output without a batch",
        rows("total", 1.0, 2.0),
        Fails(400, "Tensor name: y has no shape information "),
        f"{JSON} MakeRowFormatJsonFromTensors, its space",
    ),
    over_rest(
        "outputs of different batches",
        rows("uneven", 1.0),
        Fails(400, found(r"^Tensor name: [ab] has inconsistent batch size: [13] expecting: [13]$")),
        f"{JSON} MakeRowFormatJsonFromTensors",
    ),
    over_rest(
        "an output without a batch, in columns",
        columns("total", [1.0, 2.0]),
        {"outputs": 3.0},
        f"{JSON} MakeColumnarFormatJsonFromTensors",
    ),
]
