"""`bpfman load file` and `bpfman load image`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from bpfman_core.api import AttachPart, FileSource, ImageSource, LoadRequest, ProgramRequest
from bpfman_core.bound import BoundType
from bpfman_core.cli import render
from bpfman_core.cli.connect import connected
from bpfman_core.cli.greedy import ListOption
from bpfman_core.cli.image_options import (
    absolute,
    image_source,
    pull_policy_option,
    registry_auth_option,
)
from bpfman_core.cli.progress import shown
from bpfman_core.cli.words import TypeGroup, only, registry
from bpfman_core.model import Json

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


@click.group()
def load() -> None:
    """Load programs, and attach them.

    With the word of a program type the program is loaded and attached, both or neither. With
    --programs it is loaded only, and so are others of the same object.
    """


def _list(*names: str, mark: str, **settings: Any) -> Decorator:
    return click.option(*names, cls=ListOption, belongs=lambda word: mark in word, **settings)


_COMMON: tuple[Decorator, ...] = (
    click.option("-n", "--name", metavar="NAME", help="Function, or section, of the program."),
    _list(
        *("-g", "--global", "variables"),
        mark="=",
        metavar="NAME=HEX...",
        help="Global variables; also NAME=u32:10, NAME=i64:-1, NAME=str:text.",
    ),
    _list("-m", "--metadata", mark="=", metavar="KEY=VALUE...", help="Labels to find it by."),
    click.option("-a", "--application", metavar="NAME", help="Application that it belongs to."),
    click.option(
        "--map-owner-id", type=int, metavar="ID", help="Program whose maps it is to share."
    ),
    _list(
        "--programs",
        mark=":",
        metavar="TYPE:NAME[:TARGET]...",
        help="Load these, attach none: all of them or none.",
    ),
    render.output_option,
)


def _common(function: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(_COMMON):
        function = option(function)
    return function


def _with_type(context: click.Context, bound: BoundType, options: Mapping[str, Json]) -> None:
    """Called for `load ... TYPE ...`."""
    assert context.parent is not None
    word, values = bound.type.word, context.parent.params
    if values["programs"]:
        raise click.UsageError("--programs loads without attaching: leave out the type word")
    request = ProgramRequest(values["name"], word, only(options, bound.type.load_options))
    _load(context.parent, (request,), AttachPart(word, only(options, bound.type.options)))


def _without_type(context: click.Context) -> None:
    """Called for `load ...` itself, before a type's command if there is one."""
    if context.invoked_subcommand is not None:
        return
    values = context.params
    if not values["programs"]:
        raise click.UsageError(
            "name a program type to attach it as, or --programs TYPE:NAME to load only", context
        )
    if values["name"]:
        raise click.UsageError("--programs names the programs: leave out --name", context)
    requests = tuple(_program(context, word) for word in values["programs"])
    _load(context, requests, None)


def _program(context: click.Context, text: str) -> ProgramRequest:
    """TYPE:NAME, or TYPE:NAME:TARGET where the type has a load option that must be given."""
    word, _, rest = text.partition(":")
    name, _, target = rest.partition(":")
    options: dict[str, Json] = {}
    if target:
        fields = registry(context).type(word).type.load_options.fields()
        required = [field.name for field in fields if field.required]
        if not required:
            raise click.UsageError(f"{text}: a {word} program has no target when it is loaded")
        options[required[0]] = target
    return ProgramRequest(name or None, word, options)


def _load(
    context: click.Context, programs: tuple[ProgramRequest, ...], attach: AttachPart | None
) -> None:
    from bpfman_core.globals import parse

    values = context.params
    source = _image(context) if context.info_name == "image" else _file(context)
    request = LoadRequest(
        source=source,
        programs=programs,
        globals=dict(parse(text) for text in values["variables"]),
        metadata=render.pairs(values["metadata"]),
        application=values["application"],
        map_owner_id=values["map_owner_id"],
        attach=attach,
    )
    what = source.url if isinstance(source, ImageSource) else source.path
    with connected(context) as api, shown(f"Loading {what}"):
        views = api.load(request)
    if attach is None:
        render.programs(views, values["output"])
    else:
        render.program(views[0], values["output"])


def _file(context: click.Context) -> FileSource:
    path: Path | None = context.params["path"]
    if path is None:
        raise click.UsageError("Missing option '-p' / '--path'.", context)
    from bpfman_core.bytecode import read

    return FileSource(str(path.absolute()), read(path))


def _image(context: click.Context) -> ImageSource:
    values = context.params
    if values["image_url"] is None:
        raise click.UsageError("Missing option '-i' / '--image-url'.", context)
    return image_source(values["image_url"], values["pull_policy"], values["registry_auth"])


@load.group(cls=TypeGroup, callback_for_type=_with_type, loading=True, invoke_without_command=True)
@click.option("-p", "--path", type=click.Path(path_type=Path), help="ELF object with the program.")
@_common
@click.pass_context
def file(context: click.Context, /, **_: object) -> None:
    """Load a program out of an ELF object.

    bpfman load file --path xdp_pass.o --name pass xdp --iface eth0 --priority 100
    """
    _without_type(context)


@load.group(cls=TypeGroup, callback_for_type=_with_type, loading=True, invoke_without_command=True)
@click.option(
    *("-i", "--image-url"), metavar="URL", callback=absolute, help="Image with the program."
)
@pull_policy_option
@registry_auth_option
@_common
@click.pass_context
def image(context: click.Context, /, **_: object) -> None:
    """Load a program out of an image.

    bpfman load image --image-url quay.io/bpfman-bytecode/xdp_pass:latest xdp --iface eth0
    --priority 100
    """
    _without_type(context)
