"""Program of real Triton, as nvidia-pytriton's wheel carries it, with its Python backend.

It runs in an environment that has the wheel, and not ours.
"""

import os
import shutil
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path

import pytriton


def become(folder: Path, repository: Path, flags: Sequence[str]) -> None:
    """Becomes the server of a repository; `folder` is for a copy of the backends."""
    package = Path(pytriton.__file__).parent
    server = package / "tritonserver"
    libraries = (sysconfig.get_config_var("LIBDIR"), package.parent / "nvidia_pytriton.libs")
    environment = os.environ | {
        # The program finds its environment by the `python` on the path, and Python's library here.
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])),
        "LD_LIBRARY_PATH": os.pathsep.join(map(str, libraries)),
    }
    program = str(server / "bin" / "tritonserver")
    places = (
        f"--model-repository={repository}",
        f"--backend-directory={_backends(server, folder)}",
    )
    os.execve(program, (program, *places, *flags), environment)  # noqa: S606


def _backends(server: Path, folder: Path) -> Path:
    """Copies the Python backend, with its program for this Python beside it, as pytriton does."""
    to = folder / "backends"
    shutil.copytree(server / "backends", to)
    program = "triton_python_backend_stub"
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    shutil.copy(server / "python_backend_stubs" / version / program, to / "python" / program)
    return to
