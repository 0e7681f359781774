"""`bpfman attach`."""

from __future__ import annotations

from collections.abc import Mapping

import click

from bpfman_core.api import AttachPart
from bpfman_core.bound import BoundType
from bpfman_core.cli import render
from bpfman_core.cli.connect import connected
from bpfman_core.cli.greedy import ListOption
from bpfman_core.cli.words import TypeGroup
from bpfman_core.model import Json


def _attach(context: click.Context, bound: BoundType, options: Mapping[str, Json]) -> None:
    assert context.parent is not None
    values = context.parent.params
    part = AttachPart(bound.type.word, options, render.pairs(values["metadata"]))
    with connected(context) as api:
        link = api.attach(values["program_id"], part)
    render.link(link, values["output"])


@click.group(cls=TypeGroup, callback_for_type=_attach, loading=False)
@click.argument("program_id", type=int)
@click.option(
    *("-m", "--metadata"),
    cls=ListOption,
    belongs=lambda word: "=" in word,
    metavar="KEY=VALUE...",
    help="Labels of the link.",
)
@render.output_option
def attach(**_: object) -> None:
    """Attach a loaded program once more.

    bpfman attach 6213 xdp --iface eth0 --priority 100
    """
