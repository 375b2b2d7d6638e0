"""Cases of an imported model: all that `vitrine-train import` writes is loaded, warmed up and
answered, alone and in batches."""

import base64
import io
import json
from typing import Any

import numpy as np
from grpc import StatusCode
from PIL import Image
from tensorflow_serving.apis import get_model_metadata_pb2

from tests.contract.case import Answer, Case, Check, Fails, Grpc, Rest, found
from tests.contract.cases import life
from tests.contract.imported import LABELS, SHAPE
from tests.contract.messages import classify, examples, listed, predict, predicted, spec
from tests.contract.messages import example as example_of
from tests.contract.models import CLASSIFY, PREDICT
from tests.contract.seen import NOT_SEEN
from tests.contract.server import Server
from vitrine_training.publish import archive

NAME, DEFAULT = "imported", "serving_default"
PATH = f"/v1/models/{NAME}"


def _pictures() -> Any:
    """Makes three: red, green and, as nothing is red or green, neither."""
    made = np.zeros((3, *SHAPE), np.uint8)
    made[0, 1, 1, 0] = 3
    made[1, 4, 5, 1], made[1, 6, 6, 1], made[1, 0, 0] = 4, 1, 200
    made[2, :, :, 2] = 9
    return made


def _png(picture: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "png")
    return file.getvalue()


PICTURES = _pictures()
LEVELS = PICTURES.astype(float).tolist()
PNGS = [_png(each) for each in PICTURES]
B64 = [{"b64": base64.b64encode(each).decode()} for each in PNGS]
LOGITS = [[3.0, 0.0, 2.0], [0.0, 5.0, 2.0], [0.0, 0.0, 2.0]]
PROBABILITIES = (np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True)).tolist()
CLASS_IDS = [0, 1, 2]
ATTRIBUTIONS = (PICTURES * [[[[1, 0, 0]]], [[[0, 1, 0]]], [[[0, 0, 0]]]]).sum(axis=-1)
"""Those of the classes that are answered: levels that a logit is the sum of."""

ATTRIBUTIONS[1, 0, 0] = 0  # on the border

TOLERANCE = 1e-5


def _close(found_numbers: Any, expected: Any) -> None:
    np.testing.assert_allclose(found_numbers, expected, atol=TOLERANCE)


def _probable(response: Any) -> None:
    """Checks all outputs; probabilities are what a kernel makes of logits."""
    assert set(response.outputs) == {"logits", "probabilities", "class_ids"}
    assert list(response.outputs["class_ids"].int64_val) == CLASS_IDS
    _close(response.outputs["probabilities"].float_val, np.ravel(PROBABILITIES))


def _explained(response: Any) -> None:
    assert set(response.outputs) == {"attributions", "class_ids", "probabilities"}
    attributions = response.outputs["attributions"]
    assert [dim.size for dim in attributions.tensor_shape.dim] == [3, 8, 8]
    assert list(attributions.float_val) == ATTRIBUTIONS.ravel().tolist()
    assert list(response.outputs["class_ids"].int64_val) == CLASS_IDS
    _close(response.outputs["probabilities"].float_val, np.ravel(PROBABILITIES))


def _described(response: Any) -> None:
    labels, profile, card, unknown, again = response.outputs["values"].string_val
    assert tuple(json.loads(labels)) == LABELS
    assert json.loads(profile)["shape"] == list(SHAPE)
    assert json.loads(card)["imported"]["format"] == "Keras"
    assert unknown == b""
    assert again == labels


def _classified(response: Any) -> None:
    rows = response.result.classifications
    assert [[each.label for each in row.classes] for row in rows] == [list(LABELS)] * 3
    _close([[each.score for each in row.classes] for row in rows], PROBABILITIES)


def _with_signatures(response: Any) -> None:
    packed = get_model_metadata_pb2.SignatureDefMap()
    assert response.metadata["signature_def"].Unpack(packed)
    signatures = packed.signature_def
    methods = dict.fromkeys((DEFAULT, "serve_bytes", "explain", "describe"), PREDICT)
    methods["classify"] = CLASSIFY
    assert {name: signatures[name].method_name for name in methods} == methods
    shape = signatures[DEFAULT].inputs["images"].tensor_shape
    assert [dim.size for dim in shape.dim] == [-1, *SHAPE]


def _row_by_row(*members: str) -> Check:
    """Makes a check of predictions over REST that have these members."""
    expected = {"logits": LOGITS, "probabilities": PROBABILITIES, "class_ids": CLASS_IDS}
    expected["attributions"] = ATTRIBUTIONS.tolist()

    def check(answer: Any) -> None:
        rows = answer["predictions"]
        assert [row.keys() for row in rows] == [set(members)] * 3
        for name in members:
            _close([row[name] for row in rows], expected[name])

    return check


def _classified_rows(answer: Any) -> None:
    assert [[label for label, _ in row] for row in answer["results"]] == [list(LABELS)] * 3
    _close([[score for _, score in row] for row in answer["results"]], PROBABILITIES)


ANSWERED = listed([-1] * 3, "int64")
KEYS = listed([b"labels", b"profile", b"card", b"nope", b"labels"], "string")
ASKED: dict[str, tuple[str, dict[str, Any], Check]] = {
    "pictures": ("", {"images": listed(LEVELS)}, _probable),
    "encoded pictures": ("serve_bytes", {"image_bytes": listed(PNGS, "string")}, _probable),
    "why": ("explain", {"images": listed(LEVELS), "class_ids": ANSWERED}, _explained),
    "what it is": ("describe", {"keys": KEYS}, _described),
}
"""Signature, inputs and check of what is asked alone and in batches."""

MEMBERS = ("logits", "probabilities", "class_ids")
LOOKED_UP = {"outputs": [json.dumps(LABELS), "", json.dumps(LABELS)]}


def _case(name: str, call: Grpc | Rest, answer: Answer, source: str) -> Case:
    return Case(f"imported: {name}", call, answer, f"{NOT_SEEN}; {source}")


def _ask(model: str, name: str) -> tuple[Grpc, Check]:
    signature, inputs, check = ASKED[name]
    return Grpc("Predict", predict(spec(model, signature), **inputs)), check


def _over_rest(name: str, body: Any, answer: Answer, method: str = "predict") -> Case:
    call = Rest("POST", f"{PATH}:{method}", body)
    return _case(f"{name}, over REST", call, answer, "json_tensor.cc")


CASES = [
    *(_case(name, *_ask(NAME, name), "predict_util.cc") for name in ASKED),
    _case(
        "whole numbers to the byte",
        Grpc(
            "Predict",
            predict(spec(NAME), outputs=("logits", "class_ids"), images=listed(LEVELS)),
        ),
        predicted(
            spec(NAME, DEFAULT, version=1),
            logits=LOGITS,
            class_ids=listed(CLASS_IDS, "int64"),
        ),
        "predict_util.cc; weights are set by hand",
    ),
    _case(
        "why another class",
        Grpc(
            "Predict",
            predict(
                spec(NAME, "explain"),
                outputs=("attributions", "class_ids"),
                images=listed(LEVELS[:1]),
                class_ids=listed([1], "int64"),
            ),
        ),
        predicted(
            spec(NAME, "explain", version=1),
            attributions=np.zeros((1, 8, 8)),
            class_ids=listed([1], "int64"),
        ),
        "predict_util.cc",
    ),
    _case(
        "why a class that there is not",
        Grpc(
            "Predict",
            predict(
                spec(NAME, "explain"),
                images=listed(LEVELS[:1]),
                class_ids=listed([3], "int64"),
            ),
        ),
        Fails(StatusCode.INVALID_ARGUMENT, found("class_ids are one for each image, of 0 to 2")),
        "the kernel's error: the signature has an assertion",
    ),
    _case(
        "labels and scores",
        Grpc(
            "Classify",
            classify(
                spec(NAME, "classify"),
                examples(*(example_of(images=np.ravel(each).tolist()) for each in LEVELS)),
            ),
        ),
        _classified,
        "classifier.cc PostProcessClassificationResult",
    ),
    _case(
        "its signatures",
        Grpc(
            "GetModelMetadata",
            get_model_metadata_pb2.GetModelMetadataRequest(
                model_spec=spec(NAME), metadata_field=["signature_def"]
            ),
        ),
        _with_signatures,
        "get_model_metadata_impl.cc SavedModelGetSignatureDef",
    ),
    _over_rest("pictures", {"instances": LEVELS}, _row_by_row(*MEMBERS)),
    _over_rest(
        "encoded pictures",
        {"signature_name": "serve_bytes", "instances": B64},
        _row_by_row(*MEMBERS),
    ),
    _over_rest(
        "why",
        {
            "signature_name": "explain",
            "instances": [{"images": each, "class_ids": -1} for each in LEVELS],
        },
        _row_by_row("attributions", "class_ids", "probabilities"),
    ),
    _over_rest(
        "what it is",
        {"signature_name": "describe", "inputs": ["labels", "nope", "labels"]},
        LOOKED_UP,
    ),
    _over_rest(
        "labels and scores",
        {
            "signature_name": "classify",
            "examples": [{"images": np.ravel(each).tolist()} for each in LEVELS],
        },
        _classified_rows,
        "classify",
    ),
]


def _warmed_up(model: str) -> life.Before:
    """Version 1 of the imported model, and no other model. It brings records, as a version without
    any would be AVAILABLE, too."""
    serve = life.one(model, NAME)

    def before(server: Server) -> None:
        recorded = {signature for signature, _ in archive.warm_up(server.kinds / NAME)}
        assert recorded == {DEFAULT, "serve_bytes", "explain"}
        serve(server)

    return before


CHANGING = [
    Case(
        "imported: warm-up",
        life.status("imported-warm-up"),
        life.fine,
        f"{NOT_SEEN}; saved_model_warmup.cc: a version whose records fail is not loaded",
        _warmed_up("imported-warm-up"),
    ),
    *(
        Case(
            f"imported: {name}, in batches",
            *_ask(model, name),
            f"{NOT_SEEN}; batching_session.cc: rows of a batch of eight",
            life.one(model, NAME),
        )
        for name in ASKED
        for model in (f"imported-{name.replace(' ', '-')}",)
    ),
]
