"""Program of real Triton with the table's models, for an environment that has its wheel.

python triton_app.py FOLDER HTTP_PORT GRPC_PORT
"""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
sys.path[:0] = [str(ROOT)]

from harness import triton_server  # noqa: E402
from tests.contract.open_inference import triton_models  # noqa: E402


def main(folder: Path, http_port: str, grpc_port: str) -> None:
    """Becomes the server."""
    repository = folder / "repository"
    triton_models.write(repository)
    loaded = [name for name in triton_models.MODELS if name != "unloaded"]
    flags = [
        *("--model-control-mode=explicit", *(f"--load-model={name}" for name in loaded)),
        *("--http-address=127.0.0.1", f"--http-port={http_port}"),
        *("--grpc-address=127.0.0.1", f"--grpc-port={grpc_port}"),
        *("--allow-metrics=false", "--log-info=false"),
    ]
    triton_server.become(folder, repository, flags)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
