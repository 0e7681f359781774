"""`bpfman unload` and `bpfman detach`."""

from __future__ import annotations

from collections.abc import Callable

import click

from bpfman_core.cli import complain
from bpfman_core.cli.connect import connected
from bpfman_core.errors import BpfmanError, NotFound


@click.command()
@click.argument("program_ids", type=int, nargs=-1, required=True, metavar="PROGRAM_ID...")
@click.option("--ignore-missing", is_flag=True, help="That a program is not there is fine.")
@click.pass_context
def unload(context: click.Context, program_ids: tuple[int, ...], ignore_missing: bool) -> None:
    """Detach programs from everything and unload them."""
    with connected(context) as api:
        _each(context, program_ids, api.unload, ignore_missing)


@click.command()
@click.argument("link_ids", type=int, nargs=-1, required=True, metavar="LINK_ID...")
@click.option("--ignore-missing", is_flag=True, help="That a link is not there is fine.")
@click.pass_context
def detach(context: click.Context, link_ids: tuple[int, ...], ignore_missing: bool) -> None:
    """Take links off their hooks. Their programs stay loaded."""
    with connected(context) as api:
        _each(context, link_ids, api.detach, ignore_missing)


def _each(
    context: click.Context, ids: tuple[int, ...], work: Callable[[int], None], ignore_missing: bool
) -> None:
    """Do all that can be done; the first failure gives the exit status."""
    status = 0
    for number in ids:
        try:
            work(number)
        except BpfmanError as error:
            if ignore_missing and isinstance(error, NotFound):
                continue
            complain.say(str(error))
            status = status or error.exit_code
    context.exit(status)
