"""Children of a process that is killed end, too."""

import os
import signal
import subprocess
import sys

import pytest

from vitrine_client.process.children import ends_with_parent

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the kernel's part is Linux's")

PARENT = """
import subprocess, sys
from vitrine_client.process.children import ends_with_parent
child = subprocess.Popen(ends_with_parent([sys.executable, "-c", sys.argv[1]]))
child.wait()
"""
CHILD = "import sys; print('begins', flush=True); sys.stdin.read(); print('survives', flush=True)"


def test_a_child_ends_with_its_parent():
    """The pipe that it writes to closes, as the last process that has it is gone."""
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, CHILD],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        assert parent.stdout.readline() == "begins\n"
        parent.kill()
        assert parent.stdout.read() == ""
    assert parent.returncode == -signal.SIGKILL


def test_a_child_whose_parent_is_gone_does_not_begin():
    command = ends_with_parent(["echo", "begins"])
    position = command.index(str(os.getpid()))
    command[position] = "1"
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_child_is_its_command():
    """With its words, its exit code and its environment."""
    command = ends_with_parent(["sh", "-c", 'echo "$0 $WORD"; exit 3', "two  words"])
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"WORD": "x"})
    assert (done.returncode, done.stdout) == (3, "two  words x\n")
