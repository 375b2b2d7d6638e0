#!/bin/sh
# A POST that offers an upgrade arrives empty, with 200, at a model server on uvicorn.
#
# Guess:   a server that does not speak HTTP/2 ignores the offer `Upgrade: h2c` and answers the
#          request as if it were not there (RFC 9110, 7.8): the same answer, the same body.
# Truth:   with httptools, which uvicorn takes where it is installed (`uvicorn[standard]`), the
#          application gets no body at all and answers, so that a client gets 200 for a request
#          that nobody has read. llhttp takes any offer for an upgrade: it says that the message is
#          complete once its head is, and stops. Java's own HttpClient makes this offer with the
#          first request over http://, and Spring's RestClient with it. With h11 the body arrives.
# Way out: `--http h11`; a client that asks for HTTP/1.1 (Java: version(HTTP_1_1)).
# Version: uvicorn 0.54.0, httptools 0.9.0, h11 0.16.0, of Linux x86-64 and Python 3.11; seen on
#          30 November 2026.
# Source:  github.com/Kludex/uvicorn, issue 2722; github.com/MagicStack/httptools, issue 124.
# Seen:    httptools: a POST of 5 bytes has 5 bytes
#          httptools: a POST of 5 bytes that offers h2c has 0 bytes
#          h11: a POST of 5 bytes has 5 bytes
#          h11: a POST of 5 bytes that offers h2c has 5 bytes
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    uvicorn==0.54.0 httptools==0.9.0 h11==0.16.0
cat > "$folder/finding.py" <<'END'
import http.client
import socket
import sys
import threading

import uvicorn

OFFER = {
    "Connection": "Upgrade, HTTP2-Settings",
    "Upgrade": "h2c",
    "HTTP2-Settings": "AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA",
}


async def count(scope, receive, send):
    """Answers with how many bytes it was sent."""
    size, more = 0, True
    while more:
        message = await receive()
        size += len(message.get("body", b""))
        more = message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": f"{size} bytes".encode()})


def asked(port, headers):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("POST", "/", b"hello", headers)
    response = connection.getresponse()
    said = response.status, response.read().decode()
    connection.close()
    return said


as_found = True
for parser, with_offer in (("httptools", "0 bytes"), ("h11", "5 bytes")):
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(count, http=parser, ws="none", lifespan="off", log_level="error")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    for headers, words, expected in (
        ({}, "", "5 bytes"),
        (OFFER, " that offers h2c", with_offer),
    ):
        status, body = asked(listener.getsockname()[1], headers)
        as_found &= (status, body) == (200, expected)
        print(f"{parser}: a POST of 5 bytes{words} has {body}")
    server.should_exit = True
    thread.join()
sys.exit(None if as_found else "This is not what was found; see the head of this file.")
END
"$folder/venv/bin/python" "$folder/finding.py"
