"""`bpfman list` and `bpfman get`."""

from __future__ import annotations

import click

from bpfman_core.api import ListRequest
from bpfman_core.cli import render
from bpfman_core.cli.connect import connected
from bpfman_core.cli.greedy import GreedyCommand, ListOption

_KINDS = click.Choice(["programs", "links"])


@click.command(name="list", cls=GreedyCommand)
@click.argument("kind", type=_KINDS, default="programs", metavar="[programs|links]")
@click.option("-a", "--all", "everything", is_flag=True, help="Programs of others too.")
@click.option("-p", "--program-type", "types", multiple=True, metavar="TYPE", help="Of this type.")
@click.option(
    *("-m", "--metadata-selector", "metadata"),
    cls=ListOption,
    belongs=lambda word: "=" in word,
    metavar="KEY=VALUE...",
    help="With these labels.",
)
@click.option("--application", metavar="NAME", help="Of this application.")
@click.option("-q", "--quiet", is_flag=True, help="The ids only.")
@render.output_option
@click.pass_context
def list_(
    context: click.Context,
    kind: str,
    everything: bool,
    types: tuple[str, ...],
    metadata: tuple[str, ...],
    application: str | None,
    quiet: bool,
    output: str,
) -> None:
    """List the programs, or the links.

    Every condition that is given must hold.
    """
    wanted = render.pairs(metadata)
    with connected(context) as api:
        if kind == "links":
            links = [
                link
                for link in api.links()
                if (not types or link.type in types) and wanted.items() <= link.metadata.items()
            ]
            render.link_table(links, output, quiet=quiet)
            return
        request = ListRequest(all=everything, types=types, metadata=wanted, application=application)
        render.program_table(api.list(request), output, quiet=quiet)


@click.command()
@click.argument("words", nargs=-1, required=True, metavar="[program|link] ID")
@render.output_option
@click.pass_context
def get(context: click.Context, words: tuple[str, ...], output: str) -> None:
    """Show all of a program, or of a link.

    bpfman get 6213, bpfman get link 3
    """
    *kind, number = words
    if kind not in ([], ["program"], ["link"]) or not number.isdecimal():
        raise click.UsageError("write `get ID`, `get program ID` or `get link ID`", context)
    with connected(context) as api:
        if kind == ["link"]:
            render.link(api.get_link(int(number)), output)
        else:
            render.program(api.get(int(number)), output)
