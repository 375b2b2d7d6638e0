"""Scratch directories: those of processes that were killed are removed, all others stay."""

import subprocess
import sys
from pathlib import Path

from vitrine_serving.scratch import ScratchDirectory

HELD = """
from vitrine_serving.scratch import ScratchDirectory
scratch = ScratchDirectory()
(scratch.path / "models.config").write_text("x")
print(scratch.path, flush=True)
input()
"""


def test_what_a_killed_process_leaves(tmp_path):
    """The next start clears it; that of a process that lives it leaves alone."""
    command = [sys.executable, "-c", HELD]
    with subprocess.Popen(
        command,
        env={"TMPDIR": str(tmp_path), "PATH": ""},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout
        theirs = Path(other.stdout.readline().strip())
        with ScratchDirectory(tmp_path) as ours:
            assert theirs.parent == ours.path.parent == tmp_path
        assert (theirs / "models.config").exists()
        other.kill()
        other.wait()
    assert theirs.exists()
    with ScratchDirectory(tmp_path) as ours:
        assert not theirs.exists()
    assert list(tmp_path.iterdir()) == []
