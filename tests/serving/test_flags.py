"""Flags: all of TensorFlow Serving 2.20.0 are there, and read as it reads them."""

import logging
import os
import re
from dataclasses import fields
from typing import get_args

import grpc
import pytest
from click.testing import CliRunner

from harness.ports import free_port
from vitrine_client.process.exit_codes import NOT_BEGUN
from vitrine_serving.errors import ServingError
from vitrine_serving.model_server.__main__ import main
from vitrine_serving.model_server.flags import NOTHING, Flags, without_effect
from vitrine_serving.model_server.startup.command_line import REFUSED, split
from vitrine_serving.model_server.startup.settings import channel_arguments, read_settings

# main.cc and server.h of 2.20.0: type and default; those of the machine's cores have none.
OF_2_20_0 = """
port int 8500
grpc_socket_path str
rest_api_port int 0
rest_api_num_threads int -
rest_api_timeout_in_ms int 30000
rest_api_enable_cors_support bool false
enable_batching bool false
allow_version_labels_for_unavailable_models bool false
batching_parameters_file str
enable_per_model_batching_parameters bool false
model_config_file str
model_config_file_poll_wait_seconds int 0
model_name str default
model_base_path str
num_load_threads int 0
num_unload_threads int 0
max_num_load_retries int 5
load_retry_interval_micros int 60000000
file_system_poll_wait_seconds int 1
flush_filesystem_caches bool true
tensorflow_session_parallelism int 0
tensorflow_session_config_file str
tensorflow_intra_op_parallelism int 0
tensorflow_inter_op_parallelism int 0
use_alts_credentials bool false
ssl_config_file str
platform_config_file str
per_process_gpu_memory_fraction float 0.0
saved_model_tags str serve
grpc_channel_arguments str
grpc_max_threads int -
enable_model_warmup bool true
num_request_iterations_for_warmup int 0
version bool false
monitoring_config_file str
remove_unused_fields_from_bundle_metagraph bool true
prefer_tflite_model bool false
num_tflite_pools int -
num_tflite_interpreters_per_pool int 1
enable_signature_method_name_check bool false
xla_cpu_compilation_enabled bool false
xla_gpu_compilation_enabled bool false
enable_profiler bool true
thread_pool_factory_config_file str
mixed_precision str
skip_initialize_tpu bool false
enable_grpc_healthcheck_service bool false
enable_serialization_as_tensor_content bool false
"""

ITS = {name: rest for name, *rest in map(str.split, OF_2_20_0.strip().splitlines())}
OURS = {
    *("bind_address", "local_socket", "local_socket_group", "log_level", "strict_flags"),
    "rest_api_shortest_floats",
}
ELSEWHERE = {"rest_api_port"}
"""Flags whose default is another one on purpose; docs/model-server.md has them."""

FLAGS = {flag.name: flag for flag in fields(Flags)}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has what the command sets in the environment gone afterwards."""
    for name in ("GRPC_VERBOSITY", "TF_CPP_MIN_LOG_LEVEL", "TF_ENABLE_ONEDNN_OPTS"):
        monkeypatch.setenv(name, os.environ.get(name, "0"))


def run(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(main, words)
    return done.exit_code, done.stderr


def meaning(name: str) -> str:
    return str(get_args(FLAGS[name].type)[1])


def test_all_flags_of_2_20_0_are_there():
    """None is missing, and none of ours goes without that word."""
    assert len(ITS) == 48
    assert ITS.keys() <= FLAGS.keys()
    assert FLAGS.keys() - ITS.keys() <= OURS
    assert {name for name in FLAGS if "(ours)" in meaning(name)} == FLAGS.keys() - ITS.keys()


@pytest.mark.parametrize("name", ITS)
def test_types_and_defaults(name):
    """Those of TensorFlow Serving; seconds may have a fraction here."""
    kind, *default = ITS[name]
    value = FLAGS[name].default
    assert {bool: "bool", int: "int", float: "float", str: "str", type(None): "str"}[
        type(value)
    ] == kind
    if default != ["-"] and name not in ELSEWHERE:
        shown = "" if value is None else str(value)
        assert (shown.lower() if kind == "bool" else shown) == "".join(default)


def test_help_says_what_each_does_here():
    """Every flag of 2.20.0, with its sentence."""
    done = CliRunner().invoke(main, ["--help"], terminal_width=200)
    entries = re.findall(r"^  --(\w+).*?(?=^  -)", done.stdout, re.MULTILINE | re.DOTALL)
    assert ITS.keys() <= set(entries)
    said = " ".join(done.stdout.split())
    for name in FLAGS:
        assert meaning(name) in said, name


def test_a_flag_without_effect_is_warned_of(caplog):
    """Once it is given another value than its default, and not before."""
    idle = {name for name in FLAGS if meaning(name).startswith(NOTHING)}
    assert idle >= {"num_tflite_pools", "skip_initialize_tpu", "platform_config_file"}
    assert list(without_effect(Flags())) == []
    with caplog.at_level(logging.WARNING):
        assert run("--skip_initialize_tpu", "--prefer_tflite_model=false")[0] == REFUSED
    assert caplog.messages == ["--skip_initialize_tpu changes nothing here: no TPU is used"]


@pytest.mark.parametrize(
    ("words", "known", "unknown"),
    [
        (["--port=1", "--batch"], ["--port=1", "--batch=true"], []),
        (["--port", "1", "--batch", "false"], ["--port=1", "--batch=false"], []),
        (["--batch", "word"], ["--batch=true"], ["word"]),
        (["--port", "-1"], ["--port=-1"], []),
        (["--port", "--batch"], ["--port", "--batch=true"], []),
        (["--", "--port=1"], [], ["--", "--port=1"]),
        (["-port=1", "--prot=1", "x"], [], ["-port=1", "--prot=1", "x"]),
        (["--port="], ["--port="], []),
        (["--help"], ["--help"], []),
    ],
)
def test_words_are_split(words, known, unknown):
    """`--flag=value` and `--flag value`; a truth value takes only a truth value along."""
    assert split(words, {"port": False, "batch": True}) == (known, unknown)


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("--modle_name=x", "unknown argument: --modle_name=x; the nearest flag is --model_name;"),
        ("--model-name=x", "; the nearest flag is --model_name;"),
        ("--enable_batchng", "; the nearest flag is --enable_batching;"),
        ("--nonsense", "unknown argument: --nonsense; ignored"),
        ("word", "unknown argument: word; ignored"),
    ],
)
def test_what_is_no_flag_is_told_and_ignored(word, said, caplog):
    """With the nearest one; strict flags refuse it."""
    with caplog.at_level(logging.WARNING):
        code, stderr = run(word)
    assert said in caplog.text
    assert (code, "model_base_path" in stderr) == (REFUSED, True)  # it went on
    code, stderr = run(word, "--strict_flags")
    assert (code, "model_base_path" in stderr) == (REFUSED, False)
    assert said.partition("; ignored")[0].removesuffix(";") in stderr


@pytest.mark.parametrize(
    "flag",
    [
        *("--enable_batching=maybe", "--enable_batching=1", "--enable_batching=True"),
        *("--port=1_000", "--port=0x10", "--port=8.0", "--port=99999"),
        *("--max_num_load_retries=2147483648", "--num_tflite_pools=-2147483649"),
        *(
            "--load_retry_interval_micros=9223372036854775808",
            "--rest_api_timeout_in_ms=1" + "0" * 400,
        ),
        *("--rest_api_num_threads=4097", "--num_load_threads=4097"),
        *("--tensorflow_session_parallelism=4097", "--file_system_poll_wait_seconds=1e300"),
        *("--model_name=\udcff", "--saved_model_tags=a\udcff", "--bind_address=\udcff"),
    ],
)
def test_values_that_are_refused(flag):
    """As there, but for the port, which it takes for another one, threads by the thousand, which it
    tries to make, and bytes that are no UTF-8, which no message takes."""
    code, stderr = run(flag, "--model_base_path=/nowhere")
    assert (code, f"Invalid value for '{flag.partition('=')[0]}'" in stderr) == (REFUSED, True)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("none/socket", "there is no directory for none/socket"),
        ("file", "file is no socket"),
        ("a%20b", "is no path of a socket"),
        ("a?b", "is no path of a socket"),
        ("x" * 120, "has 121 bytes"),
    ],
)
def test_paths_of_no_socket(path, said, tmp_path, monkeypatch):
    """Told before anything is loaded; gRPC would say that it cannot listen, or listen elsewhere."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    free = [f"--port={free_port()}", "--rest_api_port=0"]
    code, stderr = run("--model_base_path=/nowhere", f"--grpc_socket_path={path}", *free)
    assert (code, said in stderr) == (NOT_BEGUN, True), stderr


def test_the_version():
    """Of TensorFlow Serving's release, and of ours; nothing is served."""
    done = CliRunner().invoke(main, ["--version", "--model_base_path=/nowhere"])
    assert done.exit_code == 0
    assert re.match(
        r"TensorFlow ModelServer: 2\.20\.0 \(embedded, vitrine-serving [\d.]+\)\n"
        r"TensorFlow Library: [\d.]+\n",
        done.stdout,
    )


def test_channel_arguments():
    """Numbers and texts; the two of them may be many."""
    assert channel_arguments("grpc.max_connection_age_ms=2000,grpc.x=a=b,") == [
        ("grpc.max_connection_age_ms", 2000),
        ("grpc.x", "a=b"),
    ]
    assert channel_arguments("a=99999999999") == [("a", "99999999999")]
    with pytest.raises(ServingError, match="a has no value"):
        channel_arguments("a")


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (
            {"port": 0},
            "At least one of server_options.grpc_port or server_options.grpc_socket_path must be "
            "set.",
        ),
        (
            {"use_alts_credentials": True, "ssl_config_file": "x"},
            "Either use_alts_credentials must be false or ssl_config_file must be empty.",
        ),
        (
            {"tensorflow_session_parallelism": 1, "tensorflow_intra_op_parallelism": 1}
            | {"tensorflow_inter_op_parallelism": 1},
            "Either configure server_options.tensorflow_session_parallelism or "
            "(server_options.tensorflow_intra_op_parallelism, "
            "server_options.tensorflow_inter_op_parallelism) separately. "
            "You cannot configure all.",
        ),
        (
            {"batching_parameters_file": "x"},
            "server_options.batching_parameters_file is set without setting "
            "server_options.enable_batching to true.",
        ),
    ],
)
def test_flags_that_contradict_each_other(flags, words):
    """In TensorFlow Serving's words (server.cc)."""
    with pytest.raises(ServingError) as caught:
        read_settings(Flags(model_base_path="/nowhere", **flags))
    assert (caught.value.code, str(caught.value)) == (grpc.StatusCode.INVALID_ARGUMENT, words)
