"""`vitrine loadtest --as v2`, `v2-binary` and `v2-grpc`: servers of the Open Inference Protocol."""

import json

import grpc
import pytest
from click.testing import CliRunner, Result

from harness.certificates import make_ca, make_certificate
from harness.paths import SAMPLES
from tests.client.fake_load_lab import PICTURE, FakeRun, request
from tests.client.open_inference.fake_v2_grpc_server import v2_grpc_server
from tests.client.open_inference.fake_v2_server import v2_server
from vitrine_client.cli import main
from vitrine_client.cli.loadtest.lab import LoadLab

PICTURES = [str(path) for path in SAMPLES[:3]]
VARIABLES = ("VITRINE_URL", "VITRINE_PORT", "VITRINE_V2_GRPC_PORT", "VITRINE_TLS_CERT")


@pytest.fixture(autouse=True)
def no_addresses(monkeypatch):
    """No variable names a server."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


def loaded(url: str, *words: str) -> Result:
    shown = ["loadtest", "closed", *PICTURES, "-n", "12", "--concurrency=2", "--url", url]
    return CliRunner().invoke(main, [*shown, "--processes=1", *words])


@pytest.mark.parametrize(("way", "kind"), [("v2", "kserve"), ("v2-binary", "triton")])
def test_a_load_over_http(way: str, kind: str, tmp_path):
    """A whole one, before servers that answer nothing else; what is assumed is noted once."""
    with v2_server(kind) as server:
        done = loaded(server.url, f"--as={way}", "--json", str(tmp_path / "a.json"))
        addresses = {each.path for each in server.asked}
    assert done.exit_code == 0, done.output
    assert "12 of 12" in done.stdout
    assert "Open Inference" in done.stdout
    assert done.stderr.count("assumed; --profile FILE tells otherwise") == 1
    assert "photo is not served here, so mlp is asked" in done.stderr
    assert json.loads((tmp_path / "a.json").read_text())["about"]["plan"]["target"]["kind"] == way
    assert addresses - {"/v1/models/mlp/profile"} == {
        "/v2/models/photo",
        "/v2/models/mlp",
        "/v2/models/mlp/infer",
    }


def test_a_load_over_grpc():
    with v2_grpc_server() as server:
        done = loaded(f"grpc://{server.address}", "--as=v2-grpc", "--model=mlp", "-q")
        assert (done.exit_code, done.output) == (0, "")
        inferences = len(server.metadata)
    assert inferences >= 12


def test_grpc_with_tls(tmp_path):
    """By the CA that is named, and no other; `predict` does the same."""
    ca = make_ca(tmp_path)
    own = make_certificate(tmp_path, "server", ca, "127.0.0.1")
    pair = (own.key.read_bytes(), own.cert.read_bytes())
    with v2_grpc_server(grpc.ssl_server_credentials([pair])) as server:
        words = [f"--url=grpcs://{server.address}", "--model=mlp", "--timeout-s=2"]
        done = loaded(words[0][6:], "--as=v2-grpc", *words[1:], f"--ca={ca.cert}")
        assert (done.exit_code, "12 of 12" in done.stdout) == (0, True), done.output
        for wrong in ([], ["--ca", str(make_ca(tmp_path, "other").cert)]):
            done = CliRunner().invoke(main, ["predict", "--as=v2", *words, *wrong, PICTURE])
            assert (done.exit_code, "No server answers by gRPC" in done.stderr) == (2, True)
        done = CliRunner().invoke(main, ["predict", "--as=v2", *words, f"--ca={ca.cert}", PICTURE])
    assert done.exit_code == 0, done.output


def test_a_server_that_takes_no_binary_data():
    """Another way is named."""
    with v2_server("mlserver") as server:
        done = loaded(server.url, "--as=v2-binary", "--model=mlp")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "a server without binary data takes --as v2" in done.stderr


@pytest.mark.parametrize("words", [("search", "--slo=p99=50ms"), ("sweep",)])
def test_searches(words: tuple[str, ...], capsys):
    """The server is asked what its model takes once, for all loads."""
    task, *more = words
    run = FakeRun()
    with v2_server() as server:
        asked = request(task, PICTURE, *more, "--as=v2-binary", f"--url={server.url}")
        LoadLab(asked, run=run).carry_out()
        paths = [each.path for each in server.asked]
    assert paths.count("/v2/models/mlp") == 1
    assert {plan.target.kind for plan in run.plans} == {"v2-binary"}
    assert len(run.plans) > 2
    assert capsys.readouterr().err.count("assumed; --profile") == 1


def test_a_profile_of_a_file(tmp_path):
    """It says how pictures are made, so that less is assumed."""
    (tmp_path / "it.json").write_text('{"scaling": "0..255", "polarity": "as is"}')
    with v2_server() as server:
        done = loaded(server.url, "--as=v2", "--model=mlp", f"--profile={tmp_path / 'it.json'}")
        sent = server.inferences[0].content["inputs"][0]["data"]
    assert (done.exit_code, max(sent) > 1) == (0, True)
    assert "mlp: fit item, resize bilinear assumed" in done.stderr


TARGETS = {
    "HTTP": (["--as=v2", "--url=http://triton:8000/"], "v2", "http://triton:8000"),
    "the gateway's": (["--as=v2-binary"], "v2-binary", "http://127.0.0.1:8080"),
    "REST": (["--as=v2", "--model-server=http://there:1"], "v2", "http://there:1"),
    "gRPC": (["--as=v2-grpc", "--url=grpc://triton:8001"], "v2-grpc", "grpc://triton:8001"),
    "TLS": (["--as=v2-grpc", "--url=grpcs://triton:8001"], "v2-grpc", "grpcs://triton:8001"),
    "a model server": (["--as=v2-grpc", "--model-server=there:8500"], "v2-grpc", "there:8500"),
    "the gateway's gRPC": (["--as=v2-grpc"], "v2-grpc", "grpc://127.0.0.1:8081"),
}


@pytest.mark.parametrize(("words", "kind", "address"), TARGETS.values(), ids=TARGETS)
def test_targets(words: list[str], kind: str, address: str):
    target = request("closed", PICTURE, *words).target()
    assert (target.kind, target.address) == (kind, address)


def test_the_port_of_a_gateway_s_grpc(monkeypatch):
    """It follows from the gateway's, unless it is set."""
    monkeypatch.setenv("VITRINE_PORT", "9000")
    assert request("closed", PICTURE, "--as=v2-grpc").target().address == "grpc://127.0.0.1:9001"
    monkeypatch.setenv("VITRINE_V2_GRPC_PORT", "7000")
    assert request("closed", PICTURE, "--as=v2-grpc").target().address == "grpc://127.0.0.1:7000"
    monkeypatch.setenv("VITRINE_TLS_CERT", "cert.pem")
    assert request("closed", PICTURE, "--as=v2-grpc").target().address == "grpcs://127.0.0.1:7000"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--as=v2-grpc", "--url=http://there:1"], "give --url grpc://HOST:PORT"),
        (["--as=v2", "--url=grpc://there:1"], "is an address of gRPC, which --as v2-grpc asks"),
        (["--url=grpc://there:1"], "is an address of gRPC, which --as v2-grpc asks"),
        (["--as=v2", "--model-server=there:1"], "--as v2 asks over HTTP: give --url"),
        (["--as=v2", "--label=stable"], "no version labels"),
        (["--as=v2", "--swap-model=models"], "leave out --as"),
        (["--as=npy", "--model-server=there:1"], "a model server is sent pixels"),
        (["--as=v2-grpc", "--no-keep-alive"], "are for HTTP"),
        (["--as=v2-grpc", "--header=X-Ü: a"], "no header"),
        (["--as=v2-grpc", "--header=grpc-x: a"], "none that gRPC takes"),
        (["--as=v2-grpc", "--url=grpc://there:1", "--ca=x.pem"], "no TLS with grpc://"),
        (["--as=v2-grpc", "--url=grpc://there"], "write grpc://HOST:PORT"),
        (["--as=v2", "--profile=/nowhere.json"], "nowhere.json"),
        ([f"--profile={PICTURE}"], "can't decode byte"),
    ],
)
def test_wrong_usage(words: list[str], told: str):
    """Nothing is sent."""
    done = CliRunner().invoke(main, ["loadtest", "closed", str(PICTURE), "--model=mlp", *words])
    assert (done.exit_code, done.stdout) == (2, "")
    assert told in done.stderr


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("VITRINE_URL", "http://there:8080", "give --url grpc://HOST:PORT"),
        ("VITRINE_V2_GRPC_PORT", "0", "give --url grpc://HOST:PORT"),
        ("VITRINE_V2_GRPC_PORT", "many", "VITRINE_V2_GRPC_PORT='many' is no port"),
    ],
)
def test_variables_that_name_no_port_of_grpc(name: str, value: str, told: str, monkeypatch):
    """One has to be given."""
    monkeypatch.setenv(name, value)
    done = CliRunner().invoke(main, ["loadtest", "closed", str(PICTURE), "--as=v2-grpc"])
    assert (done.exit_code, told in done.stderr) == (2, True), done.stderr
