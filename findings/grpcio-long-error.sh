#!/bin/sh
# An error with a long message reaches a gRPC client sometimes as itself, sometimes as an overload.
#
# Guess:   where a server ends a call with NOT_FOUND, the client sees NOT_FOUND, however long the
#          message is.
# Truth:   the message travels as metadata, of which a client takes 8 KiB. From there to 16 KiB the
#          same call, over the same channel, ends by chance either with the server's code and
#          message or with RESOURCE_EXHAUSTED and gRPC's own: the longer, the more often. From
#          16 KiB on it always ends with the latter. An accented letter counts six bytes
#          (percent-encoded UTF-8), so that 1,400 of them can be too many. A client that takes
#          RESOURCE_EXHAUSTED for overload retries what can never work, and does not see why:
#          Python's servers put the text of an exception into the message, and that may hold what
#          was sent.
# Way out: `grpc.max_metadata_size` and `grpc.absolute_max_metadata_size`, both, on the client.
# Version: grpcio 1.85.1, of Linux x86-64 and Python 3.11; seen on 29 November 2026.
# Source:  github.com/grpc/grpc, pull request 32600 (random early rejection), issue 37852.
# Seen:    of 300 calls each
#            8000 ASCII    NOT_FOUND 300
#            12000 ASCII   NOT_FOUND 152, RESOURCE_EXHAUSTED 148   (the numbers vary)
#            20000 ASCII   RESOURCE_EXHAUSTED 300
#            2000 accented NOT_FOUND 155, RESOURCE_EXHAUSTED 145   (the numbers vary)
#            20000 ASCII   NOT_FOUND 300                           with both options
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check grpcio==1.85.1
cat > "$folder/finding.py" <<'END'
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import grpc

CALLS = 300


class Refusing(grpc.GenericRpcHandler):
    """Ends every call with NOT_FOUND, and what was sent as its words."""

    def service(self, details):
        def refuse(request, context):
            context.abort(grpc.StatusCode.NOT_FOUND, request.decode())

        return grpc.unary_unary_rpc_method_handler(refuse)


def codes(port, words, options=()):
    seen = Counter()
    with grpc.insecure_channel(f"127.0.0.1:{port}", options=options) as channel:
        call = channel.unary_unary("/finding.Shelf/Take")
        for _ in range(CALLS):
            try:
                call(words.encode(), timeout=10)
            except grpc.RpcError as error:
                is_own = error.details() == words
                assert is_own == (error.code() is grpc.StatusCode.NOT_FOUND), error
                seen[error.code().name] += 1
    return seen


server = grpc.server(ThreadPoolExecutor(4), handlers=[Refusing()])
port = server.add_insecure_port("127.0.0.1:0")
server.start()
wide = [("grpc.max_metadata_size", 1 << 20), ("grpc.absolute_max_metadata_size", 1 << 20)]
own, other = {"NOT_FOUND"}, {"RESOURCE_EXHAUSTED"}
as_found = True
for told, words, options, expected in (
    ("8000 ASCII", "x" * 8_000, (), own),
    ("12000 ASCII", "x" * 12_000, (), own | other),
    ("20000 ASCII", "x" * 20_000, (), other),
    ("2000 accented", "\u00e9" * 2_000, (), own | other),
    ("20000 ASCII, both options", "x" * 20_000, wide, own),
):
    seen = codes(port, words, options)
    as_found &= set(seen) == expected
    print(f"{told:27}", ", ".join(f"{code} {seen[code]}" for code in sorted(seen)))
server.stop(None).wait()
sys.exit(None if as_found else "This is not what was found; see the head of this file.")
END
"$folder/venv/bin/python" "$folder/finding.py"
