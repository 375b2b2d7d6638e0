"""gunicorn's settings: those that the gateway does not heed are refused by name."""

import pytest
from gunicorn.config import Config

from harness.gateway import start_in_vain
from vitrine_serving.gateway.server.worker import unheeded


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("proxy_protocol", "v2"),
        ("protocol", "uwsgi"),
        ("http_parser", "fast"),
        ("permit_obsolete_folding", True),
        ("permit_unconventional_http_method", True),
        ("header_map", "dangerous"),
        ("accesslog", "-"),
        ("pre_request", lambda worker, request: None),
    ],
)
def test_what_nothing_heeds_is_named(name, value):
    """One that stays as it is by default is no matter."""
    cfg = Config()
    assert unheeded(cfg) == ""
    cfg.set(name, value)
    assert f"sets {name}, which" in unheeded(cfg)


def test_what_is_heeded_is_not():
    """Limits, times and processes are gunicorn's to set."""
    cfg = Config()
    for name, value in (("limit_request_line", 100), ("keepalive", 1), ("max_requests", 9)):
        cfg.set(name, value)
    assert unheeded(cfg) == ""


def test_it_does_not_start(monkeypatch):
    """With one sentence, and before it listens."""
    monkeypatch.setenv("GUNICORN_CMD_ARGS", "--proxy-protocol v1")
    ended = start_in_vain()
    assert ended.returncode == 2
    assert "Error: GUNICORN_CMD_ARGS sets proxy_protocol, which" in ended.stderr
    assert "Listening" not in ended.stderr
    assert "Traceback" not in ended.stderr
