"""Completion of model names and version labels: what the shell is answered on Tab."""

import pytest
from click.testing import CliRunner

from harness.ports import free_port
from tests.client.cli_gateway import answering
from tests.client.fake_gateway import FakeGateway, Reply
from tests.client.served_labels import write_config
from vitrine_client.cli import completion_values, main


@pytest.fixture(scope="module")
def gateway():
    with FakeGateway(answering) as running:
        yield running


def completed(words: str, **environment: str) -> list[str]:
    """What bash is offered for the last of `words`, which may be begun."""
    asked = {"COMP_WORDS": words, "COMP_CWORD": str(len(words.split(" ")) - 1)}
    script = asked | {"_VITRINE_COMPLETE": "bash_complete"}
    done = CliRunner().invoke(main, env=script | environment, prog_name="vitrine")
    assert done.stderr == ""
    return [line.partition(",")[2] for line in done.stdout.splitlines() if line]


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ("vitrine predict --model ", ["linear", "mlp"]),
        ("vitrine predict --model m", ["mlp"]),
        ("vitrine explain --model li", ["linear"]),
        ("vitrine status ", ["linear", "mlp"]),
        ("vitrine metadata m", ["mlp"]),
        ("vitrine drift ", ["linear", "mlp"]),
        ("vitrine predict --label ", ["canary", "stable"]),
        ("vitrine predict --model mlp --label s", ["stable"]),
        ("vitrine predict --model linear --label ", []),
        ("vitrine metadata mlp --label c", ["canary"]),
    ],
)
def test_names_that_the_gateway_has(gateway, words, names):
    """Those that begin as the word does, from the gateway that the variable or the option names."""
    assert completed(words, VITRINE_URL=gateway.url) == names
    command, subcommand, *rest = words.split(" ")
    named = " ".join([command, subcommand, "--url", gateway.url, *rest])
    assert completed(named) == names


def test_models_of_the_file(tmp_path):
    """`promote` and `rollback` complete what is in models.config."""
    config = write_config(tmp_path)
    assert completed(f"vitrine promote --config {config} m") == ["mlp"]
    assert completed("vitrine rollback ", VITRINE_MODELS_DIR=str(tmp_path)) == ["mlp"]
    assert completed("vitrine promote ", VITRINE_MODELS_DIR=str(tmp_path / "none")) == []


def test_nobody_there():
    """Nothing is completed, and nothing said."""
    assert completed("vitrine status ", VITRINE_URL=f"http://127.0.0.1:{free_port()}") == []
    assert completed("vitrine status ", VITRINE_URL="no address") == []


def test_a_gateway_that_is_slow():
    """It is asked once, and not waited for any longer than who presses Tab would."""
    with FakeGateway(lambda _: Reply(content=b" " * 400, drip_s=0.05)) as gateway:
        assert completed("vitrine status ", VITRINE_URL=gateway.url) == []
        assert len(gateway.asked) == 1
    assert completion_values.TIMEOUT_S <= 1
