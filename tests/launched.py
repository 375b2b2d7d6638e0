"""Launched command: one for which the machine is prepared in the process that it becomes."""

import sys


def after(code: str) -> tuple[str, ...]:
    """Returns the words before a command that have Python run `code` first.

    Not a `preexec_fn`, for which `subprocess` forks: gRPC, which other tests of this process use,
    has handlers for forks, and they may end such a child.
    """
    return (
        sys.executable,
        "-c",
        f"{code}\nimport os, sys\nos.execvp(sys.argv[1], sys.argv[1:])",
    )
