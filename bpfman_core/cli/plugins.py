"""`bpfman plugins`."""

from __future__ import annotations

import click

from bpfman_core.cli import render
from bpfman_core.cli.connect import connected


@click.command()
@click.argument("action", type=click.Choice(["list"]), default="list", metavar="[list]")
@render.output_option
@click.pass_context
def plugins(context: click.Context, action: str, output: str) -> None:
    """Show the plugins that were found, and why those that are broken are."""
    del action  # there is one
    with connected(context) as api:
        render.plugin_table(api.plugins(), output)
