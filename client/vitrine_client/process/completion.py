"""Completion command: prints the script that lets a shell complete a command.

Each of the three commands has it, made by `completion_of`.
"""

import os
from pathlib import Path

import click
from click.shell_completion import get_completion_class

SHELLS = ("bash", "zsh", "fish")

_HELP = """Print the script that lets a shell complete `{name}`.

SHELL is bash, zsh or fish; without it, $SHELL says which. To install the script:

\b
{name} completion bash > ~/.local/share/bash-completion/completions/{name}
{name} completion zsh > "${{fpath[1]}}/_{name}"                before compinit
{name} completion fish > ~/.config/fish/completions/{name}.fish
eval "$({name} completion bash)"                    or for this shell alone
"""


def completion_of(name: str) -> click.Command:
    """Returns the subcommand `completion` of a command that is called `name`."""

    @click.command("completion", help=_HELP.format(name=name))
    @click.argument("shell", type=click.Choice(SHELLS), required=False)
    @click.pass_context
    def completion(ctx: click.Context, shell: str | None) -> None:
        shell = shell or Path(os.environ.get("SHELL", "")).name
        maker = get_completion_class(shell) if shell in SHELLS else None
        if not maker:
            raise click.UsageError(
                f"Which shell? $SHELL is none of these; say {' or '.join(SHELLS)}"
            )
        variable = f"_{name}_COMPLETE".replace("-", "_").upper()
        click.echo(maker(ctx.find_root().command, {}, name, variable).source())

    return completion
