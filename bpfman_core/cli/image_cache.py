"""`bpfman image pull`, `list`, `remove` and `prune`."""

from __future__ import annotations

import click

from bpfman_core.cli import render
from bpfman_core.cli.connect import connected
from bpfman_core.cli.image_options import (
    absolute,
    image_source,
    pull_policy_option,
    registry_auth_option,
    settings,
)
from bpfman_core.cli.progress import shown


@click.command()
@click.argument("url", callback=absolute)
@pull_policy_option
@registry_auth_option
@click.pass_context
def pull(context: click.Context, url: str, pull_policy: str, registry_auth: str | None) -> None:
    """Have an image at hand before it is needed.

    bpfman image pull quay.io/bpfman-bytecode/xdp_pass:latest
    """
    with connected(context) as api, shown(f"Pulling {url}"):
        api.pull(image_source(url, pull_policy, registry_auth))


@click.command(name="list")
@click.option("-q", "--quiet", is_flag=True, help="The names only.")
@render.output_option
@click.pass_context
def list_(context: click.Context, quiet: bool, output: str) -> None:
    """List the images that are at hand, with what was found of their signatures."""
    from bpfman_core.cli import render_images
    from bpfman_core.image.cache import Cache

    render_images.cached(Cache(settings(context).cache), output, quiet=quiet)


@click.command()
@click.argument("urls", nargs=-1, required=True)
@click.pass_context
def remove(context: click.Context, urls: tuple[str, ...]) -> None:
    """Remove images from the cache. Programs that were loaded out of them stay."""
    from bpfman_core.image.cache import Cache
    from bpfman_core.image.reference import Reference

    references = [Reference.parse(url) for url in urls]
    cache = Cache(settings(context).cache)
    for reference in references:
        cache.remove(reference)


@click.command()
@click.option("-a", "--all", "everything", is_flag=True, help="All images.")
@click.pass_context
def prune(context: click.Context, everything: bool) -> None:
    """Remove what no image of the cache needs, such as what a tag stood for before."""
    from bpfman_core.image.cache import Cache

    freed = Cache(settings(context).cache).prune(everything=everything)
    click.echo(f"{freed} bytes freed")
