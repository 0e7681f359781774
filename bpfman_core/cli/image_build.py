"""`bpfman image build`, `push` and `generate-build-args`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bpfman_core.cli import render
from bpfman_core.cli.greedy import GreedyCommand, ListOption
from bpfman_core.cli.image_options import absolute, credentials, registry_auth_option, settings
from bpfman_core.cli.progress import shown
from bpfman_core.cli.words import registry
from bpfman_core.errors import InvalidRequest
from bpfman_core.image.bpf2go import BYTE_ORDERS

if TYPE_CHECKING:
    from bpfman_core.contents import Contents
    from bpfman_core.image.descriptor import Descriptor
    from bpfman_core.image.manifest import Read
    from bpfman_core.image.reference import Reference

_ENDS = {"little": "el", "big": "eb"}


def _objects(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options that say which objects."""
    for architecture, order in reversed(list(BYTE_ORDERS.items())):
        function = click.option(
            *(f"--bc-{architecture}-{_ENDS[order]}", architecture),
            type=click.Path(path_type=Path),
            help=f"The object for {architecture}.",
        )(function)
    decorators = (
        click.option(
            *("-b", "--bytecode"), type=click.Path(path_type=Path), help="The object for this host."
        ),
        click.option(
            *("-c", "--cilium-ebpf-project"),
            type=click.Path(path_type=Path),
            help="Directory with objects that are named as bpf2go does.",
        ),
        click.option(
            "--programs",
            cls=ListOption,
            belongs=lambda word: ":" in word,
            metavar="TYPE:NAME...",
            help="Types of programs whose ELF section does not tell.",
        ),
    )
    for decorate in reversed(decorators):
        function = decorate(function)
    return function


def _contents(context: click.Context, values: dict[str, Any]) -> Contents:
    from bpfman_core import contents
    from bpfman_core.image.bpf2go import objects

    single, project = values["bytecode"], values["cilium_ebpf_project"]
    several = {name: values[name] for name in BYTE_ORDERS if values[name] is not None}
    if [bool(single), bool(project), bool(several)].count(True) != 1:
        raise click.UsageError("name either --bytecode, --cilium-ebpf-project, or --bc-... objects")
    types = {name: word for word, _, name in (text.partition(":") for text in values["programs"])}
    find = registry(context).word_for
    if single:
        return contents.single(single, types, find)
    return contents.several(objects(project) if project else several, types, find)


@click.command(cls=GreedyCommand)
@click.option("-t", "--tag", required=True, metavar="URL", help="What the image shall be called.")
@_objects
@click.option("--push", "pushing", is_flag=True, help="Upload it, in place of keeping it.")
@click.option("--to", metavar="oci:DIR", help="Put it into a layout, in place of the cache.")
@registry_auth_option
@render.output_option
@click.pass_context
def build(context: click.Context, /, **values: Any) -> None:
    """Make an image of objects, and keep it in the cache.

    Its labels are read out of the objects. The same objects make the same image.

    bpfman image build --tag quay.io/you/xdp_pass:1 --bytecode xdp_pass.bpf.o
    """
    from bpfman_core.cli import render_images
    from bpfman_core.image.build import assemble
    from bpfman_core.image.cache import VERDICT, Cache
    from bpfman_core.image.reference import Reference
    from bpfman_core.image.signing.check import BUILT_HERE

    reference = Reference.parse(values["tag"])
    place, notes = Cache(settings(context).cache), {VERDICT: BUILT_HERE}
    if values["to"] is not None:
        place, notes = Cache(_directory(values["to"])), {}
        place.check_usable()
    with shown(f"Building {reference}"):
        image = _contents(context, values).image()
        built = assemble(image)
    if values["pushing"]:
        read: Read = lambda one, _: built.blobs[one.digest]  # noqa: E731
        _upload(context, built.top, read, reference, values["registry_auth"])
    if values["to"] is not None or not values["pushing"]:
        place.put(reference, built.top, built.blobs, signing=notes)
    render_images.built(str(reference), image, built.top.digest, values["output"])


def _directory(text: str) -> Path:
    if not text.startswith("oci:"):
        raise click.UsageError("--to takes oci: and a directory")
    return Path(text.removeprefix("oci:")).absolute()


@click.command()
@click.argument("url", callback=absolute)
@click.argument("destination", required=False)
@registry_auth_option
@click.pass_context
def push(
    context: click.Context, url: str, destination: str | None, registry_auth: str | None
) -> None:
    """Upload an image of the cache, or of a layout (oci:DIR), to a registry.

    bpfman image push quay.io/you/xdp_pass:1 registry.example/xdp_pass:1
    """
    from bpfman_core.image.cache import Cache
    from bpfman_core.image.layout_url import LAYOUT, open_layout
    from bpfman_core.image.reference import Reference

    if url.startswith(LAYOUT):
        if destination is None:
            raise click.UsageError("name the destination too")
        found = open_layout(url)
        top, read = found.top, found.repository.read
    else:
        cache = Cache(settings(context).cache)
        top, read = cache.get(Reference.parse(url)), cache.read
    place = Reference.parse(url if destination is None else destination)
    _upload(context, top, read, place, registry_auth)
    click.echo(f"{place.name}@{top.digest}")


def _upload(
    context: click.Context, top: Descriptor, read: Read, place: Reference, secret: str | None
) -> None:
    from bpfman_core.image.places import open_repository
    from bpfman_core.image.push import push as send

    if place.digest is not None:
        raise InvalidRequest(f"{place} names a digest", hint="push to a tag")
    given = credentials(secret)
    with shown(f"Pushing {place}"):
        target = open_repository(place, settings(context), credentials=given, actions="pull,push")
        send(top, read, target, place.tag)


@click.command(cls=GreedyCommand)
@_objects
@click.pass_context
def generate_build_args(context: click.Context, /, **values: Any) -> None:
    """Print build arguments for Containerfile.bytecode, one NAME=VALUE a line.

    With several objects they are for Containerfile.bytecode.multi.arch. The directory that you are
    in is to be the context of the build.
    """
    from bpfman_core.image.descriptor import compact

    found = _contents(context, values)
    for architecture, path in found.paths.items():
        end = _ENDS[BYTE_ORDERS.get(architecture, sys.byteorder)]
        name = "BYTECODE_FILE" if found.alone else f"BC_{architecture}_{end}".upper()
        click.echo(f"{name}={_within_context(path)}")
    for name, table in (("PROGRAMS", found.programs), ("MAPS", found.maps)):
        click.echo(f"{name}={compact(table).decode()}")


def _within_context(path: Path) -> Path:
    """COPY takes files of the context only, and names them from there."""
    here = Path.cwd()
    whole = here / path
    return whole.relative_to(here) if whole.is_relative_to(here) else path
