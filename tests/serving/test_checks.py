"""Settings that make no sense are told in words that name their variables, before anything runs."""

import pytest

from vitrine_serving.gateway.settings import SettingsError, checked_settings

WRONG = {
    "VITRINE_WORKERS": ("zero", "expected a whole number from 1"),
    "VITRINE_CONNECTIONS": ("1.5", "expected a whole number from 1"),
    "VITRINE_PORT": ("70000", "VITRINE_PORT='70000': write a number, 1 to 65535"),
    "VITRINE_BREAKER_OPEN_S": ("nan", "expected a number above 0"),
    "VITRINE_REQUEST_TIMEOUT_S": ("inf", "expected a number above 0"),
    "VITRINE_KEEPALIVE_S": ("1e308", "expected a number above 0 up to 86400"),
    "VITRINE_CONNECTION_MAX_AGE_S": ("-1", "expected a number from 0 up to 86400"),
    "VITRINE_DRAIN_S": ("1e9", "expected a number from 0 up to 3600"),
    "VITRINE_RETRY_BUDGET": ("2", "expected a number from 0 up to 1"),
    "VITRINE_RATE_LIMIT": ("inf", "expected a number from 0 up to 1000000"),
    "VITRINE_RATE_BURST": ("5", "set VITRINE_RATE_LIMIT as well, or unset it"),
    "VITRINE_CORS_ORIGINS": ("*, a.example", "'a.example': is no origin; write https://a.example"),
    "VITRINE_MODELS": ("mlp/1", "'mlp/1' is no model's name"),
    "VITRINE_VERSION_LABELS": ("stable canary", "no spaces, no / and no :"),
    "VITRINE_PREDICTION_LOG_SAMPLE": ("2", "expected a number above 0 up to 1"),
    "VITRINE_DRIFT": ("perhaps", "expected 1 or 0"),
    "VITRINE_LOG_FORMAT": ("xml", "expected text or json"),
    "VITRINE_MODEL_SERVER": ("foo", "write HOST:PORT, such as 127.0.0.1:8500"),
    "VITRINE_TRUSTED_PROXIES": ("10.0.0.0/33", "'10.0.0.0/33' is no network"),
    "VITRINE_KEYS_FILE": ("/no/such/keys", "/no/such/keys"),
    "VITRINE_PREDICTION_LOG": ("/no/such/log", "name a file"),
    "VITRINE_FEEDBACK_LOG": ("feedback", "set VITRINE_KEYS_FILE as well"),
    "VITRINE_FEEDBACK_LOG_FILES": ("21", "expected a whole number from 1 up to 20"),
    "VITRINE_PEERS": ("three", "expected the number of gateways, such as 3"),
    "VITRINE_TRACES_URL": ("here", "write http://HOST:4318"),
    "VITRINE_TLS_CLIENT_CA": ("ca.pem", "VITRINE_TLS_CLIENT_CA needs VITRINE_TLS_CERT"),
}


@pytest.mark.parametrize("variable", WRONG)
def test_each_kind_of_setting(monkeypatch, variable):
    """A line each, with the name and what is expected, and not in pydantic's words."""
    value, said = WRONG[variable]
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError) as caught:
        checked_settings()
    (line,) = str(caught.value).splitlines()
    assert said in line
    assert "Input should be" not in line
    assert "Value error" not in line


def test_several_at_once(monkeypatch):
    """All are told, so that nobody starts as often as there are mistakes."""
    monkeypatch.setenv("VITRINE_PORT", "eighty")
    monkeypatch.setenv("VITRINE_WORKERS", "0")
    with pytest.raises(SettingsError) as caught:
        checked_settings()
    assert [line.partition("=")[0] for line in str(caught.value).splitlines()] == [
        *("VITRINE_PORT", "VITRINE_WORKERS")
    ]


def test_the_model_server_follows_the_port(monkeypatch):
    """By the rule that clients have, unless it is named."""
    assert checked_settings().upstream.model_server == ("127.0.0.1:8500",)
    monkeypatch.setenv("VITRINE_PORT", "9000")
    assert checked_settings().upstream.model_server == ("127.0.0.1:9420",)
    monkeypatch.setenv("VITRINE_GRPC_PORT", "7000")
    assert checked_settings().upstream.model_server == ("127.0.0.1:7000",)
    monkeypatch.setenv("VITRINE_MODEL_SERVER", "a:1, b:2")
    assert checked_settings().upstream.model_server == ("a:1", "b:2")


def test_no_port_is_left_for_the_model_server(monkeypatch):
    """One sentence that says what to set, and nothing where that is named."""
    monkeypatch.setenv("VITRINE_PORT", "65400")
    with pytest.raises(SettingsError, match="set VITRINE_GRPC_PORT, or take a port up to 65114"):
        checked_settings()
    monkeypatch.setenv("VITRINE_MODEL_SERVER", "there:8500")
    assert checked_settings().server.port == 65400
