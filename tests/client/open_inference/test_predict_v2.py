"""`vitrine predict --as v2`, before servers that answer as those of the field."""

import json

import numpy as np
import pytest
from click.testing import CliRunner, Result

from harness.paths import SAMPLES
from harness.ports import free_port
from tests.client.open_inference.fake_v2_grpc_server import v2_grpc_server
from tests.client.open_inference.fake_v2_server import LABELS, Reply, json_reply, spec, v2_server
from vitrine_client.cli import main
from vitrine_client.images import to_instance
from vitrine_client.open_inference.messages import V2Tensor

PICTURES = [str(path) for path in SAMPLES[:3]]
EXPECTED = [int((to_instance(path) / 255).sum(axis=1)[:10].argmax()) for path in PICTURES]
SERVERS = ("triton", "mlserver", "kserve", "vitrine")

REPORT = {
    "model": "mlp",
    "version": "2",
    "profile": {
        **{"signature": "serving_default", "input": "images", "shape": [28, 28]},
        **{"dtype": "float32", "scaling": "0..1", "mean": [], "std": [], "polarity": "as is"},
        **{"fit": "item", "resize": "bilinear", "output": "probabilities"},
        **{"kind": "probabilities", "batchable": True, "sources": {"kind": "describe"}},
        "labels": list(LABELS),
    },
    "assumptions": [],
}


def predict(url: str, *words: str, model: str = "mlp") -> Result:
    named = ["--model", model] if model else []
    return CliRunner().invoke(main, ["predict", "--as", "v2", "--url", url, *named, *words])


def lines(done: Result) -> list[dict]:
    assert done.exit_code == 0, done.output
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture
def triton():
    with v2_server("triton") as running:
        yield running


@pytest.mark.parametrize("kind", SERVERS)
def test_predictions(kind: str):
    """Each picture has its class from every server, with its label where the server has labels;
    the version is 0 where the server names none."""
    with v2_server(kind) as server:
        found = lines(predict(server.url, *PICTURES, "--json", "--batch-size=2"))
    assert [each["class_id"] for each in found] == EXPECTED
    labelled = kind in ("triton", "vitrine")
    assert [each["label"] for each in found] == [
        LABELS[class_id] if labelled else str(class_id) for class_id in EXPECTED
    ]
    assert {each["version"] for each in found} == {0 if kind == "kserve" else 2}
    assert all(each["box"] for each in found)


def test_no_version_is_shown_where_the_server_names_none():
    with v2_server("kserve") as server:
        done = predict(server.url, PICTURES[0])
    assert done.stdout.splitlines()[1].endswith("mlp")


def test_assumptions_are_noted(triton):
    """As no such server says how pixels are scaled."""
    done = predict(triton.url, PICTURES[0])
    assert "mlp: fit item, scaling 0..1" in done.stderr
    assert "assumed; --profile FILE tells otherwise" in done.stderr


def test_binary_data_first(triton):
    """A server that says it takes them is sent binary tensors alone, and answers them."""
    lines(predict(triton.url, *PICTURES, "--json"))
    assert all(each.is_binary for each in triton.inferences)
    assert {each.headers["content-type"] for each in triton.inferences} == {
        "application/octet-stream"
    }


def test_json_where_binary_data_is_refused():
    """Once; a note says so."""
    with v2_server("mlserver") as server:
        done = predict(server.url, *PICTURES, "--json", "--batch-size=1")
    assert [each.is_binary for each in server.inferences] == [True, *[False] * 4]
    assert "takes no binary data, and is sent JSON" in done.stderr


def test_labels_of_a_file(tmp_path):
    """They are first; without any, classes are numbers, and a note says so."""
    names = tmp_path / "names.txt"
    names.write_text("\n".join(f"name {n}" for n in range(10)))
    for kind in SERVERS:
        with v2_server(kind) as server:
            found = lines(predict(server.url, PICTURES[0], "--json", "--labels", str(names)))
            assert found[0]["label"] == f"name {EXPECTED[0]}"
    with v2_server("kserve") as server:
        assert "nothing names its classes; --labels" in predict(server.url, *PICTURES).stderr
        names.write_text("one\ntwo\n")
        done = predict(server.url, PICTURES[0], "--labels", str(names))
    assert (done.exit_code, "answers 10 classes, and 2 are named" in done.stderr) == (1, True)


def test_a_gateway_says_how_pictures_are_made():
    """Nothing is assumed, nothing tried, and labels are its own."""
    with v2_server("vitrine") as server:
        server.profile = REPORT
        done = predict(server.url, *PICTURES, "--json")
        assert [each["label"] for each in lines(done)] == [LABELS[n] for n in EXPECTED]
        assert done.stderr == ""
        assert len(server.inferences) == 1
        server.profile = {**REPORT, "profile": None, "reason": "it takes rows of prices"}
        done = predict(server.url, *PICTURES)
    assert done.exit_code == 1
    assert "No picture can be sent to mlp: it takes rows of prices" in done.stderr


def test_a_profile_of_a_file(triton, tmp_path):
    """It says what the server does not: here the scaling, and that the answers are logits."""
    told = tmp_path / "it.json"
    told.write_text('{"scaling": "0..255", "kind": "logits"}')
    found = lines(predict(triton.url, PICTURES[0], "--json", "--profile", str(told)))
    request = triton.inferences[-1]
    numbers = np.frombuffer(request.body[len(request.body) - 4 * 28 * 28 :], "<f4")
    assert numbers.max() > 1
    assert max(found[0]["probabilities"].values()) < 0.2  # of shares, the softmax is even
    told.write_text('{"scaling": "hot"}')
    done = predict(triton.url, PICTURES[0], "--profile", str(told))
    assert (done.exit_code, "`scaling`" in done.stderr) == (2, True)
    told.write_bytes(b"\xff")
    assert predict(triton.url, PICTURES[0], "--profile", str(told)).exit_code == 2
    told.write_text('{"shape": [14, 14]}')
    done = predict(triton.url, PICTURES[0], "--profile", str(told))
    assert (done.exit_code, "profile.json: `shape`: [14, 14] is not" in done.stderr) == (1, True)


def by_first_bytes(request) -> list[V2Tensor]:
    """Answers a picture by its file's length; one that begins with b is broken."""
    files = request.inputs[0].array.ravel().tolist()
    shares = np.zeros((len(files), 10), np.float32)
    for row, file in zip(shares, files, strict=True):
        if not file.startswith(b"\x89PNG"):
            raise OSError("image 0: no picture")
        row[len(file) % 10] = 1
    return [V2Tensor("probabilities", "FP32", shares)]


@pytest.mark.parametrize("kind", ["vitrine", "mlserver"])
def test_files_are_sent_as_they_are(kind: str, tmp_path):
    """Where the model has an input for them; as base64 in JSON."""
    with v2_server(kind) as server:
        server.inputs.append(spec("image_bytes", "BYTES", -1))
        server.infer = by_first_bytes
        found = lines(predict(server.url, *PICTURES, "--json"))
        asked = server.inferences[-1].content["inputs"]
        assert [each["class_id"] for each in found] == [
            path.stat().st_size % 10 for path in SAMPLES[:3]
        ]
        assert [each["name"] for each in asked] == ["image_bytes"]
        server.infer, server.asked[:] = fake_pixels, []
        lines(predict(server.url, PICTURES[0], "--json", "--local"))
        lines(predict(server.url, PICTURES[0], "--json", "--box=0,0,28,28"))
        names = {each.content["inputs"][0]["name"] for each in server.inferences}
    assert names == {"images"}


def fake_pixels(request) -> list[V2Tensor]:
    return [V2Tensor("probabilities", "FP32", np.eye(10, dtype=np.float32)[:1])]


def test_a_file_that_the_server_cannot_read():
    """Has its error in its row, and the others have their predictions."""
    with v2_server("vitrine") as server:
        server.inputs = [spec("image_bytes", "BYTES", -1)]
        reply = server.reply

        def refusing(asked):
            if b"broken" in asked.body:
                server.asked.append(asked)
                return json_reply({"error": "image 1: no picture"}, 400)
            return reply(asked)

        server.reply = refusing
        server.infer = by_first_bytes
        done = CliRunner().invoke(
            main,
            [
                "predict",
                "--as=v2",
                f"--url={server.url}",
                "--model=mlp",
                "--json",
                PICTURES[0],
                "-",
            ],
            input=b"broken",
        )
    good, bad = map(json.loads, done.stdout.splitlines())
    assert ("label" in good, bad["error"]) == (True, "image 1: no picture")
    assert done.exit_code == 1


def test_grpc():
    """The same over gRPC, with the key as metadata; the server's errors in its words."""
    with v2_grpc_server() as server:
        url = f"grpc://{server.address}"
        found = lines(predict(url, *PICTURES, "--json", "--key=secret"))
        assert [each["class_id"] for each in found] == EXPECTED
        assert {each.get("x-api-key") for each in server.metadata} == {"secret"}
        done = predict(url, *PICTURES, model="nope")
    assert (done.exit_code, "unknown model" in done.stderr) == (1, True)
    done = predict(url, *PICTURES)
    assert (done.exit_code, f"No server answers by gRPC at {server.address}" in done.stderr) == (
        2,
        True,
    )


def test_without_a_name(triton):
    """The default model, or the next one, or neither."""
    done = predict(triton.url, PICTURES[0], model="")
    assert "photo is not served here, so mlp is asked" in done.stderr
    triton.models = {"resnet"}
    done = predict(triton.url, PICTURES[0], model="")
    assert (done.exit_code, "neither" in done.stderr or "--model names one" in done.stderr) == (
        1,
        True,
    )


NOT_V2 = "is that a server of the Open Inference Protocol"
FAILURES = {
    "FastAPI knows no such address": (json_reply({"detail": "Not Found"}, 404), NOT_V2, 1),
    "a page": (Reply(404, b"<html>no</html>"), NOT_V2, 1),
    "no JSON": (Reply(200, b"hello"), NOT_V2, 1),
    "JSON of something else": (json_reply([1]), NOT_V2, 1),
    "no shapes": (json_reply({"name": "mlp", "inputs": [{"name": "x"}]}), NOT_V2, 1),
    "a redirect": (Reply(307, b"", {"Location": "http://there/v2"}), "leads to http://there/v2", 1),
    "text": (Reply(500, b"Internal Server Error"), "Internal Server Error", 1),
    "an object": (json_reply({"error": {"message": "it broke"}}, 500), "it broke", 1),
    "a problem": (json_reply({"title": "Unauthorized", "detail": "no key"}, 401), "no key", 1),
    "a list": (
        json_reply({"detail": [{"loc": ["body", "id"], "msg": "is no text"}]}, 422),
        "body.id: is no text",
        1,
    ),
    "it is not ready": (json_reply({"error": "Model mlp is not ready yet."}, 503), "not ready", 2),
    "no words": (json_reply({}, 500), "without a reason", 1),
}


@pytest.mark.parametrize(("reply", "words", "exit_code"), FAILURES.values(), ids=FAILURES)
def test_failures(triton, reply: Reply, words: str, exit_code: int):
    """Whatever form an error has, its words are shown, and no more than one line."""
    triton.replies["/v2/models/mlp"] = reply
    done = predict(triton.url, PICTURES[0], "--timeout-s=1")
    assert (done.exit_code, done.stdout) == (exit_code, "")
    assert words in done.stderr


def test_models_that_are_not_there(triton):
    done = predict(triton.url, PICTURES[0], model="nope")
    assert (done.exit_code, "unknown model: 'nope'" in done.stderr) == (1, True)
    done = predict(triton.url, PICTURES[0], "--version=7")
    assert done.exit_code == 1
    assert lines(predict(triton.url, PICTURES[0], "--version=2", "--json"))[0]["version"] == 2
    with v2_server("kserve") as server:
        done = predict(server.url, PICTURES[0], "--version=2")
    assert (done.exit_code, "versioning not supported" in done.stderr) == (1, True)


def test_nobody_there():
    done = predict(f"http://127.0.0.1:{free_port()}", PICTURES[0], "--timeout-s=1")
    assert (done.exit_code, "No server answers at" in done.stderr) == (2, True)
    with v2_grpc_server() as server:
        done = predict(f"http://{server.address}", PICTURES[0], "--timeout-s=1")
    assert (done.exit_code, "such as gRPC?" in done.stderr) == (1, True)


OTHERS = {
    "prices": ([spec("x", "FP32", -1, 7)], [spec("y", "FP32", -1, 2)], "takes `x` float32 [n, 7]"),
    "two inputs": (
        [spec("a", "FP32", -1, 28, 28), spec("b", "FP32", -1, 28, 28)],
        [spec("y", "FP32", -1, 2)],
        "takes `a` FP32 [n, 28, 28], `b` FP32 [n, 28, 28], and not one",
    ),
    "text": ([spec("text", "BYTES", -1)], [spec("y", "FP32", -1, 2)], "takes `text`"),
    "halves": ([spec("x", "BF16", -1, 28, 28)], [spec("y", "FP32", -1, 2)], "takes `x` bfloat16"),
    "a picture back": (
        [spec("x", "FP32", -1, 28, 28)],
        [spec("y", "FP32", -1, 28, 28)],
        "answers `y`",
    ),
    "one number": ([spec("x", "FP32", -1, 28, 28)], [spec("y", "FP32", -1, 1)], "tell binary"),
    "nothing": ([], [spec("y", "FP32", -1, 2)], "lists no inputs"),
    "no outputs": ([spec("x", "FP32", -1, 28, 28)], [], "lists no outputs"),
}


@pytest.mark.parametrize(("inputs", "outputs", "words"), OTHERS.values(), ids=OTHERS)
def test_models_of_something_else(triton, inputs, outputs, words: str):
    """What they take is said, and nothing is sent."""
    triton.inputs, triton.outputs = inputs, outputs
    done = predict(triton.url, PICTURES[0])
    assert (done.exit_code, triton.inferences) == (1, [])
    assert words in done.stderr


def test_a_profile_of_a_model_without_metadata(tmp_path):
    """As of an MLServer whose model has no settings of it."""
    told = tmp_path / "profile.json"
    members = {"input": "images", "shape": [28, 28], "output": "probabilities"}
    told.write_text(json.dumps(members))
    with v2_server("mlserver") as server:
        server.inputs = server.outputs = []
        found = lines(predict(server.url, *PICTURES, "--json", "--profile", str(told)))
    assert [each["class_id"] for each in found] == EXPECTED


def answered(array: np.ndarray, name: str = "probabilities") -> list[V2Tensor]:
    return [V2Tensor(name, "FP32", array.astype(np.float32))]


ANSWERS = {
    "not a number": (answered(np.full((1, 10), np.nan)), "no numbers (NaN"),
    "another output": (answered(np.ones((1, 10)), "others"), "does not answer `probabilities`"),
    "fewer rows": (answered(np.ones((0, 10))), "does not answer `probabilities`"),
    "more rows": (answered(np.ones((3, 10))), "does not answer `probabilities`"),
    "strings": (
        [V2Tensor("probabilities", "BYTES", np.array([[b"a", b"b"]], object))],
        "does not answer",
    ),
    "a picture": (answered(np.ones((1, 10, 2))), "does not answer `probabilities`"),
    "one class": (answered(np.ones((1, 1))), "answers 1 classes"),
}


@pytest.mark.parametrize(("outputs", "words"), ANSWERS.values(), ids=ANSWERS)
def test_answers_that_make_no_sense(outputs, words: str):
    with v2_server("mlserver") as server:
        server.infer = lambda _: outputs
        done = predict(server.url, PICTURES[0])
    assert done.exit_code == 1, done.output
    assert words in done.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--label=stable"], "no version labels"),
        (["--model-server=there:8500"], "with --as v2 give --url"),
        (["--url=grpc://there"], "write grpc://HOST:PORT"),
        (["--url=grpc://there:99999"], "write grpc://HOST:PORT"),
        (["--url=grpc://there:1", "--ca=x"], "has no TLS"),
        (["--url=grpcs://there:1", "--ca=/nowhere.pem"], "nowhere.pem"),
    ],
)
def test_wrong_usage(words: list[str], told: str):
    done = CliRunner().invoke(main, ["predict", "--as=v2", *words, PICTURES[0]])
    assert (done.exit_code, done.stdout) == (2, "")
    assert told in done.stderr


@pytest.mark.parametrize("flag", ["--labels", "--profile"])
def test_flags_for_v2_alone(flag: str, tmp_path):
    (tmp_path / "file").write_text("{}")
    done = CliRunner().invoke(main, ["predict", flag, str(tmp_path / "file"), PICTURES[0]])
    assert (done.exit_code, "It is for --as v2" in done.stderr) == (2, True)
    done = CliRunner().invoke(main, ["predict", "--url=grpc://there:1", PICTURES[0]])
    assert (done.exit_code, "is not an address" in done.stderr) == (2, True)
