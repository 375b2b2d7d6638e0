"""Triton, the real server that nvidia-pytriton's wheel carries, with a model repository made here.

Its Python backend runs `triton_model.py`: that is one hop less than PyTriton's own `Triton` class,
which has the model in a third process.
"""

import os
import sys
from pathlib import Path

from pictures import MAX_BATCH_SIZE

HERE = Path(__file__).parent
sys.path.append(str(HERE.parents[2]))

from harness import triton_server  # noqa: E402

CONFIG = f"""
backend: "python"
max_batch_size: {MAX_BATCH_SIZE}
input [{{ name: "image" data_type: TYPE_STRING dims: [1] }}]
output [{{ name: "prediction" data_type: TYPE_STRING dims: [1] }}]
instance_group [{{ kind: KIND_CPU count: {os.environ["PEER_INSTANCES"]} }}]
dynamic_batching {{ }}
"""


def repository(folder: Path) -> Path:
    """Writes a repository with the one model; returns where."""
    version = folder / "repository" / "mlp" / "1"
    version.mkdir(parents=True)
    (version.parent / "config.pbtxt").write_text(CONFIG)
    code = f"import sys\nsys.path.insert(0, {str(HERE)!r})\nfrom triton_model import *\n"
    (version / "model.py").write_text(code)
    return version.parent.parent


def main() -> None:
    """Becomes the server."""
    folder = Path.cwd()
    port = os.environ["PEER_PORT"]
    flags = ("--http-address=127.0.0.1", f"--http-port={port}", "--allow-grpc=false")
    quiet = ("--allow-metrics=false", "--log-info=false")
    triton_server.become(folder, repository(folder), (*flags, *quiet))


if __name__ == "__main__":
    main()
