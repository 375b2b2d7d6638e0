"""Triton, the real server that nvidia-pytriton's wheel carries, with a model repository made here.

Its Python backend runs `triton_model.py`: that is one hop less than PyTriton's own `Triton` class,
which has the model in a third process.
"""

import os
import shutil
import sys
import sysconfig
from pathlib import Path

import pytriton
from pictures import MAX_BATCH_SIZE

HERE = Path(__file__).parent

CONFIG = f"""
backend: "python"
max_batch_size: {MAX_BATCH_SIZE}
input [{{ name: "image" data_type: TYPE_STRING dims: [1] }}]
output [{{ name: "prediction" data_type: TYPE_STRING dims: [1] }}]
instance_group [{{ kind: KIND_CPU count: {os.environ["PEER_INSTANCES"]} }}]
dynamic_batching {{ }}
"""

TENSORS = (
    ('"image" data_type: TYPE_STRING dims: [1]', '"images" data_type: TYPE_FP32 dims: [28, 28]'),
    (
        '"prediction" data_type: TYPE_STRING dims: [1]',
        '"probabilities" data_type: TYPE_FP32 dims: [10]',
    ),
)
"""What the configuration of `triton_tensors.py`, of `PEER_TENSORS`, has otherwise."""


def repository(folder: Path) -> Path:
    """Writes a repository with the one model; returns where."""
    version = folder / "repository" / "mlp" / "1"
    version.mkdir(parents=True)
    config, module = CONFIG, "triton_model"
    if os.environ.get("PEER_TENSORS"):
        module = "triton_tensors"
        for pictures, tensors in TENSORS:
            config = config.replace(pictures, tensors)
    (version.parent / "config.pbtxt").write_text(config)
    code = f"import sys\nsys.path.insert(0, {str(HERE)!r})\nfrom {module} import *\n"
    (version / "model.py").write_text(code)
    return version.parent.parent


def backends(server: Path, folder: Path) -> Path:
    """Copies the Python backend, with its program for this Python beside it, as pytriton does."""
    to = folder / "backends"
    shutil.copytree(server / "backends", to)
    program = "triton_python_backend_stub"
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    shutil.copy(server / "python_backend_stubs" / version / program, to / "python" / program)
    return to


def main() -> None:
    """Becomes the server."""
    package, folder = Path(pytriton.__file__).parent, Path.cwd()
    server = package / "tritonserver"
    libraries = (sysconfig.get_config_var("LIBDIR"), package.parent / "nvidia_pytriton.libs")
    environment = os.environ | {
        # The program finds its environment by the `python` on the path, and Python's library here.
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])),
        "LD_LIBRARY_PATH": os.pathsep.join(map(str, libraries)),
    }
    program = str(server / "bin" / "tritonserver")
    flags = {
        "model-repository": repository(folder),
        "backend-directory": backends(server, folder),
        "http-address": "127.0.0.1",
        "http-port": os.environ["PEER_PORT"],
        "allow-grpc": "false",
        "allow-metrics": "false",
        "log-info": "false",
    }
    words = [program, *(f"--{name}={value}" for name, value in flags.items())]
    os.execve(program, words, environment)  # noqa: S606


if __name__ == "__main__":
    main()
