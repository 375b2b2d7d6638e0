"""The command `vitrine`: what its subcommands are, and how all of them end."""

from typing import Any

import click

from vitrine_client.cli.completion import completion
from vitrine_client.cli.loadtest import loadtest
from vitrine_client.cli.predict import predict
from vitrine_client.cli.show import metadata, models, status
from vitrine_client.cli.tune import tune
from vitrine_client.cli.versions import promote, rollback

CTRL_C = 130
"""The exit code that a shell gives to what Ctrl-C ended: 128 and the number of SIGINT."""


class Vitrine(click.Group):
    """A group whose commands may be interrupted."""

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the subcommand; Ctrl-C ends it with `CTRL_C`, where click would say 1."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            click.echo(err=True)  # ends the line that has ^C in it
            ctx.exit(CTRL_C)


@click.group(cls=Vitrine, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="vitrine-client", message="%(prog)s %(version)s")
def main() -> None:
    """Ask a Vitrine gateway what is in a picture.

    \b
    vitrine predict shoe.png photos/     what it sees in each
    vitrine predict - < shoe.png         the same, from standard input
    vitrine models                       which models and versions answer
    vitrine status mlp                   how the versions of one model are
    vitrine metadata mlp                 what goes into its signatures, and out
    vitrine promote mlp 3                have the version label stable name version 3
    vitrine rollback mlp                 and what it named before
    vitrine loadtest shoe.png            how fast it answers
    vitrine tune shoe.png --slo p99=20ms which settings answer fastest
    vitrine completion bash              have the shell complete all this

    Exit codes: 0 all well; 1 some pictures or requests failed, or what was asked for was refused;
    2 wrong usage, or no answer; 130 Ctrl-C.
    """


for command in (
    *(predict, models, status, metadata),
    *(promote, rollback),
    *(loadtest, tune),
    completion,
):
    main.add_command(command)
