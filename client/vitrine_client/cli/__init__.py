"""Command `vitrine`: its subcommands."""

import click

from vitrine_client.cli.doctor import doctor
from vitrine_client.cli.drift import drift
from vitrine_client.cli.explain import explain
from vitrine_client.cli.feedback import feedback
from vitrine_client.cli.loadtest.command import loadtest
from vitrine_client.cli.predict import predict
from vitrine_client.cli.profile import profile
from vitrine_client.cli.show import metadata, models, status
from vitrine_client.cli.tune import tune
from vitrine_client.cli.versions import promote, rollback
from vitrine_client.process import variables
from vitrine_client.process.completion import completion_of
from vitrine_client.process.exit_codes import CommandGroup

_SETTINGS = {"help_option_names": ["-h", "--help"], "show_default": True}


@click.group(cls=CommandGroup, context_settings=_SETTINGS)
@click.version_option(package_name="vitrine-client", message="%(prog)s %(version)s")
def main() -> None:
    """Ask a Vitrine gateway what is in a picture.

    \b
    vitrine predict shoe.png photos/     what it sees in each
    vitrine predict - < shoe.png         the same, from standard input
    vitrine explain shoe.png             which pixels speak for its answer
    vitrine feedback ID Coat             what it really shows, by the request id of the answer
    vitrine models                       which models and versions answer
    vitrine status mlp                   how the versions of one model are
    vitrine metadata mlp                 what goes into its signatures, and out
    vitrine profile mlp                  what pictures it takes, and what is assumed
    vitrine drift                        whether models are asked what they were trained for
    vitrine promote mlp 3                make the version label stable name version 3
    vitrine rollback mlp                 make it name what it named before
    vitrine loadtest closed shoe.png     how fast it answers
    vitrine tune shoe.png --slo p99=20ms which settings answer fastest
    vitrine doctor                       what is wrong here, and what to do
    vitrine completion bash              have the shell complete all this
    """
    variables.warn_of_unknown()


for command in (
    *(predict, explain, feedback, models, status, metadata, profile, drift),
    *(promote, rollback),
    *(loadtest, tune),
    doctor,
    completion_of("vitrine"),
):
    main.add_command(command)
