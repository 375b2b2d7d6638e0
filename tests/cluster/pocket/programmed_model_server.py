"""Programmed model server in a container: its answers follow from the pictures alone.

It takes 3 ms for a batch, is healthy from its first moment to SIGTERM, and ends after the calls
that it has. `python -m tests.cluster.pocket.programmed_model_server --port=8500`
"""

import signal
import sys
import threading
import time

import grpc

from harness.fake_model_server import Call, FakeModelServer, classifying

WORK_S = 0.003
VERSION = 3
_SERVING = b"\x08\x01"
_GRACE_S = 10.0


def answer(call: Call, context: grpc.ServicerContext) -> bytes:
    """Answers as a model server does that has one version of each model."""
    if call.method.endswith("/Check"):
        return _SERVING
    if call.method.endswith("Predict"):
        time.sleep(WORK_S)
    return _classify(call, context)


_classify = classifying(VERSION)


def main(*words: str) -> None:
    """Serves until SIGTERM. Flags that it has no use for are a real model server's."""
    flags = dict(word.removeprefix("--").split("=", 1) for word in words if "=" in word)
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    server = FakeModelServer(answer, port=flags["port"], host="0.0.0.0")  # noqa: S104
    with server:
        print("serves", flush=True)
        ended.wait()
        server.finish(_GRACE_S)


if __name__ == "__main__":
    main(*sys.argv[1:])
