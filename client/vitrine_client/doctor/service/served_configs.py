"""Check of `models.config`: its reading by a model server, compared with the published models."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from vitrine_client.doctor.data.model_files import published, versions
from vitrine_client.doctor.finding import Finding, note, ok, problem
from vitrine_client.doctor.installation import Installation
from vitrine_client.errors import InvalidRequest
from vitrine_client.store.generated_config import entry, is_generated
from vitrine_client.store.layout import quoted
from vitrine_client.store.shared_files import content_of

_FILE = "models.config"
_WITHOUT_IT = "without the file, `vitrine-serve up` serves the newest version of each model"


def check(here: Installation) -> Iterator[Finding]:
    """Looks at the file in the models directory, if there is one."""
    path = here.models_dir / _FILE
    if not path.exists():
        yield ok(_FILE, f"none in {here.models_dir}: the newest version of each model is served")
        return
    try:
        content = content_of(path)
    except OSError as error:
        todo = f"`chmod a+r {quoted(path)}`" if error.errno else "put a file there"
        yield problem(_FILE, f"{path} cannot be read ({error.strerror})", todo)
        return
    try:
        from vitrine_client.store.model_configs import ModelConfigs
    except ImportError:
        todo = "pip install 'vitrine-client[grpc]', if you want it examined"
        yield note(_FILE, f"{path} was not read: protobuf is not installed", todo)
        return
    try:
        entries = ModelConfigs.parse(content, str(path)).message.model_config_list.config
    except InvalidRequest as error:
        seen = " ".join(str(error).split())  # it has several lines
        yield problem(_FILE, seen, f"mend that line, or remove {path}: {_WITHOUT_IT}")
        return
    if is_generated(content.decode(errors="replace")):
        yield ok(_FILE, f"{path}, written by vitrine-serve at each start")
        return
    yield from _examined(path, entries, here)


def _examined(path: Path, entries: Any, here: Installation) -> Iterator[Finding]:
    names = [one.name for one in entries]
    findings = [finding for one in entries for finding in _examined_entry(path, one)]
    for name in sorted({each for each in names if names.count(each) > 1}):
        seen = f"{path} has {name} twice, and no model server takes that"
        findings.append(problem(_FILE, seen, "remove one of the two"))
    yield from findings
    if not names:
        yield problem(
            _FILE, f"{path} names no model", f"name one, or remove the file: {_WITHOUT_IT}"
        )
    elif not findings:
        yield ok(_FILE, f"{path}: {', '.join(names)}")
    for model in published(here.models_dir):
        if model not in names:
            seen = f"{model} is published, and {path} does not name it, so that it is not served"
            todo = f"add to its model_config_list: {entry(here.models_dir, model)}"
            yield note(_FILE, seen, todo)


def _examined_entry(path: Path, entry: Any) -> Iterator[Finding]:
    folder = Path(entry.base_path.removeprefix("file://"))
    if "://" in entry.base_path:
        yield note(
            _FILE,
            f"{entry.name} is at {entry.base_path}",
            "the embedded model server reads local disks alone",
        )
        return
    if not folder.is_absolute():
        seen = f"base_path of {entry.name} is {entry.base_path!r}, and has to begin with /"
        yield problem(_FILE, seen, f'in {path}: base_path: "{folder.absolute()}"')
        return
    if entry.model_platform != "tensorflow" and not entry.model_type:
        seen = f"model_platform of {entry.name} is {entry.model_platform!r}"
        yield problem(_FILE, seen, f'in {path}: model_platform: "tensorflow"')
    try:
        there = versions(folder)
    except OSError as error:
        yield problem(
            _FILE,
            f"{folder} of {entry.name} cannot be read ({error.strerror})",
            f"`chmod -R a+rX {quoted(folder)}`",
        )
        return
    if not there:
        seen = f"{entry.name} has no version in {folder}"
        yield problem(
            _FILE, seen, f"publish one, or mend base_path, or take {entry.name} out of {path}"
        )
        return
    yield from _examined_choice(path, entry, there)


def _examined_choice(path: Path, entry: Any, there: Mapping[int, Path]) -> Iterator[Finding]:
    """Looks at versions that the entry names, by its policy or by labels."""
    has = f"there {'is' if len(there) == 1 else 'are'} {', '.join(map(str, there))}"
    policy = entry.model_version_policy
    specific = list(policy.specific.versions) if policy.HasField("specific") else None
    for version in specific or ():
        if version not in there:
            seen = f"version_policy of {entry.name} names version {version}; {has}"
            yield problem(_FILE, seen, f"in {path}, name one that is there")
    newest = (
        list(there)
        if policy.HasField("all")
        else list(there)[-max(policy.latest.num_versions, 1) :]
    )
    served = [each for each in there if each in specific] if specific is not None else newest
    for label, version in entry.version_labels.items():
        todo = f"`vitrine promote {entry.name} VERSION --label {label}` moves it"
        seen = f"label {label} of {entry.name} names version {version}"
        if version not in there:
            yield problem(_FILE, f"{seen}; {has}", todo)
        elif version not in served:
            all_ = f"`model_version_policy {{ all {{}} }}` in {path} serves all"
            told = ", ".join(map(str, served)) or "none"
            yield problem(_FILE, f"{seen}, and its policy serves {told}", f"{todo}; {all_}")
