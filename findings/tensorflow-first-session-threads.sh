#!/bin/sh
# The first session of a process decides how many threads all its sessions have.
#
# Guess:   a session has the threads that its own ConfigProto asks for, so that a server can give a
#          large model many and a small one few.
# Truth:   the thread pools, within operations and between them, belong to the process: the first
#          session makes them by its settings, and what later ones ask for is ignored without a
#          word, even once the first is closed. So a server that opens any session without settings
#          (to look at a model, to warm up) has a thread a core for good, and one that began with 1
#          stays at 1.
#          `use_per_session_threads` gives a session a pool of its own between operations; within
#          an operation even it does not help.
# Way out: one setting for the process, made before anything else opens a session; else a process a
#          model.
# Version: tensorflow-cpu 2.21.0, of Linux x86-64 and Python 3.11; seen on 30 November 2026, and
#          with 2.20.0.
# Source:  github.com/tensorflow/tensorflow, config.proto (inter_op_parallelism_threads says so of
#          itself, intra_op_parallelism_threads does not), issue 31478.
# Seen:    threads that each session adds: within, between operations, whether of its own
#            (2, 2), then (12, 7): 5 0
#            (12, 7), then (2, 2): 20 0
#            (12, 7), then (3, 3), then (2, 5, True): 20 0 5
#            (2, 5, True), then (12, 7): 8 7
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-compile \
    tensorflow-cpu==2.21.0
cat > "$folder/finding.py" <<'END'
import os
import sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import numpy as np
import tensorflow as tf

v1 = tf.compat.v1


def threads():
    return len(os.listdir("/proc/self/task"))


def added(intra, inter, own=False):
    """Runs a product of matrices in a session of its own, and closes it."""
    config = v1.ConfigProto(
        intra_op_parallelism_threads=intra,
        inter_op_parallelism_threads=inter,
        use_per_session_threads=own,
    )
    before = threads()
    with tf.Graph().as_default() as graph:
        rows = v1.placeholder(tf.float32, [None, 64])
        product = rows @ tf.transpose(rows)
    with v1.Session(graph=graph, config=config) as session:
        session.run(product, {rows: np.ones((512, 64), np.float32)})
        return threads() - before


def is_as_found(sessions, expected):
    """Opens the sessions in a process of their own."""
    child = os.fork()
    if not child:
        seen = [added(*session) for session in sessions]
        print(", then ".join(str(session) for session in sessions) + ":", *seen, flush=True)
        os._exit(seen != expected)
    return os.waitpid(child, 0)[1] == 0


checked = [
    is_as_found([(2, 2), (12, 7)], [5, 0]),
    is_as_found([(12, 7), (2, 2)], [20, 0]),
    is_as_found([(12, 7), (3, 3), (2, 5, True)], [20, 0, 5]),
    is_as_found([(2, 5, True), (12, 7)], [8, 7]),
]
sys.exit(None if all(checked) else "This is not what was found; see the head of this file.")
END
"$folder/venv/bin/python" "$folder/finding.py" 2> "$folder/said" ||
    { tail -n 5 "$folder/said" >&2; exit 1; }
