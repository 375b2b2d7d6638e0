"""`models.config` is read as TensorFlow Serving reads it, its errors included."""

from pathlib import Path

import grpc
import pytest
from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2

from tests.serving.fake_models import publish
from vitrine_serving.errors import ServingError
from vitrine_serving.model_server.repository.config import (
    ModelConfig,
    check_list,
    configs_of,
    read_config,
)
from vitrine_serving.model_server.repository.policy import aspired_versions, missing_versions


def one(fields: str) -> str:
    return f"model_config_list {{ config {{ {fields} }} }}"


def test_config_files():
    """Policies, labels and the old way to name the platform."""
    configs = read_config(
        """
        model_config_list {
          config { name: "a" base_path: "/models/a" model_platform: "tensorflow" }
          config { name: "b" base_path: "/models/b" model_platform: "tensorflow"
                   model_version_policy { all {} } }
          config { name: "c" base_path: "file:///models/c" model_type: TENSORFLOW
                   model_version_policy { specific { versions: 4 versions: 7 } }
                   version_labels { key: "stable" value: 4 }
                   version_labels { key: "canary" value: 7 } },
          config: { name: "d", base_path: "/models/d", model_platform: "tensorflow"
                   model_version_policy: { latest { num_versions: 3 } } }
          config { name: "e" base_path: "/models/e" model_platform: "tensorflow"
                   model_version_policy { latest {} } }
        }
        """
    )
    assert configs == [
        ModelConfig("a", Path("/models/a")),
        ModelConfig("b", Path("/models/b"), latest=0),
        ModelConfig(
            "c", Path("/models/c"), specific=(4, 7), version_labels={"stable": 4, "canary": 7}
        ),
        ModelConfig("d", Path("/models/d"), latest=3),
        ModelConfig("e", Path("/models/e"), latest=1),
    ]


@pytest.mark.parametrize("text", ["", "model_config_list {}", "# nothing yet"])
def test_a_config_without_models(text):
    """A server may start with none and be told of them later."""
    assert read_config(text) == []


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("model_config_lst {}", r"1:1 : .*no field named \"model_config_lst\""),
        ("model_config_list {\n  config { nam: 'a' }\n}", r"2:12 : .*no field named \"nam\""),
        ("model_config_list {\n  config {\n", r"Expected \"}\""),
        (one("version_labels { key: 'a' value: 'b' }"), "Couldn't parse integer: 'b'"),
        ("model_config_list {} custom_model_config {}", "1:22 : .*another member of oneof"),
    ],
)
def test_a_typing_error_says_where(text, where):
    """The line and the column of a syntax error."""
    with pytest.raises(ValueError, match=r"models\.config: (.|\n)*" + where):
        read_config(text)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        (
            'name: "a" model_platform: "tensorflow"',
            "Expected model a to have an absolute path or URI; got base_path()=",
        ),
        (
            'name: "a" base_path: "./a" model_platform: "tensorflow"',
            "Expected model a to have an absolute path or URI; got base_path()=./a",
        ),
        (
            'name: "a" base_path: "/a"',
            "Illegal setting neither ModelServerConfig::model_type (deprecated) "
            "nor ModelServerConfig::model_platform, model name is a",
        ),
        (
            'name: "a" base_path: "/a" model_platform: "tensorflow" model_type: TENSORFLOW',
            "Illegal setting both ModelServerConfig::model_type (deprecated) "
            "and ModelServerConfig::model_platform, model name is a",
        ),
        (
            'name: "a" base_path: "/a" model_type: OTHER',
            "ModelServerConfig::model_type choice 2 not supported.",
        ),
        (
            'name: "a" base_path: "/a" model_platform: "pytorch"',
            "Model a requests unsupported platform pytorch",
        ),
        (
            'name: "a" base_path: "/a" model_platform: "tensorflow" } '
            'config { name: "a" base_path: "/b" model_platform: "tensorflow"',
            "Illegal to list model a multiple times in config list",
        ),
        (
            'name: "a" base_path: "gs://bucket/a" model_platform: "tensorflow"',
            "Model a is not on a local disk, which is all that this server reads; "
            "got base_path()=gs://bucket/a",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(fields, words):
    """In TensorFlow Serving's words (server_core.cc), but for the last, which it could read."""
    with pytest.raises(ValueError) as caught:
        read_config(one(fields))
    assert str(caught.value) == f"models.config: {words}"


@pytest.mark.parametrize("kind", ["custom_model_config", None])
def test_only_lists_of_models_are_understood(kind):
    """model_service_impl.cc refuses the other kind, and a request without any."""
    message = model_server_config_pb2.ModelServerConfig()
    if kind:
        getattr(message, kind).SetInParent()
    with pytest.raises(ServingError, match="Only ModelConfigList is currently supported") as caught:
        check_list(message)
    assert caught.value.code is grpc.StatusCode.INVALID_ARGUMENT


def test_the_order_of_the_checks():
    """Names, paths, platforms of what is served, labels, and platforms of new models."""
    message = model_server_config_pb2.ModelServerConfig()
    add = message.model_config_list.config.add
    new, served = add(name="new", base_path="/new"), add(name="served", base_path="./served")
    twice = add(name="new", base_path="/new", model_platform="tensorflow")
    served.version_labels["stable"] = 9

    def labels(configs):
        if any(config.version_labels for config in configs):
            raise ServingError.invalid("labels")

    def words() -> str:
        with pytest.raises(ServingError) as caught:
            configs_of(message, {"served"}, labels)
        return str(caught.value)

    assert "new multiple times" in words()
    twice.name = "twice"
    assert "served to have an absolute path" in words()
    served.base_path = "/served"
    assert "model name is served" in words()
    served.model_platform = "tensorflow"
    assert words() == "labels"
    served.version_labels.clear()
    assert "model name is new" in words()
    new.model_platform = "tensorflow"
    assert len(configs_of(message, {"served"}, labels)) == 3


def test_messages_are_read_as_files_are():
    """`HandleReloadConfigRequest` carries the same message."""
    message = model_server_config_pb2.ModelServerConfig()
    message.model_config_list.config.add(name="a", base_path="/a", model_platform="tensorflow")
    assert configs_of(message) == [ModelConfig("a", Path("/a"))]


@pytest.mark.parametrize(
    ("directory", "number"),
    [
        ("7", 7),
        ("007", 7),
        ("-7", -7),
        (" 7 ", 7),
        ("9223372036854775807", 2**63 - 1),
        ("9223372036854775808", None),
        ("1_0", None),
        ("7.0", None),
        ("٧", None),
        ("7a", None),
        (".7", None),
        ("", None),
    ],
)
def test_what_counts_as_a_version(tmp_path, directory, number):
    """What TensorFlow Serving can parse as an int64, and nothing else."""
    (tmp_path / "base" / directory).mkdir(parents=True)
    found = aspired_versions(ModelConfig("a", tmp_path / "base"))
    assert {n: v.path.name for n, v in found.items()} == ({number: directory} if number else {})


@pytest.mark.parametrize(
    ("policy", "path"),
    [
        ({}, "7 "),
        ({"latest": 2}, "7 "),
        ({"latest": 0}, "007"),
        ({"specific": (7,)}, "7"),
        ({"specific": (7, 8)}, "7 "),
    ],
)
def test_of_several_spellings_one_counts(tmp_path, policy, path):
    """The last in the alphabet, of `all` the first, and the plain names where each is there."""
    for name in ("7", "007", "7 "):
        (tmp_path / name).mkdir()
    assert aspired_versions(ModelConfig("a", tmp_path, **policy))[7].path == tmp_path / path


def test_files_are_no_versions(tmp_path):
    """Only directories are; a link to one is one."""
    publish(tmp_path, 1)
    (tmp_path / "2").touch()
    (tmp_path / "3").symlink_to(tmp_path / "1", target_is_directory=True)
    (tmp_path / "4").symlink_to(tmp_path / "gone", target_is_directory=True)
    assert set(aspired_versions(ModelConfig("a", tmp_path, latest=0))) == {1, 3}


@pytest.mark.parametrize(
    ("policy", "wanted"),
    [
        ({}, {10}),
        ({"latest": 2}, {9, 10}),
        ({"latest": 9}, {1, 9, 10}),
        ({"latest": 0}, {1, 9, 10}),
        ({"specific": (1, 9, 12)}, {1, 9}),
        ({"specific": ()}, set()),
    ],
)
def test_policies(tmp_path, policy, wanted):
    """Numbers sort as numbers, and what is not there is not served."""
    for version in (1, 9, 10):
        publish(tmp_path, version)
    assert set(aspired_versions(ModelConfig("a", tmp_path, **policy))) == wanted


def test_a_replaced_directory_is_another(tmp_path):
    """By its inode, or by the entries that it has got."""
    config = ModelConfig("a", tmp_path)
    publish(tmp_path, 1)
    before = aspired_versions(config)
    assert aspired_versions(config) == before
    publish(tmp_path, 2)
    (tmp_path / "1").rename(tmp_path / ".old")
    (tmp_path / "2").rename(tmp_path / "1")
    assert aspired_versions(config) != before


def test_a_missing_base_path_is_an_error(tmp_path):
    """It is not the same as a directory without versions."""
    with pytest.raises(FileNotFoundError):
        aspired_versions(ModelConfig("a", tmp_path / "gone"))


def test_what_is_missing_is_told(tmp_path):
    """An empty directory, and specific versions that are not there."""
    config = ModelConfig("a", tmp_path, specific=(1, 2))
    assert missing_versions(config, aspired_versions(config)).startswith(
        "No versions of a found in"
    )
    publish(tmp_path, 2)
    assert missing_versions(config, aspired_versions(config)).startswith(
        "Versions [1] of a not found in"
    )
    publish(tmp_path, 1)
    assert missing_versions(config, aspired_versions(config)) == ""


@pytest.mark.parametrize(
    ("directory", "has_graph", "said"),
    [
        ("mlp", False, "a version is a directory with a number for its name, such as {base}/1"),
        ("mlp", True, "this is a SavedModel itself: move it into {base}/1"),
        ("7", True, "this is a version itself: give {base.parent} as the base path"),
    ],
)
def test_a_directory_without_versions_says_what_to_do(tmp_path, directory, has_graph, said):
    """Most who see it have given the SavedModel's own directory."""
    base = tmp_path / directory
    base.mkdir()
    if has_graph:
        (base / "saved_model.pb").touch()
    assert missing_versions(ModelConfig("a", base), {}).endswith(said.format(base=base))


@pytest.mark.parametrize(
    ("entry", "hint"),
    [
        ('model_platform: "tensorflow" base_path: "models/a"', "such as /models/a"),
        ('base_path: "/models/a"', 'Add model_platform: "tensorflow" to its config'),
        ('base_path: "/models/a" model_platform: "tensorrt"', "The one platform here is"),
    ],
)
def test_configs_that_are_refused_say_what_to_write(entry, hint):
    """Beside TensorFlow Serving's words, which do not."""
    message = model_server_config_pb2.ModelServerConfig()
    text_format.Parse(f'model_config_list {{ config {{ name: "a" {entry} }} }}', message)
    with pytest.raises(ServingError) as caught:
        configs_of(message)
    assert hint in caught.value.hint
