"""`vitrine promote` and `vitrine rollback`: which version a version label names."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from vitrine_client.cli import completion_values as completing
from vitrine_client.cli import options
from vitrine_client.cli.gateway import Tls, model_server_tls
from vitrine_client.cli.output import tables
from vitrine_client.cli.which import NEWEST
from vitrine_client.errors import InvalidRequest
from vitrine_client.store import version_labels
from vitrine_client.store.version_labels import Promotion


def _checked(_ctx: click.Context, _parameter: click.Parameter, value: str) -> str:
    try:
        return version_labels.checked_label(value)
    except InvalidRequest as error:
        raise click.BadParameter(str(error)) from error


def _moving(command: Callable[..., None]) -> Callable[..., None]:
    """Adds what `promote` and `rollback` share: which label, which file, which servers."""
    for option in (
        options.timeout_s,
        model_server_tls,
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
            default=version_labels.STABLE,
            show_default=True,
            callback=_checked,
            help="Version label to move.",
        ),
        click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a sentence."),
    ):
        command = option(command)
    return command


_model = click.argument("model", shell_complete=completing.configured_models)


@click.command(short_help="Make a version label name a version.")
@_model
@click.argument("version", type=click.IntRange(min=0, max=NEWEST))
@_moving
def promote(
    model: str,
    version: int,
    label: str,
    config: Path,
    addresses: tuple[str, ...],
    timeout_s: float,
    tls: Tls,
    as_json: bool,
) -> None:
    """Make a version label name VERSION of MODEL.

    \b
    vitrine promote mlp 3                      stable is 3 from now on
    vitrine promote mlp 4 --label canary       and vitrine predict --label canary tries 4
    vitrine promote mlp 3 --config serving/tensorflow_serving/models.config
    vitrine rollback mlp                       stable is what it was before

    A version that is published and not loaded is loaded first. The model server's file is changed,
    and the server told: no restart. It then serves what the file says and nothing else, so the
    file has to be its own. If it refuses, all is as it was. A server is not told of models that it
    has no version of: it would wait for them and take nothing else.

    Versions that labels name must not unload: a model of which the newest versions alone were
    served has all of them served from then on; a policy that names versions (specific) stays. The
    file is rewritten, and only the comments at its head are kept. A server that is started with
    labels in its file needs --allow_version_labels_for_unavailable_models.
    """
    with _explained():
        moved = version_labels.promote(
            model,
            version,
            label=label,
            config=config,
            model_servers=addresses,
            timeout_s=timeout_s,
            verify=tls.ca,
            cert=tls.certificate,
        )
    _say(moved, as_json)


@click.command(short_help="Make a version label name what it named before.")
@_model
@_moving
def rollback(
    model: str,
    label: str,
    config: Path,
    addresses: tuple[str, ...],
    timeout_s: float,
    tls: Tls,
    as_json: bool,
) -> None:
    """Make a version label of MODEL name the version that it named before.

    \b
    vitrine rollback mlp
    vitrine rollback mlp --label canary

    Run again, it goes back one version more. The history is in comments at the head of the file.

    It moves a label, and every version stays published and served. To take the newest version
    itself out of service, whatever names it, retire it: vitrine-train rollback MODEL.
    """
    with _explained():
        moved = version_labels.rollback(
            model,
            label=label,
            config=config,
            model_servers=addresses,
            timeout_s=timeout_s,
            verify=tls.ca,
            cert=tls.certificate,
        )
    _say(moved, as_json)


@contextmanager
def _explained() -> Iterator[None]:
    """Says what to install, which file is not there, and what else goes wrong."""
    with options.friendly(), options.needs("grpc", "moving a version label"):
        try:
            yield
        except FileNotFoundError as error:
            raise click.BadParameter(str(error), param_hint="--config") from error


def _say(moved: Promotion, as_json: bool) -> None:
    if moved.keeps_all:
        click.echo(
            f"All versions of {moved.model} are served from now on: what {moved.label} names must "
            "not unload when another is published.\nmodels.config decides from now on which models "
            "are served: add new ones there.",
            err=True,
        )
    if as_json:
        tables.print_json(moved.to_dict())
        return
    before = "" if moved.was is None else f" (was {moved.was})"
    if moved.was == moved.version:
        before = ", as before"
    click.echo(f"{moved.model}: {moved.label} is version {moved.version}{before}")
