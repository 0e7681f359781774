"""`bpfman image`."""

from __future__ import annotations

import click

from bpfman_core.cli.lazy import LazyGroup

_COMMANDS = {
    "pull": ("bpfman_core.cli.image_cache", "Have an image at hand before it is needed"),
    "list": ("bpfman_core.cli.image_cache", "List the images that are at hand"),
    "remove": ("bpfman_core.cli.image_cache", "Remove images that are at hand"),
    "prune": ("bpfman_core.cli.image_cache", "Remove what no image needs any more"),
    "build": ("bpfman_core.cli.image_build", "Make an image of objects"),
    "push": ("bpfman_core.cli.image_build", "Upload an image to a registry"),
    "generate-build-args": (
        "bpfman_core.cli.image_build",
        "Print what a Containerfile needs to know of objects",
    ),
    "inspect": ("bpfman_core.cli.image_look", "Show what is in an image"),
    "verify": ("bpfman_core.cli.image_look", "Check the signatures of an image"),
}


@click.group(cls=LazyGroup, lazy=_COMMANDS)
def image() -> None:
    """Work with bytecode images.

    Images that were pulled or built are kept in a cache, which is this host's; all commands but
    `pull` work on it, or on a registry, themselves, also where a service runs.
    """
