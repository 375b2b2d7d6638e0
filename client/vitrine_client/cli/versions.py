"""`vitrine promote` and `vitrine rollback`: which version a version label names."""

import os
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vitrine_client import errors
from vitrine_client.cli import options
from vitrine_client.cli.which import NEWEST

if TYPE_CHECKING:
    from vitrine_client.model_configs import ModelConfigs
    from vitrine_client.model_server import ModelServerClient


def _checked(_ctx: click.Context, _parameter: click.Parameter, value: str) -> str:
    if not value or any(c in "/:" or c.isspace() or not c.isprintable() for c in value):
        raise click.BadParameter("a label goes into addresses: no spaces, no / and no :")
    return value


def _moving(command: Callable[..., None]) -> Callable[..., None]:
    """Adds what `promote` and `rollback` share: which label, which file, which servers."""
    for option in (
        options.timeout_s,
        options.model_servers,
        click.option(
            "--config",
            type=click.Path(dir_okay=False, path_type=Path),
            default=lambda: Path(os.environ.get("VITRINE_MODELS_DIR", "models"), "models.config"),
            show_default="models.config in $VITRINE_MODELS_DIR, or in models",
            help="The file that the model server was started with (--model_config_file).",
        ),
        click.option(
            "--label",
            default="stable",
            show_default=True,
            callback=_checked,
            help="Which version label.",
        ),
    ):
        command = option(command)
    return command


@click.command()
@click.argument("model")
@click.argument("version", type=click.IntRange(min=0, max=NEWEST))
@_moving
def promote(model: str, version: int, label: str, **where: Any) -> None:
    """Have a version label name VERSION of MODEL.

    \b
    vitrine promote mlp 3                      stable is 3 from now on
    vitrine promote mlp 4 --label canary       and vitrine predict --label canary tries 4
    vitrine promote mlp 3 --config serving/tensorflow_serving/models.config
    vitrine rollback mlp                       stable is what it was before

    The version has to be AVAILABLE. The model server's file is changed, and the server told: no
    restart. It then serves what the file says and nothing else, so the file has to be its own. If
    it refuses, all is as it was. Models that a server has no version of it is not told of: it would
    wait for them, and for nothing else.

    Versions that labels name must not unload: a model of which the newest versions alone were
    served has all of them served from then on; a policy that names versions (specific) stays. The
    file is written anew, and of its comments those at its head stay. A server that is started with
    labels in its file needs --allow_version_labels_for_unavailable_models.
    """
    _move(model, label, lambda old: old.promoted(model, label, version), **where)


@click.command()
@click.argument("model")
@_moving
def rollback(model: str, label: str, **where: Any) -> None:
    """Have a version label of MODEL name what it named before.

    \b
    vitrine rollback mlp
    vitrine rollback mlp --label canary

    A second time, and it is the version before that. Comments at the head of the file have them.
    """

    def back(old: "ModelConfigs") -> "ModelConfigs":
        try:
            return old.rolled_back(model, label)
        except LookupError as error:
            raise click.ClickException(
                f"{old.source} does not know what {label} of {model} named before; "
                f"say which it is to be: vitrine promote {model} VERSION --label {label}"
            ) from error

    _move(model, label, back, **where)


def _move(
    model: str,
    label: str,
    change: "Callable[[ModelConfigs], ModelConfigs]",
    *,
    config: Path,
    addresses: tuple[str, ...],
    timeout_s: float,
) -> None:
    with options.needs("grpc", "moving a version label"):
        from vitrine_client import model_configs
        from vitrine_client.model_server import ModelServerClient
    if not config.exists():
        raise click.BadParameter(
            f"there is no {config}; name the file that the model server was started with",
            param_hint="--config",
        )
    with options.friendly(), model_configs.locked(config), ExitStack() as stack:
        content = config.read_bytes()
        old = model_configs.ModelConfigs.parse(content, str(config))
        new = change(old)
        servers = [
            stack.enter_context(ModelServerClient(address, timeout_s=timeout_s))
            for address in addresses
        ]
        for server in servers:
            _check_available(server, model, new.named(model, label), old)
        model_configs.write(config, str(new).encode())
        try:
            _tell(servers, new, old)
        except (errors.VitrineError, click.ClickException):
            model_configs.write(config, content)
            raise
    _say(old, new, model, label)


def _say(old: "ModelConfigs", new: "ModelConfigs", model: str, label: str) -> None:
    was = old.named(model, label)
    before = "" if was is None else f" (was {was})"
    click.echo(f"{model}: {label} is version {new.named(model, label)}{before}")
    if not old.serves_all(model) and new.serves_all(model):
        click.echo(
            f"All versions of {model} are served from now on: what {label} names must not unload "
            "when another is published.",
            err=True,
        )


def _check_available(
    server: "ModelServerClient", model: str, version: int | None, configs: "ModelConfigs"
) -> None:
    """Raises `click.ClickException` with what to do where a label would name nothing."""
    try:
        statuses = {one.version: one for one in server.status(model)}
    except errors.NotFound:
        statuses = {}
    one = statuses.get(version or 0)
    if one and one.state == "AVAILABLE":
        return
    if one and one.state in ("START", "LOADING"):
        told = "is loading; try again when it is AVAILABLE"
    elif one and one.error_message:
        told = f"could not be loaded ({one.error_message}); publish one that can"
    else:
        available = [n for n, each in statuses.items() if each.state == "AVAILABLE"]
        told = configs.unloaded(model, version or 0, available)
    raise click.ClickException(f"Version {version} of {model} at {server.address} {told}")


def _tell(servers: "list[ModelServerClient]", new: "ModelConfigs", old: "ModelConfigs") -> None:
    """Has all servers follow the new configuration, or none."""
    for index, server in enumerate(servers):
        try:
            server.reload(str(new.without(_unknown(server, new))))
        except errors.VitrineError as error:
            for told in servers[:index]:
                with suppress(errors.VitrineError):
                    told.reload(str(old.without(_unknown(told, old))))
            if isinstance(error, errors.Unavailable | errors.DeadlineExceeded):
                raise
            raise click.ClickException(
                f"The model server at {server.address} refuses it, and all is as it was: {error}"
            ) from error


def _unknown(server: "ModelServerClient", configs: "ModelConfigs") -> set[str]:
    """The models of which a server has no version. TensorFlow Serving does not answer a reload
    before each new model has one, and answers no other meanwhile; those that get one come in when
    it next looks at its file."""
    unknown = set()
    for model in configs.models:
        try:
            server.status(model)
        except errors.NotFound:
            unknown.add(model)
    return unknown
