"""The schemas of the OpenAPI document: what bodies and answers look like."""

from collections.abc import Sequence
from typing import Any

Json = dict[str, Any]

TEXT: Json = {"type": "string"}
_NUMBER: Json = {"type": "number"}
_ANYTHING: Json = {"description": 'Any JSON: numbers, strings, nested lists, `{"b64": "…"}`.'}


def schema(name: str) -> Json:
    """Returns a reference to a schema."""
    return {"$ref": f"#/components/schemas/{name}"}


def _record(description: str, *, optional: Sequence[str] = (), **properties: Json) -> Json:
    required = [name for name in properties if name not in optional]
    return {
        "type": "object",
        "description": description,
        "properties": properties,
        **({"required": required} if required else {}),
    }


def _list(items: Json, **more: Any) -> Json:
    return {"type": "array", "items": items, **more}


def _one_of(*names: str) -> Json:
    return {"oneOf": [schema(name) for name in names]}


def _text(description: str, **more: Any) -> Json:
    return {"type": "string", "description": description, **more}


def _square(description: str) -> Json:
    """28 rows of 28 numbers."""
    size = {"minItems": 28, "maxItems": 28}
    return _list(_list(_NUMBER, **size), description=description, **size)


def _object_of(items: Json, description: str) -> Json:
    return {"type": "object", "additionalProperties": items, "description": description}


_SHARE = _NUMBER | {"minimum": 0, "maximum": 1}
_MAYBE: Json = {"type": ["number", "null"]}
_CLASS_ID: Json = {"type": "integer", "minimum": 0, "description": "The index of that class."}
_VERSION = _text("A number, as text.", pattern="^[0-9]+$")
_WARNINGS = _list(TEXT, description="What was left out or is doubtful, in words; often none.")
_BOX = _list(
    {"type": "integer", "minimum": 0},
    minItems=4,
    maxItems=4,
    description="Where the item is: x, y, width and height in pixels of the upright picture.",
)


def _answer(description: str, **properties: Json) -> Json:
    """The entry of a picture with an item; those of an array have neither box nor warnings."""
    beside = {"box": _BOX, "warnings": _WARNINGS}
    return _record(description, optional=tuple(beside), **properties, **beside)


SCHEMAS: Json = {
    "Predictions": _record(
        "A prediction for each picture, in order.",
        predictions=_list(_one_of("Prediction", "EmptyPicture", "UnreadPicture"), minItems=1),
        model_spec=schema("ModelSpec"),
    ),
    "Prediction": _answer(
        "What a picture shows; an array has neither box nor warnings.",
        label=_text("The most probable class."),
        class_id=_CLASS_ID,
        probability=_SHARE,
        probabilities=_object_of(
            _NUMBER,
            "Of all classes in the order of their ids; with `top_k` of the most probable ones, "
            "best first.",
        ),
    ),
    "EmptyPicture": _record(
        "A picture that shows nothing: blank, black or noise. No model was asked about it.",
        empty={"const": True},
        warnings=_WARNINGS,
    ),
    "UnreadPicture": _record(
        "A picture among others that could not be read.",
        error=_text("Which picture, by its index, and why."),
    ),
    "Explanations": _record(
        "An explanation for each picture, in order.",
        explanations=_list(_one_of("Explanation", "EmptyPicture"), minItems=1),
        model_spec=schema("ModelSpec"),
    ),
    "Explanation": _answer(
        "Which pixels speak for a class; an array has neither box nor warnings.",
        label=_text("The class: the most probable one, or the one that was asked for."),
        class_id=_CLASS_ID,
        probability=_SHARE,
        attributions=_square(
            "The gradient of the class's logit with respect to each pixel, times the pixel; below "
            "zero it speaks against the class."
        ),
    ),
    "Instances": _record(
        "What models are shown, for each picture in order; an array has instances alone.",
        optional=("boxes", "warnings"),
        instances=_list(
            _square("28 rows of 28 pixels, 0 for black and 1 for white; black if it is empty."),
            minItems=1,
        ),
        boxes=_list(_BOX | {"type": ["array", "null"]}, description="Null for an empty picture."),
        warnings=_list(_WARNINGS),
    ),
    "ModelSpec": _record(
        "Who answered.", name=TEXT, version=_VERSION, signature_name=_text("What was asked.")
    ),
    "TensorFlowPredict": _record(
        "TensorFlow Serving's request: `instances` (a list of rows) or `inputs` (columns).",
        optional=("signature_name", "instances", "inputs"),
        signature_name=_text("`serving_default` unless given."),
        instances=_list(_ANYTHING, minItems=1),
        inputs=_ANYTHING,
    )
    | {"oneOf": [{"required": ["instances"]}, {"required": ["inputs"]}]},
    "TensorFlowPredictions": _record(
        "TensorFlow Serving's answer: `predictions` to `instances`, `outputs` to `inputs`.",
        optional=("predictions", "outputs"),
        predictions=_list(_ANYTHING),
        outputs=_ANYTHING,
    )
    | {"oneOf": [{"required": ["predictions"]}, {"required": ["outputs"]}]},
    "Examples": _record(
        "TensorFlow Serving's request: a list of tf.Examples, each its features by name.",
        optional=("signature_name", "context"),
        signature_name=_text("`serving_default` unless given."),
        context={"type": "object", "description": "Features that all examples have."},
        examples=_list({"type": "object"}, minItems=1),
    ),
    "Classifications": _record(
        "For each example, a list of labels with their scores.",
        results=_list(_list(_list({"type": ["string", "number"]}, minItems=2, maxItems=2))),
    ),
    "Regressions": _record("A value for each example.", results=_list(_NUMBER)),
    "Models": _record(
        "The models that this gateway lists.",
        models=_list(
            _record(
                "A model; it has no versions where the model server does not know it.",
                name=TEXT,
                optional=("classifier",),
                model_version_status=_list(schema("VersionStatus")),
                version_labels=_object_of(
                    _VERSION, "The versions that version labels lead to, of those looked for."
                ),
                classifier={
                    "type": "boolean",
                    "description": "Whether it has classes; left out where no version is there to "
                    "say so.",
                },
            )
        ),
    ),
    "ModelStatus": _record(
        "The versions of a model, or the one that was asked for.",
        model_version_status=_list(schema("VersionStatus")),
    ),
    "VersionStatus": _record(
        "A version and its state.",
        version=_VERSION,
        state={"enum": ["UNKNOWN", "START", "LOADING", "AVAILABLE", "UNLOADING", "END"]},
        status=_record("Why it could not be loaded, or OK.", error_code=TEXT, error_message=TEXT),
    ),
    "Metadata": _record(
        "The signatures of a version: names, dtypes and shapes of what goes in and comes out.",
        model_spec=schema("ModelSpec"),
        metadata={"type": "object"},
    ),
    "Drift": _record(
        "What the versions of a model have seen lately.",
        model=TEXT,
        versions=_list(schema("VersionDrift"), description="Newest first."),
    ),
    "VersionDrift": _record(
        "What a version has seen lately, beside the validation images of its model card.",
        version=_VERSION,
        drift={
            "enum": ["none", "covariate", "label", "unknown"],
            "description": "Whether pictures look otherwise, or classes come in other shares; "
            "`unknown` where the card has nothing to compare with.",
        },
        alarm={"type": "boolean"},
        reason=_text("The same in words."),
        images={"type": "integer", "minimum": 0, "description": "How many were looked at."},
        window={"type": "integer", "description": "How many there are at most."},
        since={"type": ["string", "null"], "description": "When the oldest came (RFC 3339)."},
        scores=_object_of(
            _NUMBER, "By test: how far from validation; empty with too few images to tell."
        ),
        thresholds=_object_of(_NUMBER, "By test: the score above which it is drift."),
        classes=_list(
            _record(
                "The shares of a class: of validation images, of answers, and what share of the "
                "pictures that makes it, as far as answers tell.",
                label=TEXT,
                validation=_SHARE,
                answered=_MAYBE,
                estimated=_MAYBE,
            )
        ),
        statistics=_list(
            _record(
                "A figure of images: its mean at validation, now, and how many standard deviations "
                "of an image that is off.",
                name=TEXT,
                validation=_NUMBER,
                now=_MAYBE,
                deviation=_MAYBE,
            )
        ),
    ),
    "Live": _record(
        "The process lives.", status={"const": "ok"}, version=_text("The gateway's version.")
    ),
    "Ready": _record(
        "Whether the gateway takes requests; asked with `models=1`, also whether each model has a "
        "version that is AVAILABLE.",
        optional=("models", "reason"),
        ready={"type": "boolean"},
        models={"type": "object", "additionalProperties": {"type": "boolean"}},
        reason=_text("Why it is not ready, or why nothing is known of the models."),
    ),
    "Problem": _record(
        "RFC 9457, and TensorFlow Serving's `error`.",
        title=_text("The status in words."),
        status={"type": "integer"},
        detail=_text("What is wrong, and what to do."),
        error=_text("TensorFlow Serving's text, where it has one, or the same."),
    ),
}
