"""WSGI environment of the console: the scheme, name and port that a request was sent to."""

import json

import pytest

from vitrine_serving.gateway.console import wsgi
from vitrine_serving.gateway.http.messages import Request


def echo(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps([environ[name] for name in NAMES]).encode()]


NAMES = ("wsgi.url_scheme", "SERVER_NAME", "SERVER_PORT")


@pytest.mark.parametrize(
    ("host", "scheme", "name", "port"),
    [
        ("shop.example", "http", "shop.example", "80"),
        ("shop.example", "https", "shop.example", "443"),
        ("shop.example:8443", "https", "shop.example", "8443"),
        ("127.0.0.1:8080", "http", "127.0.0.1", "8080"),
        ("[::1]", "http", "[::1]", "80"),
        ("[::1]:8080", "http", "[::1]", "8080"),
        ("", "http", "localhost", "80"),
        (None, "https", "localhost", "443"),
    ],
)
def test_address(host, scheme, name, port):
    headers = {} if host is None else {"host": host}
    request = Request("GET", "/", "", headers, "192.0.2.1", "id")
    answer = wsgi.call(echo, request, scheme)
    assert json.loads(answer.body) == [scheme, name, port]
