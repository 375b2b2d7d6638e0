"""Files that flags name: missing, empty, of another kind, or wrong; in TensorFlow's words."""

import os

import grpc
import pytest
from tensorflow_serving.config import model_server_config_pb2

from vitrine_serving.errors import ServingError
from vitrine_serving.model_server.api.grpc_credentials import ssl_credentials
from vitrine_serving.model_server.protos import options_pb2, text_protos

Code = grpc.StatusCode


def refusal(path) -> ServingError:
    with pytest.raises(ServingError) as caught:
        text_protos.read(path, options_pb2.MonitoringConfig())
    return caught.value


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        ("none", Code.NOT_FOUND, "No such file or directory"),
        (".", Code.NOT_FOUND, "No such device"),
        ("empty", Code.INVALID_ARGUMENT, "Invalid argument"),
        ("empty/below", Code.FAILED_PRECONDITION, "Not a directory"),
        ("none/below", Code.NOT_FOUND, "No such file or directory"),
    ],
)
def test_files_that_cannot_be_read(tmp_path, name, code, words):
    """Seen on TensorFlow 2.20.0, whose NewReadOnlyMemoryRegionFromFile maps the file."""
    (tmp_path / "empty").touch()
    path = tmp_path / name
    error = refusal(path)
    assert (error.code, str(error)) == (code, f"{path}; {words}")


@pytest.mark.parametrize("name", ["pipe", "/dev/zero"])
def test_files_without_an_end(tmp_path, name):
    """Of a pipe or a device nothing is read: it has no bytes that could be mapped."""
    os.mkfifo(tmp_path / "pipe")
    error = refusal(tmp_path / name)
    assert (error.code, str(error)) == (
        Code.INVALID_ARGUMENT,
        f"{tmp_path / name}; Invalid argument",
    )


def test_a_name_that_is_too_long(tmp_path):
    """As TensorFlow's errno.cc has it (read, not seen)."""
    assert refusal(tmp_path / ("n" * 300)).code is Code.INVALID_ARGUMENT


def test_a_file_that_is_nested_deeply(tmp_path):
    """Each level costs the parser one of Python's; their end is a refusal, too."""
    path = tmp_path / "file"
    level = "[type.googleapis.com/google.protobuf.Any] { "
    path.write_text("custom_model_config { " + level * 2000 + "}" * 2001)
    with pytest.raises(ServingError, match="Invalid protobuf file"):
        text_protos.read(path, model_server_config_pb2.ModelServerConfig())


@pytest.mark.parametrize(
    "content",
    [
        "server_key: -----BEGIN SECRET",
        'server_key: "SECRET',
        "server_key: SECRET",
        "SECRET: 1",
        'client_verify: false\nserver_key: "a" SECRET',
        "client_verify: SECRET",
    ],
)
def test_no_word_of_a_secret_file_is_told(tmp_path, content):
    """Its line is: a key that was pasted wrongly is not for the log."""
    path = tmp_path / "ssl.config"
    path.write_text(content)
    with pytest.raises(ServingError) as caught:
        ssl_credentials(path)
    assert "SECRET" not in f"{caught.value} {caught.value.hint}"
    assert f"line {content.count(chr(10)) + 1}" in caught.value.hint


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read all")
def test_a_file_of_somebody_else(tmp_path):
    (tmp_path / "file").touch(0)
    error = refusal(tmp_path / "file")
    assert (error.code, str(error)) == (
        Code.PERMISSION_DENIED,
        f"{tmp_path / 'file'}; Permission denied",
    )


@pytest.mark.parametrize("content", [b"nonsense", b"prometheus_config {", b"\xff\xfe", b"\0"])
def test_files_that_make_no_sense(tmp_path, content):
    """Its words; where it is wrong is said beside them."""
    path = tmp_path / "file"
    path.write_bytes(content)
    error = refusal(path)
    assert (error.code, str(error)) == (
        Code.INVALID_ARGUMENT,
        f"Invalid protobuf file: '{path}'",
    )
    assert error.hint


@pytest.mark.parametrize(
    ("content", "hint"),
    [
        ("max_batch_size: 128", "Write max_batch_size { value: 128 }"),
        ("# \u2028\n  max_batch_size : 128 }", "Write max_batch_size { value: 128 }"),
        (
            "enable_large_batch_splitting: true",
            "Write enable_large_batch_splitting { value: true }",
        ),
        ("max_batch_size:", "Write max_batch_size { … }"),
        ('max_batch_size: "', "Write max_batch_size { … }"),
        ('{"max_batch_size": 128}', "This looks like JSON; BatchingParameters is written in text-"),
        ('[ {"max_batch_size": 128} ]', "This looks like JSON; BatchingParameters is written in"),
        ('thread_pool_name { value: "two\nlines" }', "write \\n where it has a line break"),
        ("max_batch_size:\n128", 'Expected "{".'),
        ("[x]: 1", "does not have extensions."),
        ("allowed_batch_sizes { value: 1 }", ""),
    ],
)
def test_mistakes_that_many_make(tmp_path, content, hint):
    """A number that is a message, and JSON: what to write is said behind the parser's words."""
    path = tmp_path / "file"
    path.write_text(content)
    with pytest.raises(ServingError) as caught:
        text_protos.read(path, options_pb2.BatchingParameters())
    assert hint in caught.value.hint
    assert caught.value.hint[0].isdigit()  # the line


def test_a_message_in_place_of_which_there_is_a_value(tmp_path):
    """Of its own kind: what is in it cannot be guessed."""
    path = tmp_path / "file"
    path.write_text("prometheus_config: true")
    assert refusal(path).hint.endswith("Write prometheus_config { … }")


@pytest.mark.parametrize("content", ["\n", "# no more than this", "prometheus_config { }"])
def test_files_without_fields(tmp_path, content):
    """Nothing is set by them, which is no mistake."""
    path = tmp_path / "file"
    path.write_text(content)
    assert not text_protos.read(path, options_pb2.MonitoringConfig()).prometheus_config.enable
