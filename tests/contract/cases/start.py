"""Cases of the start: flags, config files, version directories and ports. Exit codes and words are
what was seen on 2.20.0, November 2026, unless a case says which source of it says so."""

import shutil
from dataclasses import dataclass, field
from pathlib import Path

from tests.contract.seen import SEEN

REFUSED = 255
SERVER = "server.cc BuildAndStart"
PARSE = "util/proto_util.h ParseProtoTextFile"

HALF = 'config {{ name: "half" base_path: "{base}/half" model_platform: "tensorflow" {more} }}'


def one(more: str = "") -> str:
    """A config file of `half`, of which there is version 1."""
    return f"model_config_list {{{{ {HALF.replace('{more}', more)} }}}}"


@dataclass(frozen=True)
class Refusal:
    """A start that ends with `REFUSED`, its ports closed, and these words: `flags` and `words` have
    `{base}` for the directory, in which there are `files`."""

    name: str
    flags: tuple[str, ...]
    words: str
    source: str = SEEN
    files: dict[str, str] = field(default_factory=dict)
    after_tensorflow: bool = False
    """Whether the embedded server has imported TensorFlow by then, which takes seconds."""


_NEITHER = (
    "INVALID_ARGUMENT: Both server_options.model_base_path and server_options.model_config_file "
    "are empty!"
)
_BASE = "--model_base_path={base}/half"
_CONFIG = "--model_config_file={base}/models.config"


def _config(name: str, content: str, words: str, source: str = SEEN) -> Refusal:
    return Refusal(f"config file: {name}", (_CONFIG,), words, source, {"models.config": content})


def _file(flag: str, source: str, *with_flags: str) -> list[Refusal]:
    """A file that a flag names: missing, without bytes, a directory, and one of nonsense."""
    path = "{base}/file"
    named = (_BASE, *with_flags, f"--{flag}={path}")
    return [
        Refusal(f"{flag}: missing", named, f"NOT_FOUND: {path}; No such file or directory", source),
        Refusal(
            f"{flag}: empty",
            named,
            f"INVALID_ARGUMENT: {path}; Invalid argument",
            SEEN,
            {"file": ""},
        ),
        Refusal(
            f"{flag}: a directory",
            (*named[:-1], f"--{flag}={{base}}"),
            "NOT_FOUND: {base}; No such device",
            source,
        ),
        Refusal(
            f"{flag}: nonsense",
            named,
            f"INVALID_ARGUMENT: Invalid protobuf file: '{path}'",
            source,
            {"file": "nonsense"},
        ),
    ]


REFUSALS = [
    Refusal("no flags at all", (), _NEITHER),
    Refusal("model_name without base path", ("--model_name=half",), _NEITHER),
    Refusal("empty paths", ("--model_base_path=", "--model_config_file="), _NEITHER, SERVER),
    Refusal("bad value of a bool", (_BASE, "--enable_batching=maybe"), ""),
    *(
        Refusal(f"bad value of a bool: {value}", (_BASE, f"--enable_batching={value}"), "", source)
        for value, source in (
            (value, "command_line_flags.cc ParseBoolFlag") for value in ("1", "True", "yes", "")
        )
    ),
    *(
        Refusal(f"bad number: {flag}", (_BASE, f"--{flag}"), "", "command_line_flags.cc sscanf")
        for flag in ("port=no", "port=", "num_load_threads=1.5", "rest_api_timeout_in_ms=0x1p3")
    ),
    Refusal(
        "port 0 (no gRPC)",
        (_BASE, "--port=0"),
        "INVALID_ARGUMENT: At least one of server_options.grpc_port or "
        "server_options.grpc_socket_path must be set.",
    ),
    Refusal(
        "ALTS and TLS",
        (_BASE, "--use_alts_credentials", "--ssl_config_file={base}/none"),
        "INVALID_ARGUMENT: Either use_alts_credentials must be false or ssl_config_file must be "
        "empty.",
        SERVER,
    ),
    Refusal(
        "three kinds of parallelism",
        (
            *(_BASE, "--tensorflow_session_parallelism=1", "--tensorflow_intra_op_parallelism=1"),
            "--tensorflow_inter_op_parallelism=1",
        ),
        "INVALID_ARGUMENT: Either configure server_options.tensorflow_session_parallelism or "
        "(server_options.tensorflow_intra_op_parallelism, "
        "server_options.tensorflow_inter_op_parallelism) separately. You cannot configure all.",
        SERVER,
    ),
    Refusal(
        "batching file without batching",
        (_BASE, "--batching_parameters_file={base}/none"),
        "INVALID_ARGUMENT: server_options.batching_parameters_file is set without setting "
        "server_options.enable_batching to true.",
        SERVER,
    ),
    *_file("model_config_file", PARSE),
    *_file("batching_parameters_file", PARSE, "--enable_batching"),
    *(
        Refusal(
            f"batching_parameters_file: {name}",
            (_BASE, "--enable_batching", "--batching_parameters_file={base}/file"),
            "INVALID_ARGUMENT: Invalid protobuf file: '{base}/file'",
            SEEN,
            {"file": content},
        )
        for name, content in (
            ("a field that there is not", "foo: 1"),
            ("a bracket that does not close", "max_batch_size {{"),
            ("a plain number", "max_batch_size: 4"),
        )
    ),
    *_file("tensorflow_session_config_file", PARSE),
    Refusal(
        "platform_config_file: missing",
        (_BASE, "--platform_config_file={base}/none"),
        "NOT_FOUND: {base}/none; No such file or directory",
        SERVER,
    ),
    Refusal(
        "platform_config_file: nonsense",
        (_BASE, "--platform_config_file={base}/platforms"),
        "INVALID_ARGUMENT: Invalid protobuf file: '{base}/platforms'",
        f"not seen; {SERVER}",
        {"platforms": "nonsense"},
    ),
    _config(
        "twice the same name",
        f"model_config_list {{{{ {HALF.replace('{more}', '')} {HALF.replace('{more}', '')} }}}}",
        "INVALID_ARGUMENT: Illegal to list model half multiple times in config list",
    ),
    _config(
        "logging_config",
        one("logging_config {{ }}"),
        "INVALID_ARGUMENT: No request-logger-creator provided.",
    ),
    _config(
        "relative base path",
        one().replace("{base}/half", "half"),
        "INVALID_ARGUMENT: Expected model half to have an absolute path or URI; got "
        "base_path()=half",
        "server_core.cc ValidateModelConfigList",
    ),
    Refusal(
        "config file: label of a version that is not there, without the flag",
        (_CONFIG,),
        "FAILED_PRECONDITION: Request to assign label to version 9 of model half, which is not "
        "currently available for inference",
        "server_core.cc UpdateModelVersionLabelMap",
        {"models.config": one('version_labels {{ key: "x" value: 9 }}')},
    ),
]


@dataclass(frozen=True)
class Directory:
    """A model beside others on a server that runs: directories of version 1's content in its base
    path, links, and empty files; what there is to its config; and its versions, all AVAILABLE."""

    name: str
    versions: tuple[int, ...]
    directories: tuple[str, ...] = ("1",)
    links: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    more: str = ""

    def make(self, kind: Path, base: Path) -> None:
        """Makes its base path; `kind` is the content of a version."""
        base.mkdir(parents=True)
        for each in self.directories:
            shutil.copytree(kind, base / each)
        for each in self.links:
            (base / each).symlink_to(kind)
        for each in self.files:
            (base / each).touch()


_LATEST = "model_version_policy { latest { num_versions: 0 } }"
_SPECIFIC = "model_version_policy { specific { versions: [1, 2] } }"

DIRECTORIES = [
    Directory("007", (7,), ("007",)),
    Directory("7 and 007", (7,), ("7", "007")),
    Directory("all: 7 and 007", (7,), ("7", "007"), more="model_version_policy { all {} }"),
    *(
        Directory(f"{name!r} beside 1", (1,), ("1", name))
        for name in ("-1", "1.0", "1e3", "٣", "9223372036854775808", "v3")
    ),
    Directory("'+2' beside 1", (2,), ("1", "+2")),
    Directory("' 4' beside 1", (4,), ("1", " 4")),
    Directory("'0' beside 1", (1,), ("1", "0")),
    Directory("9223372036854775807", (2**63 - 1,), ("1", "9223372036854775807")),
    Directory("a link", (2,), links=("2",)),
    Directory("files that are no versions", (1,), files=("README", "v2")),
    Directory("latest: 0", (2,), ("1", "2"), more=_LATEST),
    Directory("latest: more than there are", (1,), more=_LATEST.replace("0", "4294967295")),
    Directory("specific: 1 and 2", (2, 1), ("1", "2", "3"), more=_SPECIFIC),
    Directory("label empty", (1,), more='version_labels { key: "" value: 1 }'),
    Directory("label of none, with the flag", (1,), more='version_labels { key: "x" value: 9 }'),
]
