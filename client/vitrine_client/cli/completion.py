"""`vitrine completion`: what has a shell complete subcommands, options and file names."""

import os
from pathlib import Path

import click
from click.shell_completion import get_completion_class

SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(SHELLS), required=False)
@click.pass_context
def completion(ctx: click.Context, shell: str | None) -> None:
    """Print what has a shell complete `vitrine`.

    SHELL is bash, zsh or fish; $SHELL says which if it is left out. To install it:

    \b
    vitrine completion bash > ~/.local/share/bash-completion/completions/vitrine
    vitrine completion zsh > "${fpath[1]}/_vitrine"                before compinit
    vitrine completion fish > ~/.config/fish/completions/vitrine.fish
    eval "$(vitrine completion bash)"                    or for this shell alone
    """
    shell = shell or Path(os.environ.get("SHELL", "")).name
    maker = get_completion_class(shell) if shell in SHELLS else None
    if not maker:
        raise click.UsageError(f"Which shell? $SHELL is none of these; say {' or '.join(SHELLS)}")
    click.echo(maker(ctx.find_root().command, {}, "vitrine", "_VITRINE_COMPLETE").source())
