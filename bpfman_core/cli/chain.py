"""`bpfman chain`."""

from __future__ import annotations

import click

from bpfman_core.cli import render
from bpfman_core.cli.connect import connected


@click.command()
@click.argument("iface", required=False)
@click.option("--netns", metavar="PATH", help="Network namespace to look at.")
@render.output_option
@click.pass_context
def chain(context: click.Context, iface: str | None, netns: str | None, output: str) -> None:
    """Show the hooks that can hold several programs, and what runs there in which order.

    Without --netns: those of bpfman in every namespace, and those of others in this one.
    """
    with connected(context) as api:
        found = [view for view in api.chains(netns) if iface in (None, view.iface)]
    render.chains(found, output)
