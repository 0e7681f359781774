"""Program types as commands: their words and options come from the plugins."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import click

from bpfman_core.bound import BoundType
from bpfman_core.cli import render
from bpfman_core.cli.connect import REGISTRY
from bpfman_core.cli.greedy import GreedyCommand, GreedyGroup, ListOption
from bpfman_core.errors import BpfmanError
from bpfman_core.model import Json
from bpfman_core.options import Field, Options
from bpfman_core.registry import Registry

Callback = Callable[[click.Context, BoundType, Mapping[str, Json]], object]


def registry(context: click.Context) -> Registry:
    """The plugins of this process, as the configuration selects them."""
    from bpfman_core.config import load_config
    from bpfman_core.registry import Selection, discover

    root = context.find_root()
    found = root.meta.get(REGISTRY)
    if found is None:
        config = load_config(root.obj.paths.config)
        found = discover(Selection.of(config.load_plugins, config.disable_plugins))
        root.meta[REGISTRY] = found
    assert isinstance(found, Registry)
    return found


class TypeGroup(GreedyGroup):
    """A group whose commands are the type words.

    `callback_for_type` is called with the type and its options by name; `loading` adds the load
    options to those of the attach.
    """

    def __init__(
        self, name: str | None, *, callback_for_type: Callback, loading: bool, **settings: Any
    ) -> None:
        super().__init__(name, **{**settings, "subcommand_metavar": "TYPE [OPTIONS]..."})
        self._callback_for_type = callback_for_type
        self._loading = loading

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The words of all plugins that can be used."""
        return sorted(registry(ctx).types)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command:
        """A command with the options of the type. A word that is none is wrong usage."""
        try:
            bound = registry(ctx).type(cmd_name)
        except BpfmanError as error:
            raise click.UsageError(str(error), ctx) from error
        params: list[click.Parameter] = [*params_of(bound.type.options)]
        if self._loading:
            params += params_of(bound.type.load_options)
        taken = {flag for param in params for flag in param.opts}
        params.append(_output_option(short="-o" not in taken))

        def callback(output: str | None, **values: Json) -> None:
            context = click.get_current_context()
            assert context.parent is not None
            context.parent.params["output"] = output or context.parent.params["output"]
            self._callback_for_type(context, bound, given(values))

        return GreedyCommand(cmd_name, params=params, callback=callback, help=bound.type.summary)


def params_of(options: type[Options]) -> list[click.Option]:
    """An options class as click's parameters."""
    return [option_of(field) for field in options.fields()]


def option_of(field: Field, *, optional: bool = False) -> click.Option:
    """One field as click's parameter. `optional` ones are neither required nor have a default."""
    settings: dict[str, Any] = {
        "help": _help(field, optional),
        "required": field.required and not optional,
        "metavar": field.metavar,
    }
    names = [*field.flags, field.name]
    if field.multiple:
        belongs = field.choices.__contains__ if field.choices else lambda _: True
        return ListOption(names, belongs=belongs, type=_type(field), **settings)
    if field.kind is bool:
        return click.Option(names, is_flag=True, default=None, **settings)
    return click.Option(names, type=_type(field), **settings)


def given(values: Mapping[str, Json]) -> dict[str, Json]:
    """The options that the user set; the others are left to their defaults."""
    return {name: value for name, value in values.items() if value is not None and value != ()}


def only(values: Mapping[str, Json], options: type[Options]) -> dict[str, Json]:
    """Of some options those that a class has."""
    names = {field.name for field in options.fields()}
    return {name: value for name, value in values.items() if name in names}


def changeable(types: Iterable[BoundType]) -> list[click.Option]:
    """The options that links of these types let change while they run, each once."""
    fields = {
        field.name: field
        for bound in types
        if bound.updatable
        for field in bound.type.options.fields()
        if field.changeable
    }
    return [option_of(field, optional=True) for field in fields.values()]


def _output_option(*, short: bool) -> click.Option:
    """The --output of the group, which users like to write last."""
    names = [*(["-o"] if short else []), "--output"]
    return click.Option(names, type=click.Choice(render.FORMS), help="Form of the output.")


def _type(field: Field) -> click.ParamType[Any]:
    if field.choices:
        return click.Choice(field.choices)
    if field.kind is int:
        return click.IntRange(field.minimum, field.maximum)
    return click.STRING


def _help(field: Field, optional: bool) -> str:
    about = field.help
    if field.multiple and field.choices:
        about += f": {', '.join(field.choices)}"
    if field.default not in (None, False, ()) and not optional:
        default = field.default
        shown = ", ".join(default) if isinstance(default, tuple) else default
        about += f"  [default: {shown}]"
    return about
