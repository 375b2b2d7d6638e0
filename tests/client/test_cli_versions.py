"""`vitrine promote` and `rollback`, on the embedded model server's own API."""

import json
import os
import stat
import threading
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from click.testing import CliRunner, Result

import vitrine_client
from harness.fake_model_server import Call, FakeModelServer
from harness.ports import free_port
from tests.client.served_labels import HEAD, Served, serving, write_config
from tests.serving.fake_models import FakeLoader, publish, remove
from vitrine_client import errors
from vitrine_client.cli import main
from vitrine_client.store.model_configs import ModelConfigs
from vitrine_client.store.version_labels import Promotion
from vitrine_client.tfserving import wire_pb2 as wire


@pytest.fixture
def load() -> FakeLoader:
    """Loads at once, unless a test says otherwise."""
    return FakeLoader()


@pytest.fixture
def served(tmp_path, load):
    """A server of mlp/1, by the policy that files have: the newest version alone."""
    with serving(write_config(tmp_path), load) as running:
        yield running


def vitrine(served: Served, *words: str, **environment: str) -> Result:
    command = [*words, "--config", str(served.config), "--model-server", served.address]
    return CliRunner().invoke(main, command, env=environment)


def refused(served: Served, *words: str, exit_code: int = 1) -> str:
    """What a command says that is refused, and leaves the file as it was."""
    before = served.config.read_bytes()
    done = vitrine(served, *words)
    assert (done.exit_code, done.stdout) == (exit_code, ""), done.output
    assert served.config.read_bytes() == before
    assert [path.name for path in served.config.parent.glob(".*.unfinished")] == []
    return done.stderr


def test_promote_and_roll_back(served):
    """A label follows the command at once, and so does the file; while newer versions come, what
    it names goes on answering, and there is a way back, once for each promotion."""
    done = vitrine(served, "promote", "mlp", "1")
    assert (done.exit_code, done.stdout) == (0, "mlp: stable is version 1\n"), done.output
    assert "All versions of mlp are served" in done.stderr
    served.publish(2)
    served.reach(v2="AVAILABLE", v1="AVAILABLE")
    assert served.labelled() == 1
    done = vitrine(served, "promote", "mlp", "2")
    assert (done.stdout, done.stderr) == ("mlp: stable is version 2 (was 1)\n", "")
    assert served.labelled() == 2
    assert served.config.read_text().startswith(f'{HEAD}# label stable of "mlp": 2 <- 1\n')
    done = vitrine(served, "rollback", "mlp")
    assert (done.exit_code, done.stdout) == (0, "mlp: stable is version 1 (was 2)\n")
    assert served.labelled() == 1
    assert "vitrine promote mlp VERSION" in refused(served, "rollback", "mlp")
    assert served.labelled() == 1


def test_labels_are_there_after_a_restart(served, load):
    """Another server that is started with the file has them, each with a history of its own."""
    vitrine(served, "promote", "mlp", "1")
    served.publish(2)
    served.reach(v2="AVAILABLE", v1="AVAILABLE")
    vitrine(served, "promote", "mlp", "2", "--label", "canary")
    with serving(served.config, load) as again:
        assert (again.labelled("stable"), again.labelled("canary")) == (1, 2)
        assert "of mlp for canary" in refused(again, "rollback", "mlp", "--label", "canary")


def test_the_same_again_repairs(served):
    """Who was interrupted after the file was written asks again: the server is told, the history
    is as it was."""
    vitrine(served, "promote", "mlp", "1")
    written = served.config.read_text()
    with serving(write_config(served.base.parent / "other")) as other:
        other.config.write_text(written)
        done = vitrine(other, "promote", "mlp", "1")
        assert (done.exit_code, other.labelled()) == (0, 1), done.output
        assert other.config.read_text() == written


def test_versions_that_are_not_there(served, load):
    """Never published, or broken: each is refused with what to do."""
    told = refused(served, "promote", "mlp", "9")
    assert "Version 9 of mlp" in told
    assert f"is not published (1 is, in {served.base})" in told
    assert "all {}" not in told
    (served.base / ".retired-8").mkdir()
    told = refused(served, "promote", "mlp", "8")
    assert "was rolled back (`vitrine-train rollback mlp --undo` publishes it again)" in told
    load.gates[2] = threading.Event()
    served.publish(2)
    served.reach(v2="LOADING", v1="AVAILABLE")
    load.gates[2].set()
    served.reach(v2="AVAILABLE", v1="END")
    served.publish(3, broken=True)
    served.reach(v3="END", v2="AVAILABLE", v1="END")
    assert "no graph); publish one that can" in refused(served, "promote", "mlp", "3")


def test_a_version_that_is_published_is_loaded(served):
    """The newest alone is served: the one before is loaded for its label, and both stay."""
    served.publish(2)
    served.reach(v2="AVAILABLE", v1="END")
    done = vitrine(served, "promote", "mlp", "1")
    assert (done.exit_code, done.stdout) == (0, "mlp: stable is version 1\n"), done.output
    assert served.states() == {1: "AVAILABLE", 2: "AVAILABLE"}
    assert served.labelled() == 1


def test_a_version_that_is_being_loaded_is_waited_for(served, load):
    """Who promotes what was just published need not try again."""
    load.gates[2] = threading.Event()
    served.publish(2)
    served.reach(v2="LOADING", v1="AVAILABLE")
    with ThreadPoolExecutor() as threads:
        promoted = threads.submit(vitrine, served, "promote", "mlp", "2")
        load.gates[2].set()
        assert promoted.result(30).exit_code == 0
    assert served.labelled() == 2


def test_a_version_that_cannot_be_loaded_changes_nothing(served, load):
    """Where the older one turns out to be broken, file and server are as they were."""
    served.publish(2)
    served.reach(v2="AVAILABLE", v1="END")
    load.errors[1] = ValueError("no graph")
    told = refused(served, "promote", "mlp", "1")
    assert "could not be loaded" in told
    served.reach(v2="AVAILABLE", v1="END")


def test_what_is_said_of_a_version_that_is_not_loaded():
    """Only what helps: no policy where all versions are served already, and no claim on what is
    published where that is not seen from here."""
    config = 'model_config_list { config { name: "mlp" base_path: "/models/%s" %s } }'
    latest = ModelConfigs.parse((config % ("none-here", "")).encode())
    told = latest.unloaded("mlp", 77, (3, 2, 1))
    assert told.startswith("is not loaded (3, 2 and 1 are); have models.config say")
    everything = config % ("none-here", "model_version_policy { all {} }")
    told = ModelConfigs.parse(everything.encode()).unloaded("mlp", 77, (2, 1))
    assert told == "is not loaded (2 and 1 are); is it published?"
    assert latest.unloaded("mlp", 77, ()).startswith("is not loaded (none is)")


def test_no_way_back_to_what_is_gone(served):
    """What the label named before was deleted: it stays where it is."""
    vitrine(served, "promote", "mlp", "1")
    served.publish(2)
    served.reach(v2="AVAILABLE", v1="AVAILABLE")
    vitrine(served, "promote", "mlp", "2")
    remove(served.base, 1)
    served.repository.refresh()
    served.reach(v2="AVAILABLE", v1="END")
    assert "Version 1 of mlp" in refused(served, "rollback", "mlp")
    assert served.labelled() == 2


def test_a_server_that_refuses(tmp_path):
    """The file is put back to the byte; what the server says is in the message."""
    with serving(write_config(tmp_path)) as served:
        text = served.config.read_text().rstrip().removesuffix("}")
        served.config.write_text(
            f'{text}\n config {{ name: "mlp" base_path: "/b" model_platform: "tensorflow" }} }}'
        )
        told = refused(served, "promote", "mlp", "1")
    assert "refuses it, and all is as it was" in told
    assert "Illegal to list model mlp multiple times" in told


def knowing(*models: str):
    """Says that version 1 of these is there, and takes any configuration."""

    def answer(call: Call, context: grpc.ServicerContext) -> bytes:
        if "GetModelStatus" not in call.method:
            return wire.ReloadConfigResponse().SerializeToString()
        if wire.GetModelStatusRequest.FromString(call.request).model_spec.name not in models:
            context.abort(grpc.StatusCode.NOT_FOUND, "Could not find any versions of that model")
        response = wire.GetModelStatusResponse()
        response.model_version_status.add(version=1, state="AVAILABLE")
        return response.SerializeToString()

    return answer


@pytest.mark.parametrize("there", [("mlp",), ("mlp", "photo")], ids=str)
def test_models_without_a_version_are_not_told(served, there):
    """TensorFlow Serving would wait for them, and answer no other reload; the file keeps them."""
    text = served.config.read_text().rstrip().removesuffix("}")
    entry = 'config { name: "photo" base_path: "/models/photo" model_platform: "tensorflow" }'
    served.config.write_text(f"{text} {entry} }}")
    with FakeModelServer(knowing(*there)) as server:
        words = ["promote", "mlp", "1", "--config", str(served.config)]
        done = CliRunner().invoke(main, [*words, "--model-server", server.address])
        assert done.exit_code == 0, done.output
        (told,) = [call for call in server.calls if "Reload" in call.method]
    configs = wire.ReloadConfigRequest.FromString(told.request).config.model_config_list.config
    assert [each.name for each in configs] == list(there)
    assert dict(configs[0].version_labels) == {"stable": 1}
    assert 'name: "photo"' in served.config.read_text()


def test_nobody_there(served):
    """Exit code 2, and whom it asked."""
    address = f"127.0.0.1:{free_port()}"
    before = served.config.read_bytes()
    words = ["promote", "mlp", "1", "--config", str(served.config), "--model-server", address]
    done = CliRunner().invoke(main, words)
    assert (done.exit_code, done.stdout) == (2, "")
    assert address in done.stderr
    assert served.config.read_bytes() == before


def contrary(call: Call, context: grpc.ServicerContext) -> bytes:
    """Says that mlp/1 and mlp/2 are there, and takes no configuration."""
    if "GetModelStatus" not in call.method:
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, "not today")
    response = wire.GetModelStatusResponse()
    for version in (1, 2):
        response.model_version_status.add(version=version, state="AVAILABLE")
    return response.SerializeToString()


def test_several_servers_follow_or_none(served, tmp_path):
    """As the gateway's own variable names them. If the second refuses, the first is told to go
    back."""
    with serving(write_config(tmp_path / "second")) as second, FakeModelServer(contrary) as no:
        for server in (served, second):
            publish(server.base, 2)
        words = ["--config", str(served.config)]
        both = {"VITRINE_MODEL_SERVER": f"{served.address}, {second.address}"}
        done = CliRunner().invoke(main, ["promote", "mlp", "1", *words], env=both)
        assert done.exit_code == 0, done.output
        assert (served.labelled(), second.labelled()) == (1, 1)
        served.repository.refresh()
        served.reach(v2="AVAILABLE", v1="AVAILABLE")
        before = served.config.read_bytes()
        one = {"VITRINE_MODEL_SERVER": f"{served.address},{no.address}"}
        done = CliRunner().invoke(main, ["promote", "mlp", "2", *words], env=one)
    assert (done.exit_code, done.stdout) == (1, "")
    assert "not today" in done.stderr
    assert served.labelled() == 1
    assert served.config.read_bytes() == before


def test_a_policy_that_names_versions(tmp_path):
    """It stays, and says no to what it leaves out."""
    policy = "model_version_policy { specific { versions: 1 } }"
    with serving(write_config(tmp_path, policy)) as served:
        assert vitrine(served, "promote", "mlp", "1").stderr == ""
        served.publish(2)
        assert served.states() == {1: "AVAILABLE"}
        assert "add `versions: 2` there" in refused(served, "promote", "mlp", "2")


def test_no_such_model(served):
    """Exit code 1, with those that the file has."""
    for words in (["promote", "linear", "1"], ["rollback", "linear"]):
        assert "no model linear; it has mlp" in refused(served, *words)


def test_which_versions_there_are(served):
    """Several are enumerated."""
    served.publish(2)
    served.reach(v2="AVAILABLE", v1="END")
    served.publish(3)
    served.reach(v3="AVAILABLE", v2="END", v1="END")
    assert "is not published (3, 2 and 1 are, in" in refused(served, "promote", "mlp", "9")


def test_json(served):
    """An object on standard output; the note stays on the other."""
    done = vitrine(served, "promote", "mlp", "1", "--json")
    assert json.loads(done.stdout) == {
        "model": "mlp",
        "label": "stable",
        "version": 1,
        "was": None,
        "keeps_all": True,
    }
    assert "All versions of mlp are served" in done.stderr
    served.publish(2)
    served.reach(v2="AVAILABLE", v1="AVAILABLE")
    vitrine(served, "promote", "mlp", "2")
    back = json.loads(vitrine(served, "rollback", "mlp", "--json").stdout)
    assert (back["version"], back["was"], back["keeps_all"]) == (1, 2, False)


def test_the_library_does_the_same(served):
    """`vitrine_client.promote` and `rollback` move labels, and raise what the commands say."""
    where = {"config": served.config, "model_servers": [served.address]}
    moved = vitrine_client.promote("mlp", 1, **where)
    assert moved == Promotion("mlp", "stable", 1, None, keeps_all=True)
    served.publish(2)
    served.reach(v2="AVAILABLE", v1="AVAILABLE")
    assert vitrine_client.promote("mlp", 2, label="canary", **where).was is None
    vitrine_client.promote("mlp", 2, **where)
    assert vitrine_client.rollback("mlp", **where).to_dict()["version"] == 1
    assert (served.labelled(), served.labelled("canary")) == (1, 2)
    before = served.config.read_bytes()
    with pytest.raises(errors.LabelNotMoved, match="Version 9 of mlp"):
        vitrine_client.promote("mlp", 9, **where)
    with pytest.raises(errors.LabelNotMoved, match="records no earlier version of mlp for canary"):
        vitrine_client.rollback("mlp", label="canary", **where)
    with pytest.raises(errors.NotFound, match="no model nope"):
        vitrine_client.promote("nope", 1, **where)
    with pytest.raises(errors.InvalidRequest, match="no spaces"):
        vitrine_client.promote("mlp", 1, label="a b", **where)
    with pytest.raises(FileNotFoundError, match="was started with"):
        vitrine_client.promote("mlp", 1, config=served.base / "none" / "models.config")
    assert served.config.read_bytes() == before


@pytest.mark.skipif(os.geteuid() != 0, reason="root alone gives files away")
def test_the_file_keeps_its_owner(served):
    """Root moves a label of a file that the server's user owns, who reads it again."""
    os.chown(served.config, 12345, 12346)
    served.config.chmod(0o600)
    assert vitrine(served, "promote", "mlp", "1").exit_code == 0
    found = served.config.stat()
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (12345, 12346, 0o600)


@pytest.mark.parametrize("content", [b"\xff\x00", b"model_config_list {", b"no: 1"])
def test_garbage(served, content):
    """A file that makes no sense is named, and left alone; the server hears nothing."""
    served.config.write_bytes(content)
    told = refused(served, "promote", "mlp", "1")
    assert f"{served.config} is no ModelServerConfig" in told


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["promote", "mlp", "one"], "'one' is not a valid"),
        (["promote", "mlp", "-1"], "-1"),
        (["promote", "mlp", str(2**63)], str(2**63)),
        (["promote", "mlp"], "VERSION"),
        (["promote", "mlp", "1", "--label", "a b"], "no spaces"),
        (["promote", "mlp", "1", "--label", ""], "no spaces"),
        (["promote", "mlp", "1", "--label", "a/b"], "no spaces"),
    ],
)
def test_wrong_usage(served, words, hint):
    """Exit code 2 with what is wrong."""
    assert hint in refused(served, *words, exit_code=2)


@pytest.mark.parametrize("words", [["promote", "linear", "1"], ["rollback", "linear"]])
def test_a_model_that_the_file_does_not_have(served, words):
    """Exit code 1, and which there are."""
    assert "no model linear; it has mlp" in refused(served, *words)


def test_no_file(served, tmp_path):
    """It is looked for where models are published, and the message says which it has to be."""
    for where in ({"VITRINE_MODELS_DIR": str(tmp_path / "none")}, {"VITRINE_MODELS_DIR": ""}):
        done = CliRunner().invoke(main, ["promote", "mlp", "1"], env=where)
        assert (done.exit_code, done.stdout) == (2, "")
        assert "models.config" in done.stderr
        assert "was started with" in done.stderr
    words = ["promote", "mlp", "1", "--model-server", served.address]
    done = CliRunner().invoke(main, words, env={"VITRINE_MODELS_DIR": str(tmp_path)})
    assert (done.exit_code, served.labelled()) == (0, 1), done.output


def test_the_file_stays_readable_for_the_server(served):
    """Which may run as somebody else, as in the containers."""
    served.config.chmod(0o644)
    vitrine(served, "promote", "mlp", "1")
    assert stat.S_IMODE(served.config.stat().st_mode) == 0o644
