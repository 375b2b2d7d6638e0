"""What the gateway of tests of the commands answers, and folders of pictures for it."""

from pathlib import Path

from tests.client.fake_gateway import Asked, Reply, predicting, problem

ERROR = f"no [graph] in {'/models' * 20}/mlp/2"
VERSIONS = [(3, "AVAILABLE", "OK", ""), (2, "END", "NOT_FOUND", ERROR)]
SIGNATURES = {
    "serving_default": {
        "inputs": {
            "images": {
                "dtype": "DT_FLOAT",
                "tensor_shape": {
                    "dim": [{"size": "-1", "name": ""}, {"size": "28"}, {"size": "-1"}],
                    "unknown_rank": False,
                },
                "name": "images:0",
            }
        },
        "outputs": {
            "class_ids": {"dtype": "DT_INT64", "tensor_shape": {"dim": [], "unknown_rank": False}},
            "anything": {"dtype": "DT_STRING", "tensor_shape": {"dim": [], "unknown_rank": True}},
        },
        "method_name": "tensorflow/serving/predict",
    },
    "__saved_model_init_op": {"inputs": {}, "outputs": {}, "method_name": ""},
}
METADATA = {
    "model_spec": {"name": "mlp", "signature_name": "", "version": "3"},
    "metadata": {"signature_def": {"signature_def": SIGNATURES}},
}

ASSUMED = [
    "scaling 0..1 assumed: write profile.json to change it",
    "fit stretch assumed: write profile.json to change it",
    "labels 0, 1, 2… assumed: write labels.txt to name the classes",
]
REASON = "it takes `x` float32 [n, 7], and not one input of pictures"
PROFILE = {
    "model": "mlp",
    "version": "3",
    "profile": {
        "signature": "serving_default",
        "input": "keras_tensor",
        "shape": [None, 32, 3],
        "dtype": "float32",
        "scaling": "0..1",
        "mean": [],
        "std": [],
        "polarity": "as is",
        "fit": "stretch",
        "resize": "bilinear",
        "output": "output_0",
        "kind": "logits",
        "batchable": True,
        "sources": {"input": "signature", "scaling": "assumed", "fit": "assumed"}
        | {"kind": "trial", "labels": "assumed"},
        "labels": [*map(str, range(1000))],
    },
    "assumptions": ASSUMED,
}
NO_PROFILE = {"model": "rows", "version": "3", "profile": None, "reason": REASON, "assumptions": []}


def answering(asked: Asked) -> Reply:
    """Predicts, and shows two models: `mlp`, of which version 3 answers, and `linear`. It also has
    the profile of `rows`, which takes no pictures."""
    if asked.path.endswith(":predict"):
        return predicting(asked)
    statuses = [
        {"version": str(n), "state": state, "status": {"error_code": code, "error_message": text}}
        for n, state, code, text in VERSIONS
    ]
    mlp, linear = {"model_version_status": statuses}, {"model_version_status": statuses[1:]}
    answers = {
        "/v1/models": {
            "models": [
                {
                    "name": "mlp",
                    "version_labels": {"stable": "3", "canary": "3"},
                    "classifier": True,
                    "assumptions": ASSUMED,
                }
                | mlp,
                {"name": "linear"} | linear,
            ]
        },
        "/v1/models/mlp": mlp,
        "/v1/models/linear": linear,
        "/v1/models/mlp/profile": PROFILE,
        "/v1/models/mlp/versions/2/profile": PROFILE | {"version": "2"},
        "/v1/models/mlp/labels/stable/profile": PROFILE,
        "/v1/models/rows/profile": NO_PROFILE,
        "/v1/models/mlp/metadata": METADATA,
        "/v1/models/mlp/versions/2/metadata": METADATA,
        "/v1/models/mlp/labels/stable/metadata": METADATA,
    }
    if asked.path in answers:
        return Reply(content=answers[asked.path])
    return problem(404, f"no {asked.path} here")


def photos(folder: Path, **contents: str) -> Path:
    """Makes a folder of pictures by their names without `.png`; the fake gateway finds their
    contents in them."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, label in contents.items():
        (folder / f"{name}.png").write_text(label)
    return folder
