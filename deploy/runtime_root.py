"""Gathers a Python environment and all that it runs on under one directory, for a `FROM scratch`.

    python3 runtime_root.py /opt/vitrine /root-of-the-image

An image made of that has no shell, no package manager and no compiler, and is as small as it gets.
It takes the interpreter, its standard library, the environment, and the shared libraries that one
of them is linked to. Nothing is guessed: import what the image is for with that directory as the
root (`chroot`), and the build fails if something is missing.
"""

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

NOT_RUN = ("__pycache__", "site-packages", "dist-packages", "test", "config-*", "ensurepip")
NOT_SERVED = ("idlelib", "lib2to3", "pydoc_data", "tkinter", "_tkinter*", "turtledemo")
ALONGSIDE = ("/etc/ld.so.cache", "/etc/nsswitch.conf", "/etc/os-release")
USER = "vitrine:x:10001:10001::/tmp:/nonexistent\n"


def add(root: Path, path: Path) -> None:
    """Copies a file to the same path under `root`, with each symbolic link that leads to it."""
    for part in [*reversed(path.parents), path]:
        if part.is_symlink():
            link = root / part.relative_to("/")
            if not link.is_symlink():
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(part.readlink())
            add(root, part.parent.resolve() / part.readlink() / path.relative_to(part))
            return
    copy = root / path.relative_to("/")
    copy.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(path, copy)


def libraries(files: list[Path]) -> set[Path]:
    """Returns the shared libraries that `files` are linked to, the loader included, as ldd says."""
    command = ["/usr/bin/ldd", *map(str, files)]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    lines = [line.split() for line in told.splitlines() if line.startswith("\t")]
    if absent := {words[0] for words in lines if words[-2:] == ["not", "found"]}:
        raise SystemExit(f"Not in this image: {', '.join(sorted(absent))}")
    return {Path(word) for words in lines for word in words if word.startswith("/")}


def main(environment: Path, root: Path) -> None:
    """Fills `root`."""
    stdlib = Path(sysconfig.get_path("stdlib"))
    interpreter = Path(sys.executable)
    extensions = [path for path in stdlib.glob("lib-dynload/*.so") if "tkinter" not in path.name]
    for library in libraries([interpreter, *extensions, *environment.rglob("*.so*")]):
        if not library.is_relative_to(environment):
            add(root, library)
    add(root, interpreter)
    for name in ALONGSIDE:
        if Path(name).exists():
            add(root, Path(name))
    for tree, skipped in ((stdlib, NOT_RUN + NOT_SERVED), (environment, ())):
        shutil.copytree(
            tree,
            root / tree.relative_to("/"),
            symlinks=tree == environment,
            ignore=shutil.ignore_patterns(*skipped),
            ignore_dangling_symlinks=True,
        )
    (root / "etc").mkdir(exist_ok=True)
    (root / "etc/passwd").write_text(USER)
    (root / "tmp").mkdir(mode=0o1777)
    (root / "tmp").chmod(0o1777)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
