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


def answering(asked: Asked) -> Reply:
    """Predicts, and shows two models: `mlp`, of which version 3 answers, and `linear`."""
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
                {"name": "mlp", "version_labels": {"stable": "3", "canary": "3"}} | mlp,
                {"name": "linear"} | linear,
            ]
        },
        "/v1/models/mlp": mlp,
        "/v1/models/linear": linear,
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
