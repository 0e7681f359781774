"""`bpfman update`."""

from __future__ import annotations

from typing import Any

import click

from bpfman_core.api import UpdateRequest
from bpfman_core.cli import render
from bpfman_core.cli.connect import connected
from bpfman_core.cli.greedy import GreedyCommand, spread
from bpfman_core.cli.words import changeable, given, registry
from bpfman_core.model import Json


class _Update(GreedyCommand):
    """Its options are those that some program type lets change."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """The declared ones, then those of the types."""
        declared = super().get_params(ctx)
        return [*declared[:-1], *changeable(registry(ctx).types.values()), declared[-1]]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """With the lists of the types' options spread."""
        return click.Command.parse_args(self, ctx, spread(args, self.get_params(ctx)))


@click.command(cls=_Update)
@click.argument("link_id", type=int)
@render.output_option
@click.pass_context
def update(context: click.Context, /, link_id: int, output: str, **values: Any) -> None:
    """Change a link while it runs, in one step. What is not named stays as it is.

    bpfman update 3 --priority 10 --proceed-on pass drop
    """
    options: dict[str, Json] = given(values)
    if not options:
        raise click.UsageError("name what to change", context)
    with connected(context) as api:
        changed = api.update(UpdateRequest(link_id, options))
    render.link(changed, output)
