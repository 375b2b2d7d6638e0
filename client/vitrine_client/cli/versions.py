"""Version label commands: `vitrine promote` and `vitrine rollback`."""

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from vitrine_client.cli import completion_values, options
from vitrine_client.cli.gateway import TlsFiles, model_server_tls
from vitrine_client.cli.output import tables
from vitrine_client.results.json_values import NEWEST
from vitrine_client.store import version_labels
from vitrine_client.store.version_labels import Promotion


def _moving(move: Callable[..., Promotion]) -> Callable[..., None]:
    """Returns the command that moves a version label by `move`, which is called with the arguments
    that `promote` and `rollback` of `version_labels` share, and prints the result."""

    @functools.wraps(move)
    def moving(
        *,
        addresses: tuple[str, ...],
        tls: TlsFiles,
        as_json: bool,
        **given: Any,
    ) -> None:
        with options.friendly(), options.needs("grpc", "moving a version label"):
            try:
                moved = move(model_servers=addresses, verify=tls.ca, cert=tls.certificate, **given)
            except FileNotFoundError as error:
                raise click.BadParameter(str(error), param_hint="--config") from error
        _say(moved, as_json)

    command: Callable[..., None] = moving
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
            callback=options.checked(version_labels.checked_label),
            help="Version label to move.",
        ),
        click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a sentence."),
    ):
        command = option(command)
    return command


_model = click.argument("model", shell_complete=completion_values.configured_models)


@click.command(short_help="Make a version label name a version.")
@_model
@click.argument("version", type=click.IntRange(min=0, max=NEWEST))
@_moving
def promote(model: str, version: int, **how: Any) -> Promotion:
    """Make a version label name VERSION of MODEL.

    \b
    vitrine promote mlp 3                      stable is 3 from now on
    vitrine promote mlp 4 --label canary       and vitrine predict --label canary tries 4
    vitrine promote mlp 3 --config deploy/tensorflow_serving/models.config
    vitrine rollback mlp                       stable is what it was before

    A version that is published and not loaded is loaded first. Then the model server's file is
    changed, and the server is told: nothing restarts. From then on it serves what the file says and
    nothing else, so give the file that it was started with. Each of several servers is asked
    first: every version that the file names has to be AVAILABLE there. If one refuses, those that
    were told go back. A model that a server does not know is not named to it, as it would wait for
    that one and take nothing else. --timeout-s is for each answer; loads have a minute, and going
    back has --timeout-s again.

    Versions that labels name must not unload. So a model of which only the newest versions were
    served has all of them served from then on; a policy that names versions (specific) stays. The
    file is rewritten, and only the comments at its head are kept. A server that is started with
    labels in its file needs --allow_version_labels_for_unavailable_models.
    """
    return version_labels.promote(model, version, **how)


@click.command(short_help="Make a version label name what it named before.")
@_model
@_moving
def rollback(model: str, **how: Any) -> Promotion:
    """Make a version label of MODEL name the version that it named before.

    \b
    vitrine rollback mlp
    vitrine rollback mlp --label canary

    Run again, it goes back one version more. The history is in comments at the head of the file.

    It moves a label, and every version stays published and served. To take the newest version
    itself out of service, whatever names it, retire it: vitrine-train rollback MODEL.
    """
    return version_labels.rollback(model, **how)


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
