"""`bpfman image`."""

from __future__ import annotations

import click

from bpfman_core.cli.connect import connected
from bpfman_core.cli.load import image_options, image_source


@click.group()
def image() -> None:
    """Work with bytecode images."""


@image.command()
@click.argument("url")
@image_options
@click.pass_context
def pull(context: click.Context, url: str, pull_policy: str, registry_auth: str | None) -> None:
    """Have an image at hand before it is needed."""
    with connected(context) as api:
        api.pull(image_source(url, pull_policy, registry_auth))
