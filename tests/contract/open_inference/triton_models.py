"""Models of the table for real Triton's Python backend, and their repository.

`model.py` of each is a line that imports this module, which needs NumPy alone.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

from tests.contract.open_inference import arithmetic

Tensors = list[tuple[str, str, list[int]]]

ANY = [-1]
IMAGES: Tensors = [("images", "FP32", [-1, 28, 28])]
BOTH: Tensors = [("probabilities", "FP32", [-1, 10]), ("class_ids", "INT64", ANY)]
IN: Tensors = [("in", "FP32", ANY)]
OUT: Tensors = [("out", "FP32", ANY)]

MODELS: dict[str, tuple[Tensors, Tensors]] = {
    "mlp": (IMAGES, BOTH),
    "mlpb": (
        [("images", "FP32", [28, 28])],
        [("probabilities", "FP32", [10]), ("class_ids", "INT64", [1])],
    ),
    **{
        f"echo_{name}": ([("in", datatype, ANY)], [("out", datatype, ANY)])
        for name, datatype in arithmetic.DATATYPES.items()
    },
    "nan": (IN, [*OUT, ("out64", "FP64", ANY)]),
    "rawbytes": (IN, [("out", "BYTES", ANY)]),
    "params": (IN, [("out", "BYTES", ANY)]),
    "opt": ([("a", "FP32", ANY), ("b", "FP32", ANY)], [("sum", "FP32", ANY)]),
    "fail": (IN, OUT),
    "failone": (IN, OUT),
    "stream": (IN, OUT),
    "unloaded": (IN, OUT),
}

MODEL = """import sys
sys.path.insert(0, {root!r})
from tests.contract.open_inference.triton_models import TritonPythonModel
"""


def write(repository: Path) -> None:
    """Writes the repository; `unloaded` is in it, and is not to be loaded at the start."""
    root = str(Path(__file__).parents[3])
    for name, (inputs, outputs) in MODELS.items():
        folder = repository / name
        for version in ("1", "2") if name == "mlp" else ("1",):
            (folder / version).mkdir(parents=True)
            (folder / version / "model.py").write_text(MODEL.format(root=root))
        (folder / "config.pbtxt").write_text(_config(name, inputs, outputs))


def _config(name: str, inputs: Tensors, outputs: Tensors) -> str:
    lines = [f'backend: "python" max_batch_size: {8 if name == "mlpb" else 0}']
    for kind, tensors in (("input", inputs), ("output", outputs)):
        for tensor, datatype, dims in tensors:
            optional = " optional: true" if (name, tensor) == ("opt", "b") else ""
            sort = "STRING" if datatype == "BYTES" else datatype
            lines.append(
                f'{kind} {{ name: "{tensor}" data_type: TYPE_{sort} dims: {dims}{optional} }}'
            )
    lines.append("instance_group { kind: KIND_CPU count: 1 }")
    if name == "mlp":
        lines.append("version_policy { all { } }")
    if name == "stream":
        lines.append("model_transaction_policy { decoupled: true }")
    return "\n".join(lines)


class TritonPythonModel:
    """Model of Triton's Python backend: any of the above, by its name."""

    def initialize(self, args: dict[str, str]) -> None:
        """Notes which model it is."""
        import triton_python_backend_utils as utils

        self.utils: Any = utils
        self.name, self.version = args["model_name"], int(args["model_version"])

    def execute(self, requests: list[Any]) -> list[Any] | None:
        """Answers requests, one after the other."""
        if self.name == "fail":
            raise ValueError("the model said no")
        if self.name == "stream":
            for request in requests:
                self._stream(request)
            return None
        return [self._answer(request) for request in requests]

    def _answer(self, request: Any) -> Any:
        if self.name == "failone":
            return self.utils.InferenceResponse([], self.utils.TritonError("the model said no"))
        if self.name.startswith("echo_"):
            return self.utils.InferenceResponse([self._echo(request.inputs()[0])])
        outputs = self._outputs(request)
        return self.utils.InferenceResponse(
            [self.utils.Tensor(name, value) for name, value in outputs.items()]
        )

    def _echo(self, tensor: Any) -> Any:
        if self.name in ("echo_bf16", "echo_fp16"):
            return self.utils.Tensor.from_dlpack("out", tensor.to_dlpack())
        return self.utils.Tensor("out", tensor.as_numpy())

    def _outputs(self, request: Any) -> dict[str, Any]:
        given = {each.name(): each.as_numpy() for each in request.inputs()}
        if self.name.startswith("mlp"):
            probabilities = arithmetic.softmax(given["images"], self.version)
            best = probabilities.argmax(axis=1) if len(probabilities) else np.zeros(0, np.int64)
            shape = (-1, 1) if self.name == "mlpb" else (-1,)
            return {"probabilities": probabilities, "class_ids": best.reshape(shape)}
        if self.name == "nan":
            out = np.array(arithmetic.NUMBERS)
            return {"out": out.astype(np.float32), "out64": out}
        if self.name == "rawbytes":
            return {"out": np.array(arithmetic.TEXTS, object)}
        if self.name == "params":
            told = json.loads(request.parameters() or "{}")
            texts = (json.dumps(told, separators=(",", ":")), "", *["0"] * 3)
            return {"out": np.array([each.encode() for each in texts], object)}
        if self.name == "opt":
            a = self.utils.get_input_tensor_by_name(request, "a").as_numpy()
            return {"sum": a + given["b"] if "b" in given else a}
        return {"out": given["in"]}

    def _stream(self, request: Any) -> None:
        sender = request.get_response_sender()
        value = request.inputs()[0].as_numpy()
        sender.send(self.utils.InferenceResponse([self.utils.Tensor("out", value)]))
        sender.send(flags=self.utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
