"""`bpfman completion`."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

_SHELLS = ["bash", "zsh", "fish"]


@click.command()
@click.argument("shell", type=click.Choice(_SHELLS))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print a script that completes words.

    bpfman completion bash > /etc/bash_completion.d/bpfman
    """
    found = get_completion_class(shell)
    assert found is not None
    root = context.find_root().command
    click.echo(found(root, {}, "bpfman", "_BPFMAN_COMPLETE").source())
