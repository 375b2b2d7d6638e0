"""Cases of what Predict refuses over REST: bodies, models and outputs."""

from tests.contract.case import Fails, found, starts_with
from tests.contract.cases.rest import HALF, IMAGES, JSON, PICTURE, columns, over_rest, rows
from tests.contract.cases.rest_grammar import SECOND
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
    *(
        over_rest(
            f"a signature without inputs, and {name}",
            {"signature_name": "describe", **body},
            Fails(400, "Failed to get input map for signature: describe"),
            SEEN,
            IMAGES,
        )
        for name, body in (
            ("`instances` of none", {"instances": []}),
            ("`inputs` of no name", {"inputs": {}}),
            ("`inputs` of none", {"inputs": []}),
            ("neither", {}),
        )
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
        "a row that is no picture",
        rows("flat", [1.0, 2.0]),
        Fails(
            400,
            starts_with(
                "Input to reshape is a tensor with 2 values, but the requested shape has 784\n"
            ),
        ),
        f"{SEEN}, of a network",
    ),
    *(
        over_rest(
            f"a second picture {name}",
            {"instances": [PICTURE, picture]},
            Fails(400, f"{SECOND}{text}"),
            f"{SEEN}, of a network",
            IMAGES,
        )
        for name, picture, text in (
            ("of 27 lines", PICTURE[:27], "Expecting tensor size: 784 but got: 756"),
            (
                "with a short line",
                [*PICTURE[:27], [1.0] * 27],
                "Encountered list at unexpected size: 27 at level: 1 expected size: 28",
            ),
        )
    ),
    over_rest(
        "a wrong size of a matrix",
        rows("matrix", [1.0, 2.0, 3.0]),
        Fails(
            400,
            "Matrix size-incompatible: In[0]: [1,3], In[1]: [2,1]\n\t [[{{node MatMul}}]]",
        ),
        SEEN,
    ),
    over_rest(
        "columns of lengths that do not go together",
        columns("product", {"a": [1.0, 2.0], "b": [1.0, 2.0, 3.0]}),
        Fails(400, "Incompatible shapes: [2] vs. [3]\n\t [[{{node mul}}]]"),
        f"{SEEN}, of a product beside a sum, either of which may be the first to fail",
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
